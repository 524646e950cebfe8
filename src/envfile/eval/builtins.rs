//! Builtins that matter for variables; every other command is taken not to touch them.

use super::super::names::{Owner, owner};
use super::super::scan::DECLARATIONS;
use super::super::syntax::{Assignment, Bytes, Word};
use super::assigning::ASSIGNING;
use super::commands::{Status, glob_risk};
use super::declare::Caller;
use super::{Evaluator, Halt, Value};

/// Words that mustn't be aliases, because everything else here rests on them.
const RESERVED: [&[u8]; 40] = [
    b"export",
    b"declare",
    b"typeset",
    b"readonly",
    b"local",
    b"set",
    b"unset",
    b"eval",
    b"source",
    b"builtin",
    b"command",
    b"exec",
    b"alias",
    b"unalias",
    b"setopt",
    b"if",
    b"then",
    b"elif",
    b"else",
    b"fi",
    b"for",
    b"while",
    b"until",
    b"do",
    b"done",
    b"case",
    b"esac",
    b"in",
    b"function",
    b"select",
    b"time",
    b"return",
    b"exit",
    b"read",
    b"true",
    b"false",
    b"test",
    b"trap",
    b"let",
    b"shift",
];

/// Signals that nothing in a file that is being sourced raises.
const QUIET_SIGNALS: [&[u8]; 14] = [
    b"0", b"EXIT", b"INT", b"TERM", b"HUP", b"QUIT", b"USR1", b"USR2", b"SIGINT", b"SIGTERM", b"SIGHUP", b"SIGQUIT", b"SIGUSR1", b"SIGUSR2",
];

impl<'a> Evaluator<'a> {
    /// Runs a command by its name.
    pub(super) fn call(&mut self, name: &[u8], caller: Caller, arguments: &'a [Word], assignments: &'a [Assignment]) -> Status {
        // The assignments among the arguments of a declaration aren't patterns.
        let assignment = |word: &Word| DECLARATIONS.contains(&name) && word.assignment.is_some();
        if arguments.iter().any(|word| !assignment(word) && glob_risk(std::slice::from_ref(word))) {
            self.may_stop("zsh stops where a pattern matches no file");
            self.forget_assigned(assignments, "zsh may keep it when a pattern matches no file");
        }
        if self.aliases.contains(name) {
            self.may_stop("a command that may be an alias");
            self.forget_all("a command that may be an alias");
        }
        if self.functions.contains_key(name) {
            self.forget_assigned(assignments, "an assignment before a function");
            self.call_function(name, arguments);
            return None;
        }
        if DECLARATIONS.contains(&name) {
            return self.declare(name, caller, arguments, assignments);
        }
        self.check_prefix(assignments);
        let values: Vec<Value> = arguments.iter().map(|word| self.word(word)).collect();
        if self.halted() {
            return None;
        }
        let literals: Vec<Option<Bytes>> = values.into_iter().map(certain).collect();
        self.builtin(name, arguments, &literals, assignments)
    }

    /// `NAME=value command` assigns for the command alone.
    fn check_prefix(&mut self, assignments: &'a [Assignment]) {
        let mut certain = true;
        for assignment in assignments {
            // zsh expands the value in the process of the command.
            self.maybe("it may be assigned in the environment of a command", |evaluator| {
                let value = evaluator.assigned_value(assignment, false);
                certain &= matches!(value, Value::Known { .. });
            });
            let fragile = self.state.get(&assignment.name).readonly || self.state.get(&assignment.name).typed;
            match owner(&assignment.name) {
                Owner::Reading => {
                    self.poison("a variable that changes how the shell reads the file");
                }
                Owner::Shell if assignment.name != b"IFS" => {
                    self.may_stop("a variable that belongs to the shell");
                }
                _ if fragile => {
                    self.may_stop("an assignment to a readonly variable");
                    self.forget(&assignment.name, "an assignment before a command");
                }
                _ => {}
            }
        }
        if !certain {
            // Where an expansion fails, bash keeps those before it.
            for assignment in assignments {
                self.forget(&assignment.name, "an expansion before a command may fail");
            }
        }
    }

    pub(super) fn forget_assigned(&mut self, assignments: &'a [Assignment], why: &'static str) {
        for assignment in assignments {
            self.word(&assignment.value);
            self.forget(&assignment.name, why);
        }
    }

    fn builtin(&mut self, name: &[u8], arguments: &'a [Word], literals: &[Option<Bytes>], assignments: &'a [Assignment]) -> Status {
        if SPECIAL.contains(&name) {
            self.forget_assigned(assignments, "an assignment before a special builtin");
        }
        match name {
            b":" | b"true" => return Some(true),
            b"false" => return Some(false),
            b"test" | b"[" => self.test_builtin(arguments),
            b"command" => self.command_builtin(arguments, literals),
            b"builtin" => self.builtin_builtin(arguments, literals),
            b"return" | b"exit" | b"logout" | b"bye" | b"break" | b"continue" | b"shift" if !plain_number(literals) => {
                self.may_stop("bash and zsh differ on the arguments of `return` and `exit`");
                self.forget_all("bash and zsh differ on the arguments of `return` and `exit`");
            }
            b"exec" if !arguments.is_empty() => self.stop_file(),
            b"eval" => {
                self.may_stop("`eval` may stop the file");
                self.forget_all("`eval` runs text that isn't followed");
            }
            b"." | b"source" => {
                self.forget_all("another file is sourced");
            }
            b"unset" => return self.unset(literals),
            b"set" => self.set(literals),
            b"setopt" | b"unsetopt" => self.setopt(literals),
            b"shopt" => self.shopt(literals),
            b"alias" | b"hash" => self.alias(arguments, literals),
            b"emulate" | b"enable" | b"disable" | b"zcompile" => {
                self.poison("a builtin that changes how the file is read");
            }
            b"trap" => self.trap(literals),
            b"return" => {
                self.halt = Some(if self.calls > 0 { Halt::Function } else { Halt::File });
            }
            b"exit" => self.stop_file(),
            b"break" | b"continue" | b"suspend" | b"logout" | b"bye" => {
                self.may_stop("a command that may end the file or a loop in one of the shells");
            }
            b"kill" | b"fc" | b"r" | b"zle" | b"sched" => {
                self.may_stop("a command that may run others");
                self.forget_all("a command that may run others");
            }
            b"printf" | b"print" => self.printf(arguments, literals),
            b"wait" if !literals.is_empty() => self.assigning(arguments, literals),
            _ if ASSIGNING.contains(&name) => self.assigning(arguments, literals),
            _ => {}
        }
        None
    }

