//! `export`, `declare`, `typeset` and `readonly`.

use super::super::names::{Owner, owner};
use super::super::syntax::{Assignment, Bytes, Form, Piece, Word, is_name, names_in};
use super::commands::Status;
use super::{Evaluator, Value};
use std::collections::HashSet;

/// How a builtin was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// By a plain word: the shells then read `NAME=value` after it as assignments.
    Plain,
    /// Quoted, or through `builtin` or `command`: they are words like any other, in one shell at least.
    Indirect,
}

/// What the options of a declaration ask for.
#[derive(Clone, Copy, Default)]
struct Wanted {
    exported: Option<bool>,
    readonly: bool,
    typed: bool,
    /// Functions are meant, or something is only printed.
    aside: bool,
}

impl<'a> Evaluator<'a> {
    pub(super) fn declare(&mut self, command: &[u8], caller: Caller, arguments: &'a [Word], prefix: &'a [Assignment]) -> Status {
        if command != b"local" && command != b"readonly" {
            self.may_export = true;
        }
        if !prefix.is_empty() || command == b"local" {
            for assignment in prefix {
                self.word(&assignment.value);
                self.forget(&assignment.name, "an assignment before `export`");
            }
            self.may_stop("a declaration that bash and zsh treat differently");
            self.forget_arguments(arguments, "a declaration that bash and zsh treat differently");
            return None;
        }
        let stops = self.state.stop_count();
        let values = self.declared_values(caller, arguments)?;
        let mut wanted = Wanted { readonly: command == b"readonly", ..Wanted::default() };
        if command == b"export" {
            wanted.exported = Some(true);
        }
        let mut options = true;
        let mut status = Some(true);
        for (word, value) in arguments.iter().zip(values) {
            if self.halted() {
                return None;
            }
            if self.state.stop_count() > stops {
                // Where zsh refuses one argument, it may have taken those before it.
                self.may_stop("zsh may stop in the middle of a declaration");
            }
            if let Some(assignment) = &word.assignment {
                options = false;
                self.declare_assignment(assignment, value, wanted);
                continue;
            }
            let Value::Known { bytes, .. } = value else {
                return None;
            };
            if options && bytes == b"--" {
                options = false;
            } else if options && bytes.len() > 1 && matches!(bytes.first(), Some(b'-' | b'+')) {
                if !self.option(command, &bytes, &mut wanted) {
                    self.forget_arguments(arguments, "an option that bash and zsh treat differently");
                    return None;
                }
            } else {
                options = false;
                if !self.declare_name(word, &bytes, wanted) {
                    status = None;
                }
            }
        }
        if self.state.stop_count() > stops {
            self.may_stop("zsh may stop in the middle of a declaration");
        }
        if wanted.aside {
            return None;
        }
        if status.is_none() {
            self.forget_arguments(arguments, "the same command has an invalid name");
        }
        status
    }

    /// The values of all arguments: bash expands them all before it assigns the first. `None` where a name isn't
    /// certain.
    fn declared_values(&mut self, caller: Caller, arguments: &'a [Word]) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        let mut earlier = HashSet::new();
        for word in arguments {
            let Some(assignment) = &word.assignment else {
                if word.literal().is_none() || word.unquoted().any(|text| text.contains(&b'{')) {
                    self.word(word);
                    self.may_stop("a declaration of a name that is only known at run time");
                    self.forget_all("a declaration of a name that is only known at run time");
                    return None;
                }
                values.push(self.word(word));
                continue;
            };
            self.here = assignment.at;
            let mut value = self.assigned_value(assignment, true);
            if mentions(&assignment.value, &earlier) {
                value = self.unknown("bash and zsh differ on a variable assigned earlier in the same command");
            }
            if caller == Caller::Indirect && !is_plain(&assignment.value) {
                self.may_stop("zsh stops where a pattern matches no file");
                value = self.unknown("`export` that isn't named plainly takes its arguments for ordinary words");
            }
            earlier.insert(assignment.name.clone());
            if self.halted() {
                return None;
            }
            values.push(value);
        }
        Some(values)
    }

    fn declare_assignment(&mut self, assignment: &Assignment, value: Value, wanted: Wanted) {
        self.here = assignment.at;
        if wanted.aside {
            self.may_stop("an assignment among options that take none");
            self.forget(&assignment.name, "an assignment among options that take none");
            return;
        }
        let literal = self.literal_of(assignment);
        let array = literal.is_none();
        let mut before = self.state.get(&assignment.name);
        if before.typed {
            self.may_stop("a declaration of a variable that has another type");
        }
        if wanted.typed && !before.typed {
            before.typed = true;
            self.state.put(&assignment.name, before);
        }
        self.assign(&assignment.name, value, literal, assignment.at);
        let mut variable = self.state.get(&assignment.name);
        variable.typed |= array;
        variable.readonly |= wanted.readonly;
        if wanted.exported.is_some() {
            variable.exported = wanted.exported;
        }
        self.state.put(&assignment.name, variable);
    }

