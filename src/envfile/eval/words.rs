//! The values of words.

use super::super::names::{Owner, owner, takes_number, takes_text};
use super::super::syntax::{Arithmetic, Assignment, Bytes, Form, Opaque, Piece, RUN_TIME, SUBSTITUTION, Target, Word};
use super::Evaluator;
use super::state::{Literal, Value};
use std::collections::BTreeSet;

/// Values longer than this aren't kept: no shell could hand them to a program.
const MAX_VALUE: usize = 1 << 20;

impl<'a> Evaluator<'a> {
    /// The value of a word, and whatever its expansions do on the way.
    pub(super) fn word(&mut self, word: &'a Word) -> Value {
        let mut bytes = Vec::new();
        let mut depends = BTreeSet::new();
        let mut unknown = None;
        for piece in &word.pieces {
            match self.piece(piece) {
                Value::Known { bytes: more, depends: on } => {
                    bytes.extend(more);
                    depends.extend(on);
                }
                Value::Unknown(reason) => {
                    unknown.get_or_insert(reason);
                }
                Value::Untouched | Value::Unset => {}
            }
            if bytes.len() > MAX_VALUE {
                unknown.get_or_insert(self.reason("a value that is too long to follow"));
                bytes.clear();
            }
        }
        self.charge(bytes.len());
        match unknown {
            Some(reason) => Value::Unknown(reason),
            None => Value::Known { bytes, depends },
        }
    }

    fn piece(&mut self, piece: &'a Piece) -> Value {
        match piece {
            Piece::Text { bytes, .. } => Value::known(bytes.clone()),
            Piece::Home => match self.state.get(b"HOME").value {
                Value::Untouched => Value::known(self.home.to_vec()),
                Value::Unset => self.unknown("`~` while HOME is unset"),
                value => value,
            },
            Piece::Param { name, form, .. } => self.parameter(name, form),
            Piece::Arithmetic(arithmetic) => {
                self.arithmetic(arithmetic);
                self.unknown("arithmetic")
            }
            Piece::Opaque(opaque) => self.opaque(opaque),
        }
    }

    fn opaque(&mut self, opaque: &Opaque) -> Value {
        if opaque.may_stop {
            self.may_stop(opaque.why);
        }
        for name in &opaque.mentions {
            self.forget(name, "it may be assigned inside an expansion");
        }
        self.unknown(opaque.why)
    }

    /// What an arithmetic expression may do. It can fail, which makes zsh stop.
    pub(super) fn arithmetic(&mut self, arithmetic: &Arithmetic) {
        self.may_stop("zsh stops at an error in arithmetic");
        // The text of a variable is itself an expression, so that anything but a number may assign.
        let evaluates = arithmetic.names.iter().any(|name| !is_number(&self.state.get(name).value));
        if arithmetic.wild || evaluates {
            self.forget_all("arithmetic that may assign any variable");
        } else if arithmetic.assigns {
            for name in &arithmetic.names {
                self.forget(name, "it is assigned in arithmetic");
                let mut variable = self.state.get(name);
                variable.typed = true; // zsh makes it a number for good
                self.state.put(name, variable);
            }
        }
    }

    /// A word whose value one of the shells evaluates as arithmetic.
    pub(super) fn number(&mut self, word: &'a Word) {
        let value = self.word(word);
        let harmless = is_number(&value);
        self.may_stop("zsh stops at an error in arithmetic");
        if !harmless {
            self.forget_all("arithmetic that may assign any variable");
        }
    }