    /// zsh takes the operands of number comparisons for arithmetic.
    fn test_builtin(&mut self, arguments: &'a [Word]) {
        let compares = |word: &Word| matches!(word.bare(), Some(b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge"));
        for (index, _) in arguments.iter().enumerate().filter(|(_, word)| compares(word)) {
            for side in [index.checked_sub(1), index.checked_add(1)].into_iter().flatten() {
                if let Some(word) = arguments.get(side) {
                    self.number(word);
                }
            }
        }
    }

    /// `command` looks past functions in bash, and past builtins in zsh.
    fn command_builtin(&mut self, arguments: &'a [Word], literals: &[Option<Bytes>]) {
        match literals.first() {
            None => {}
            Some(Some(option)) if matches!(&option[..], b"-v" | b"-V") => {}
            Some(Some(name)) if !name.starts_with(b"-") => {
                let name = name.clone();
                self.maybe("zsh's `command` doesn't run builtins", |evaluator| {
                    evaluator.call(&name, Caller::Indirect, &arguments[1..], &[]);
                });
            }
            Some(_) => {
                self.may_stop("`command` with a name that isn't followed");
                self.forget_all("`command` with a name that isn't followed");
            }
        }
    }

    fn builtin_builtin(&mut self, arguments: &'a [Word], literals: &[Option<Bytes>]) {
        match literals.first() {
            None => {}
            Some(Some(name)) if DECLARATIONS.contains(&&name[..]) => {
                let name = name.clone();
                self.declare(&name, Caller::Indirect, &arguments[1..], &[]);
            }
            Some(Some(name)) => {
                let name = name.clone();
                self.may_stop("a builtin that one of the shells may not have");
                self.maybe("a builtin that one of the shells may not have", |evaluator| {
                    evaluator.call(&name, Caller::Indirect, &arguments[1..], &[]);
                });
            }
            Some(None) => {
                self.may_stop("a builtin whose name is only known at run time");
                self.forget_all("a builtin whose name is only known at run time");
            }
        }
    }

    /// Aliases: zsh expands them in files, bash only where it is interactive.
    fn alias(&mut self, arguments: &'a [Word], literals: &[Option<Bytes>]) {
        let expands = |word: &Word| {
            let equals = word.unquoted().flatten().filter(|byte| **byte == b'=').count();
            equals > 1 || word.unquoted().flatten().any(|byte| *byte == b'~') || word.literal().is_none()
        };
        if arguments.iter().any(expands) {
            self.may_stop("zsh expands the arguments of `alias` as those of `export`");
        }
        for argument in literals {
            let Some(argument) = argument else {
                self.poison("an alias that is only known at run time");
                return;
            };
            let Some(equals) = argument.iter().position(|byte| *byte == b'=') else {
                if argument.starts_with(b"-") || argument.starts_with(b"+") {
                    self.poison("an alias with options");
                }
                continue;
            };
            let (name, text) = argument.split_at(equals);
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.~".contains(byte);
            let blank_end = text.last().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
            let assignment_like = !name.iter().all(plain) || name.is_empty() || name == b"." || name == b"-";
            if assignment_like || blank_end || RESERVED.contains(&name) {
                self.poison("an alias that may change how the file is read");
            }
            self.aliases.insert(name.to_vec());
        }
    }

    fn trap(&mut self, literals: &[Option<Bytes>]) {
        let quiet = |signal: &Option<Bytes>| signal.as_deref().is_some_and(|name| QUIET_SIGNALS.contains(&name));
        match literals {
            [] => {}
            [_, signals @ ..] if signals.iter().all(quiet) => {}
            _ => self.poison("a trap that may run commands at any point"),
        }
    }
}

/// Builtins for which some shells keep the assignments before them.
const SPECIAL: [&[u8]; 12] =
    [b".", b"eval", b"exec", b"exit", b"return", b"set", b"shift", b"source", b"times", b"trap", b"unset", b"command"];

/// No argument, or one that is a number: zsh takes anything else for arithmetic, or goes on.
fn plain_number(literals: &[Option<Bytes>]) -> bool {
    match literals {
        [] => true,
        [Some(number)] => !number.is_empty() && number.len() < 4 && number.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A value that doesn't depend on anything inherited.
fn certain(value: Value) -> Option<Bytes> {
    match value {
        Value::Known { bytes, depends } if depends.is_empty() => Some(bytes),
        _ => None,
    }
}