    /// A name without a value, or an assignment inside quotes. False for an invalid name.
    fn declare_name(&mut self, word: &Word, text: &[u8], wanted: Wanted) -> bool {
        if wanted.aside {
            return true;
        }
        let equals = text.iter().position(|byte| *byte == b'=');
        let name = equals.map_or(text, |equals| &text[..equals]);
        if !is_name(name) {
            self.may_stop("zsh stops at an invalid name");
            for name in names_in(name) {
                self.forget(&name, "the same command has an invalid name");
            }
            return false;
        }
        if let Some(equals) = equals {
            let risky = |part: &[u8]| part.iter().any(|byte| b"*?[]{}~=^#:".contains(byte));
            let value = if word.unquoted().any(risky) {
                self.may_stop("zsh stops where a pattern matches no file");
                self.unknown("an assignment that is quoted in part")
            } else {
                Value::known(text[equals + 1..].to_vec())
            };
            let at = self.here;
            self.assign(name, value, None, at);
        }
        if owner(name) == Owner::Reading {
            self.poison("a variable that changes how the shell reads the file");
        }
        if self.state.get(name).typed {
            self.may_stop("a declaration of a variable that has another type");
        }
        let mut variable = self.state.get(name);
        if equals.is_none() && matches!(variable.value, Value::Untouched | Value::Unset) {
            variable.declared = true;
            variable.at = self.here;
        }
        if wanted.typed {
            variable.typed = true;
            variable.value = self.unknown("a variable with an attribute that changes its value");
        }
        variable.readonly |= wanted.readonly;
        if wanted.exported.is_some() {
            variable.exported = wanted.exported;
        }
        self.state.put(name, variable);
        true
    }

    /// Takes an option. False where the shells differ on it.
    fn option(&mut self, command: &[u8], option: &[u8], wanted: &mut Wanted) -> bool {
        let on = option.first() == Some(&b'-');
        for letter in &option[1..] {
            match (command, letter) {
                (b"export" | b"declare" | b"typeset", b'p' | b'f') | (b"readonly", b'p') => {
                    wanted.aside = true;
                }
                (b"declare" | b"typeset", b'x') => wanted.exported = Some(on),
                (b"declare" | b"typeset", b'g') if on => {}
                (b"declare" | b"typeset", b'r') if on => wanted.readonly = true,
                (b"declare" | b"typeset", b'i' | b'l' | b'u' | b'a' | b'A' | b't') => {
                    self.may_stop("an attribute that bash and zsh treat differently");
                    wanted.typed = true;
                }
                (_, b'm') | (b"declare" | b"typeset", b'n' | b'M') => {
                    self.poison("a declaration that may reach variables it doesn't name");
                    return false;
                }
                _ => {
                    self.may_stop("an option that bash and zsh treat differently");
                    return false;
                }
            }
        }
        true
    }

    /// Forgets whatever the arguments of a declaration name, for good.
    fn forget_arguments(&mut self, arguments: &'a [Word], why: &'static str) {
        for word in arguments {
            let names = match (&word.assignment, word.literal()) {
                (Some(assignment), _) => {
                    self.word(&assignment.value);
                    vec![assignment.name.clone()]
                }
                (None, Some(text)) => names_in(&text),
                (None, None) => {
                    self.word(word);
                    self.forget_all(why);
                    Vec::new()
                }
            };
            for name in names {
                self.forget_typed(&name, why);
            }
        }
    }

    fn forget_typed(&mut self, name: &Bytes, why: &'static str) {
        self.forget(name, why);
        let mut variable = self.state.get(name);
        variable.typed = true;
        self.state.put(name, variable);
    }
}

/// Whether a word uses one of `names`.
fn mentions(word: &Word, names: &HashSet<Bytes>) -> bool {
    word.pieces.iter().any(|piece| match piece {
        Piece::Param { name, form, .. } => {
            names.contains(name)
                || match form {
                    Form::Default { word, .. }
                    | Form::Assign { word, .. }
                    | Form::Alternative { word, .. }
                    | Form::Require { word, .. } => mentions(word, names),
                    Form::Plain => false,
                }
        }
        Piece::Home => names.contains(&b"HOME"[..]),
        Piece::Arithmetic(_) | Piece::Opaque(_) | Piece::Text { .. } => false,
    })
}

/// Whether a word means the same however it is read.
fn is_plain(word: &Word) -> bool {
    word.literal().is_some() && !word.unquoted().any(|text| text.iter().any(|byte| b"*?[]{}~=^#:".contains(byte)))
}
