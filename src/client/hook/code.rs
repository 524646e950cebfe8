//! Code for a shell: the part that stays there, and what it is told after a change.

use std::path::Path;

use super::Shell;

/// The shell's part, which calls this program with these arguments.
pub fn snippet(shell: Shell, program: &Path, arguments: &[String]) -> String {
    let part = match shell {
        Shell::Bash => include_str!("bash.sh"),
        Shell::Zsh => include_str!("zsh.zsh"),
        Shell::Fish => include_str!("fish.fish"),
    };
    let program = quoted(shell, &program.to_string_lossy());
    let words: Vec<_> = arguments.iter().map(|argument| quoted(shell, argument)).collect();
    part.replace("@CREDD@", [vec![program.clone()], words].concat().join(" ").as_str()).replace("@EXE@", &program)
}

/// A word that means nothing but itself.
fn quoted(shell: Shell, word: &str) -> String {
    match shell {
        Shell::Bash | Shell::Zsh => format!("'{}'", word.replace('\'', "'\\''")),
        Shell::Fish => format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// What a shell is told.
pub struct Code {
    shell: Shell,
    watched: Vec<String>,
    pending: Vec<String>,
    rest: String,
}

impl Code {
    /// Nothing yet.
    pub fn new(shell: Shell) -> Self {
        Self { shell, watched: Vec::new(), pending: Vec::new(), rest: String::new() }
    }

    /// Compare this file with its stamp from now on.
    pub fn watch(&mut self, file: &Path, stamp: &Path) {
        self.watched.extend([file, stamp].map(|path| quoted(self.shell, &path.to_string_lossy())));
    }

    /// Look at this file at the next prompt, whatever its stamp.
    pub fn pending(&mut self, file: &Path) {
        self.pending.push(quoted(self.shell, &file.to_string_lossy()));
    }

    /// It was reminded on this day.
    pub fn told(&mut self, day: &str) {
        self.set("__credd_told", day);
    }

    /// Look anew from this second on.
    pub fn until(&mut self, second: i64) {
        self.set("__credd_until", &second.to_string());
    }

    fn set(&mut self, name: &str, value: &str) {
        let value = quoted(self.shell, value);
        let line = if self.shell == Shell::Fish { format!("set -g {name} {value}") } else { format!("{name}={value}") };
        self.line(&line);
    }

    fn line(&mut self, text: &str) {
        self.rest += text;
        self.rest.push('\n');
    }

    /// Take these variables, each of a key.
    pub fn take(&mut self, place: &str, names: &[(&str, String)]) {
        if !names.is_empty() {
            let words = names.iter().map(|(key, name)| format!(" {} {name}", quoted(self.shell, key)));
            let line = format!("__credd_take {}{}", quoted(self.shell, place), words.collect::<String>());
            self.line(&line);
        }
    }

    /// All of it. Values are taken last, so that whatever comes of that, it isn't done twice.
    pub fn text(self) -> String {
        let list = |name: &str, words: Vec<String>| match self.shell {
            Shell::Bash | Shell::Zsh => format!("{name}=({})\n", words.join(" ")),
            Shell::Fish => format!("set -g {name} {}\n", words.join(" ")),
        };
        list("__credd_watch", self.watched) + &list("__credd_pending", self.pending) + &self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_itself_in_each_shell() {
        for (shell, program) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
            for word in ["", "a b", "it's", "\\", "\\'", "$(id) `id` $x", "a\nb", "\\\\n", "ü"] {
                let line = format!("printf %s {}", quoted(shell, word));
                let output = std::process::Command::new(program).args(["-c", &line]).output().unwrap();
                assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{program}: {line}");
            }
        }
    }
}
