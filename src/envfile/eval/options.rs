//! `set`, `setopt` and `shopt`.

use super::super::syntax::Bytes;
use super::Evaluator;

/// Options of `set -o` that change nothing for values, in either shell.
const HARMLESS: [&[u8]; 9] = [b"xtrace", b"verbose", b"emacs", b"vi", b"pipefail", b"noclobber", b"notify", b"ignoreeof", b"noglob"];

/// Options of `shopt` that don't change how a file is read.
const SHOPT: [&[u8]; 14] = [
    b"histappend",
    b"checkwinsize",
    b"cmdhist",
    b"autocd",
    b"globstar",
    b"cdspell",
    b"dirspell",
    b"lithist",
    b"progcomp",
    b"histverify",
    b"nullglob",
    b"dotglob",
    b"nocaseglob",
    b"extglob",
];

/// Beginnings of the names of zsh options that concern the command line alone.
const SETOPT: [&str; 12] = [
    "hist",
    "nohist",
    "share",
    "incappend",
    "prompt",
    "beep",
    "nobeep",
    "autocd",
    "autopushd",
    "correct",
    "interactivecomments",
    "complete",
];

impl Evaluator<'_> {
    /// `set`: most of its letters mean something else in zsh.
    pub(super) fn set(&mut self, arguments: &[Option<Bytes>]) {
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(argument) = argument else {
                self.poison("`set` with arguments that are only known at run time");
                return;
            };
            let on = match argument.first() {
                Some(b'-') if argument.len() > 1 && argument != b"--" => true,
                Some(b'+') if argument.len() > 1 => false,
                _ => return,
            };
            if &argument[1..] == b"o" {
                match rest.next() {
                    None => {}
                    Some(Some(option)) => self.set_named(option, on),
                    Some(None) => {
                        self.poison("`set` with arguments that are only known at run time");
                    }
                }
                continue;
            }
            if argument.iter().skip(1).any(|letter| !b"aeuxvgU".contains(letter)) {
                if argument.iter().any(|letter| !letter.is_ascii_alphabetic() && !b"+-".contains(letter)) {
                    // Not a letter: nothing is set in bash, and zsh stops or sets the letters before it.
                    self.may_stop("an invalid option of `set`");
                    self.state.modes.allexport = None;
                    self.may_export = true;
                    return;
                }
                self.poison("an option of `set` that bash and zsh read differently");
                return;
            }
            self.set_letters(&argument[1..], on);
        }
    }

    fn set_letters(&mut self, letters: &[u8], on: bool) {
        // An invalid letter keeps bash from setting the others.
        let invalid = letters.iter().any(|letter| b"gU".contains(letter));
        if invalid {
            self.may_stop("an option of `set` that bash and zsh read differently");
        }
        for letter in letters {
            match letter {
                b'a' => {
                    self.state.modes.allexport = if invalid { None } else { Some(on) };
                    self.may_export = true;
                }
                b'e' => self.state.modes.errexit |= on,
                b'u' => self.state.modes.nounset |= on,
                _ => {}
            }
            if !on && !invalid {
                match letter {
                    b'e' => self.state.modes.errexit = false,
                    b'u' => self.state.modes.nounset = false,
                    _ => {}
                }
            }
        }
    }

    fn set_named(&mut self, option: &[u8], on: bool) {
        match option {
            b"allexport" => {
                self.state.modes.allexport = Some(on);
                self.may_export = true;
            }
            b"errexit" => self.state.modes.errexit = on,
            b"nounset" => self.state.modes.nounset = on,
            b"history" | b"histexpand" => {
                self.may_stop("an option of `set -o` that zsh doesn't have");
            }
            _ if HARMLESS.contains(&option) => {}
            _ if option.iter().all(u8::is_ascii_lowercase) => {
                self.poison("an option of `set -o` that bash and zsh read differently");
            }
            _ => self.may_stop("an invalid option of `set -o`"),
        }
    }

    /// `setopt` and `unsetopt`, which bash doesn't have.
    pub(super) fn setopt(&mut self, arguments: &[Option<Bytes>]) {
        for argument in arguments {
            let name = argument.as_deref().map(|name| String::from_utf8_lossy(name).to_lowercase().replace('_', ""));
            if !name.is_some_and(|name| SETOPT.iter().any(|known| name.starts_with(known))) {
                self.poison("an option of zsh that may change how the file is read");
            }
        }
    }

    /// `shopt`, which zsh doesn't have.
    pub(super) fn shopt(&mut self, arguments: &[Option<Bytes>]) {
        for argument in arguments {
            let known = argument.as_deref().is_some_and(|name| matches!(name, b"-s" | b"-u" | b"-q" | b"-p") || SHOPT.contains(&name));
            if !known {
                self.poison("an option of bash that may change how the file is read");
            }
        }
    }
}
