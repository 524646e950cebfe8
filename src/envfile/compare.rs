//! What tells two readings apart, for proving what a change of a file does.

use super::eval::Value;
use super::hint;
use super::syntax::{Bytes, FailureKind};
use super::{Answer, Reading};

/// What became of a variable that isn't the same in two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has another value, and nothing else about it changed: whether it is exported, what it depends on.
    Value,
    /// More than its value: it is known in one of them alone, say, or exported in one alone.
    Kind,
}

/// All of an answer but the value and where it comes from.
#[derive(PartialEq, Eq)]
enum Kind {
    Known { exported: bool },
    Inherited { depends_on: Vec<String>, exported: Option<bool> },
    Unset { by_file: bool, declared: bool },
    Dynamic { reason: String },
    Broken { reason: String },
}

impl Reading {
    /// Every variable that the file touches, or names where it couldn't be followed any more; sorted.
    pub fn names(&self) -> Vec<String> {
        texts(self.touched())
    }

    fn touched(&self) -> Vec<Bytes> {
        let mut touched = self.findings.names();
        touched.extend(self.findings.cut.iter().flat_map(|cut| cut.mentions.iter().cloned()));
        touched
    }

    /// Every variable that `other` doesn't have in the same way; sorted by name.
    pub fn differences(&self, other: &Self) -> Vec<(String, Difference)> {
        let names = [self.touched(), other.touched()].concat();
        texts(names).into_iter().filter_map(|name| self.difference(other, &name).map(|difference| (name, difference))).collect()
    }

    fn difference(&self, other: &Self, name: &str) -> Option<Difference> {
        if self.kind(name) != other.kind(name) {
            return Some(Difference::Kind);
        }
        let [one, two] = [self, other].map(|reading| reading.findings.variable(name.as_bytes()).value);
        match (one, two) {
            (Value::Known { bytes: one, .. }, Value::Known { bytes: two, .. }) => (one != two).then_some(Difference::Value),
            // Of the shell's own variables the kind says nothing.
            (Value::Known { .. }, _) | (_, Value::Known { .. }) => Some(Difference::Kind),
            _ => None,
        }
    }

    fn kind(&self, name: &str) -> Kind {
        let variable = self.findings.variable(name.as_bytes());
        match self.variable(name) {
            Answer::Static { exported, .. } => Kind::Known { exported },
            Answer::Inherited { depends_on, .. } => Kind::Inherited { depends_on, exported: variable.exported },
            Answer::Unset { .. } => Kind::Unset { by_file: variable.value == Value::Unset, declared: variable.declared },
            Answer::Dynamic { reason, .. } => Kind::Dynamic { reason },
            Answer::Broken { reason, .. } => Kind::Broken { reason },
        }
    }

    /// Why a shell wouldn't read the file to its end, and the line: a syntax error, or it breaks off in the middle.
    pub fn defect(&self) -> Option<(String, usize)> {
        if let Some(at) = self.nul {
            return Some(("the file holds NUL bytes".to_owned(), self.line(at)));
        }
        if let Some(failure) = self.failure.filter(|failure| failure.kind != FailureKind::Unsupported) {
            return Some((failure.why.to_owned(), self.line(failure.at)));
        }
        self.unfinished.then(|| ("a here-document isn't ended".to_owned(), self.line(self.source.len())))
    }

    /// How `name` is given a value in a syntax that isn't a shell's, if it is.
    pub fn foreign(&self, name: &str) -> Option<&'static str> {
        hint::dialect(&self.source, name)
    }
}

/// In their order, each once.
fn texts(mut names: Vec<Bytes>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()
}