    fn parameter(&mut self, name: &[u8], form: &'a Form) -> Value {
        if owner(name) != Owner::File {
            self.inner_word(form);
            if !matches!(form, Form::Plain) {
                self.may_stop("a parameter that the shell itself sets");
            }
            return self.unknown("a parameter that the shell itself sets");
        }
        let variable = self.state.get(name);
        if variable.declared && !matches!(variable.value, Value::Known { .. }) && form_sees_unset(form) {
            self.inner_word(form);
            self.may_stop("bash and zsh differ on a variable that is exported and has no value");
            self.forget(name, "bash and zsh differ on a variable that is exported and has no value");
            return self.unknown("bash and zsh differ on a variable that has no value");
        }
        let mut conditions = BTreeSet::new();
        let (set, bytes) = match variable.value {
            Value::Untouched if name == b"HOME" => (true, self.home.to_vec()),
            Value::Untouched => {
                conditions.insert(name.to_vec());
                (false, Vec::new())
            }
            Value::Unset => (false, Vec::new()),
            Value::Known { bytes, depends } => {
                conditions = depends;
                (true, bytes)
            }
            Value::Unknown(reason) => {
                self.unknown_parameter(name, form);
                return Value::Unknown(reason);
            }
        };
        self.charge(bytes.len());
        let usable = |colon: bool| if colon { !bytes.is_empty() } else { set };
        match form {
            Form::Plain if !set && self.state.modes.nounset => {
                self.may_stop("an unset variable under `set -u`");
                self.unknown("an unset variable under `set -u`")
            }
            Form::Alternative { colon, word } if usable(*colon) => self.word_under(word, conditions),
            Form::Default { colon, word } if !usable(*colon) => self.word_under(word, conditions),
            Form::Assign { colon, word } if !usable(*colon) => {
                let value = self.word_under(word, conditions);
                self.assign(name, value.clone(), None, self.here);
                value
            }
            Form::Require { colon, word } if !usable(*colon) => {
                if conditions.is_empty() {
                    self.word(word);
                    self.stop_file();
                } else {
                    self.inner_word(form);
                }
                self.unknown("`${…:?}` stops the shell")
            }
            Form::Alternative { .. } => Value::Known { bytes: Vec::new(), depends: conditions },
            _ => Value::Known { bytes, depends: conditions },
        }
    }

    /// The value of a word that is only used where `conditions` hold.
    fn word_under(&mut self, word: &'a Word, conditions: BTreeSet<Bytes>) -> Value {
        match self.word(word) {
            Value::Known { bytes, mut depends } => {
                depends.extend(conditions);
                Value::Known { bytes, depends }
            }
            other => other,
        }
    }

    fn unknown_parameter(&mut self, name: &[u8], form: &'a Form) {
        self.inner_word(form);
        match form {
            Form::Assign { .. } => self.forget(name, "it is assigned where it was unset"),
            Form::Plain if self.state.modes.nounset => {
                self.may_stop("an unset variable under `set -u`");
            }
            _ => {}
        }
    }

    /// Evaluates the word of `${name:-word}` where it may or may not be used.
    fn inner_word(&mut self, form: &'a Form) {
        match form {
            Form::Plain => {}
            Form::Default { word, .. } | Form::Assign { word, .. } | Form::Alternative { word, .. } => {
                self.maybe("it may be assigned inside an expansion", |evaluator| {
                    evaluator.word(word);
                });
            }
            // Its word is only the message, but it is expanded before the shell stops.
            Form::Require { word, .. } => {
                self.maybe("it may be assigned inside an expansion", |evaluator| {
                    evaluator.word(word);
                    evaluator.may_stop("`${…:?}` may stop the shell");
                });
            }
        }
    }

    /// The value that an assignment gives its variable.
    pub(super) fn assigned_value(&mut self, assignment: &'a Assignment, declaration: bool) -> Value {
        let mut value = self.word(&assignment.value);
        match assignment.target {
            Target::Scalar => {}
            Target::Array => value = self.unknown("an array"),
            Target::Element => {
                self.may_stop("bash and zsh differ on the elements of arrays");
                value = self.unknown("an array");
            }
        }
        if equals_risk(&assignment.value) {
            self.may_stop("zsh looks up a command where a value has `=` in front");
            value = self.unknown("zsh looks up a command where a value has `=` in front");
        }
        if declaration && assignment.value.unquoted().any(|text| text.contains(&b'{')) {
            value = self.unknown("bash expands braces in the arguments of `export`");
        }
        if assignment.append {
            value = self.appended(assignment, value, declaration);
        }
        value
    }

    fn appended(&mut self, assignment: &Assignment, value: Value, declaration: bool) -> Value {
        if declaration {
            self.may_stop("zsh doesn't take `+=` in the arguments of `export`");
            return self.unknown("zsh doesn't take `+=` in the arguments of `export`");
        }
        let Value::Known { bytes, mut depends } = value else {
            return value;
        };
        let mut whole = match self.state.get(&assignment.name).value {
            Value::Known { bytes, depends: on } => {
                depends.extend(on);
                bytes
            }
            Value::Untouched if assignment.name == b"HOME" => self.home.to_vec(),
            Value::Untouched => {
                depends.insert(assignment.name.clone());
                Vec::new()
            }
            Value::Unset => Vec::new(),
            Value::Unknown(reason) => return Value::Unknown(reason),
        };
        whole.extend(bytes);
        self.charge(whole.len());
        if whole.len() > MAX_VALUE {
            return self.unknown("a value that is too long to follow");
        }
        Value::Known { bytes: whole, depends }
    }

    /// Gives a variable a value.
    pub(super) fn assign(&mut self, name: &[u8], value: Value, literal: Option<Literal>, at: usize) {
        let value = match owner(name) {
            Owner::File => value,
            Owner::Shell => {
                if !cannot_fail(name, &value) {
                    self.may_stop("a variable that belongs to the shell");
                }
                self.unknown("a variable that belongs to the shell")
            }
            Owner::Reading => {
                self.poison("a variable that changes how the shell reads the file");
                return;
            }
        };
        if name == b"path" {
            self.forget(b"PATH", "zsh changes PATH with `path`");
        }
        let mut variable = self.state.get(name);
        variable.value = if variable.readonly {
            self.may_stop("an assignment to a readonly variable");
            self.unknown("an assignment to a readonly variable")
        } else if variable.typed {
            self.unknown("a variable with an attribute that changes its value")
        } else {
            value
        };
        if variable.exported != Some(true) {
            variable.exported = match self.state.modes.allexport {
                Some(true) => Some(true),
                Some(false) => variable.exported,
                None => None,
            };
        }
        variable.literal = literal;
        variable.at = at;
        self.state.put(name, variable);
    }

    /// Where an assignment's value stands in the file, and its line in the list of assignments.
    pub(super) fn literal_of(&mut self, assignment: &Assignment) -> Option<Literal> {
        if assignment.target != Target::Scalar {
            return None;
        }
        if self.state.unconditional() && !assignment.append {
            self.assignments.push((assignment.name.clone(), assignment.at));
        }
        Some(Literal { span: assignment.value.span.clone(), append: assignment.append, ends_quoted: assignment.value.ends_quoted })
    }
}

/// Whether the form tells an unset variable from an empty one.
fn form_sees_unset(form: &Form) -> bool {
    match form {
        Form::Plain => false,
        Form::Assign { .. } => true,
        Form::Default { colon, .. } | Form::Alternative { colon, .. } | Form::Require { colon, .. } => !colon,
    }
}

/// zsh takes `=name` for the path of a command: at the start of a value, after a colon, and after an expansion.
fn equals_risk(value: &Word) -> bool {
    let mut after_text = false;
    for piece in &value.pieces {
        if let Piece::Text { bytes, quoted: false } = piece {
            let start = !after_text && bytes.first() == Some(&b'=');
            if start || bytes.windows(2).any(|pair| pair == b":=") {
                return true;
            }
        }
        after_text = matches!(piece, Piece::Text { quoted: false, bytes } if !bytes.is_empty());
    }
    false
}

/// Whether assigning `value` to a variable of the shell's is fine in both: text, or a number where one is needed.
fn cannot_fail(name: &[u8], value: &Value) -> bool {
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.len() < 10 && bytes.iter().all(u8::is_ascii_digit);
    takes_text(name) || takes_number(name) && matches!(value, Value::Known { bytes, .. } if digits(bytes))
}

/// Whether a value is no expression that assigns. What comes from outside the file is taken not to be one.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Known { bytes, .. } => bytes.iter().all(|byte| byte.is_ascii_digit() || b" -+.".contains(byte)),
        Value::Untouched | Value::Unset => true,
        Value::Unknown(reason) => reason.why == SUBSTITUTION || reason.why == RUN_TIME,
    }
}
