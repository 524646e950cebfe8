//! Reads a shell env file without running it: the value that each variable has after `source FILE`.
//!
//! A value is only claimed where bash and zsh would both set it. What only running the file could tell, and where the
//! two differ, is [`Answer::Dynamic`]: a wrong value is the one thing that must not happen, so that whatever isn't
//! followed for certain is given up. Three assumptions remain. Commands that aren't builtins (programs, and functions
//! and aliases of the user's own shell) don't touch the variables. A file that is sourced, or text that is evaluated,
//! may change any variable up to there, but doesn't change how the rest is read. The shells have their default options.
//!
//! ```text
//! bytes ── scan ──> syntax::Program ── eval ──> eval::Findings ──> Reading ── variable() ──> Answer
//! ```
//!
//! Nothing that holds a value implements `Debug` or `Display`, and the reasons in answers are fixed texts: neither can
//! carry a secret into a log.

mod compare;
mod eval;
mod hint;
mod names;
mod plain;
mod scan;
mod syntax;
#[cfg(test)]
mod tests;

pub use compare::Difference;
use eval::{Findings, Reason, Value, Variable};
use names::{Owner, owner};
use std::ops::Range;
use syntax::{Failure, FailureKind, is_name};

/// Reads `source` as bash and zsh would when sourcing it, without running it. `home` is the value of HOME.
pub fn read(source: &[u8], home: &[u8]) -> Reading {
    let program = scan::scan(source);
    let findings = eval::evaluate(&program, source, home);
    let unfinished = matches!(&program.failure, Some((_, failure)) if failure.kind == FailureKind::Unfinished);
    let newlines = source.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    Reading {
        source: source.to_vec(),
        newlines,
        nul: source.iter().position(|byte| *byte == 0),
        unfinished: unfinished || program.open_heredoc,
        failure: program.failure.map(|(_, failure)| failure),
        findings,
    }
}

/// How a file is meant to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A file that a shell sources.
    Shell,
    /// A file that exports nothing, read as docker and systemd do: every assignment counts.
    Plain,
}

/// What is known of a variable after the file was sourced. Lines count from 1; reasons and hints hold no part of any
/// value.
pub enum Answer {
    /// Both shells set it to `value`.
    Static {
        /// The bytes, as the shells have them.
        value: Vec<u8>,
        /// Whether a child process would see it. In a [`Style::Plain`] file nothing is exported, and all of it counts.
        exported: bool,
        /// The line of the assignment that decides.
        line: usize,
        /// The bytes of that assignment's value word, to be replaced in place; `None` where it isn't a literal
        /// `NAME=word` (as in `NAME+=word` or `export "NAME=word"`).
        span: Option<Range<usize>>,
    },
    /// Its value is only known as long as these variables aren't inherited.
    Inherited {
        /// The variables, sorted.
        depends_on: Vec<String>,
        /// The line of the assignment that decides.
        line: usize,
    },
    /// Neither shell gives it a value.
    Unset {
        /// A short sentence, where the text of the file suggests why.
        hint: Option<String>,
    },
    /// Only running the file could tell, or bash and zsh differ.
    Dynamic {
        /// Why.
        reason: String,
        /// Where.
        line: usize,
    },
    /// The file is broken before or at an assignment of it.
    Broken {
        /// Why.
        reason: String,
        /// Where.
        line: usize,
    },
}

/// A file that was read. It holds values, and so can't be printed.
pub struct Reading {
    source: Vec<u8>,
    newlines: Vec<usize>,
    nul: Option<usize>,
    unfinished: bool,
    failure: Option<Failure>,
    findings: Findings,
}

impl Reading {
    /// What is known of `name`.
    pub fn variable(&self, name: &str) -> Answer {
        if let Some(at) = self.nul {
            return Answer::Broken { reason: "the file holds NUL bytes".to_owned(), line: self.line(at) };
        }
        if !is_name(name.as_bytes()) {
            return Answer::Unset { hint: None };
        }
        if let Some(cut) = self.findings.cut_for(name.as_bytes()) {
            let (reason, line) = self.told_of(name, cut.reason);
            return match cut.kind {
                FailureKind::Unsupported => Answer::Dynamic { reason, line },
                FailureKind::Syntax | FailureKind::Unfinished => Answer::Broken { reason, line },
            };
        }
        let variable = self.findings.variable(name.as_bytes());
        if owner(name.as_bytes()) != Owner::File {
            let line = self.line(variable.at);
            return Answer::Dynamic { reason: "the variable belongs to the shell itself".to_owned(), line };
        }
        self.answer(name, variable)
    }

    fn answer(&self, name: &str, variable: Variable) -> Answer {
        let line = self.line(variable.at);
        match variable.value {
            Value::Unknown(reason) => {
                let (reason, line) = self.told_of(name, reason);
                Answer::Dynamic { reason, line }
            }
            Value::Untouched => Answer::Unset { hint: hint::hint(&self.source, name) },
            Value::Unset => Answer::Unset { hint: Some("the file unsets it".to_owned()) },
            Value::Known { depends, .. } if !depends.is_empty() => {
                let depends_on = depends.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                Answer::Inherited { depends_on, line }
            }
            Value::Known { bytes, .. } => match variable.exported {
                Some(exported) => {
                    let literal = variable.literal.filter(|literal| !literal.append);
                    Answer::Static { value: bytes, exported, line, span: literal.map(|literal| literal.span) }
                }
                None => Answer::Dynamic { reason: "whether it is exported depends on running the file".to_owned(), line },
            },
        }
    }

    /// What sourcing the file would certainly put in a child's environment, for laying over a consumer's old one;
    /// sorted by name. Variables whose value or export state isn't certain are left out. In a plain file every
    /// assignment that the shells agree on counts as exported.
    pub fn exports(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let plain = self.style() == Style::Plain;
        let mut exports = Vec::new();
        for name in self.findings.names() {
            let Ok(text) = std::str::from_utf8(&name) else {
                continue;
            };
            if let Answer::Static { value, exported, .. } = self.variable(text)
                && (exported || plain)
            {
                exports.push((name, value));
            }
        }
        exports
    }

    /// What sourcing the file would certainly remove from a child's environment; sorted.
    pub fn unsets(&self) -> Vec<Vec<u8>> {
        let removed = |name: &Vec<u8>| {
            let variable = self.findings.variable(name);
            self.nul.is_none()
                && variable.value == Value::Unset
                && !variable.declared
                && self.findings.cut_for(name).is_none()
                && owner(name) == Owner::File
        };
        self.findings.names().into_iter().filter(removed).collect()
    }

    /// How the file is meant to be read.
    pub fn style(&self) -> Style {
        plain::style(&self.findings)
    }

    /// The lines of every literal `NAME=…` that is reached unconditionally, in order: all but the last are overridden.
    /// `NAME+=…` adds to an assignment and isn't counted.
    pub fn assignments(&self, name: &str) -> Vec<usize> {
        let named = self.findings.assignments.iter().filter(|(assigned, _)| assigned == name.as_bytes());
        named.map(|(_, at)| self.line(*at)).collect()
    }

    /// The file breaks off in the middle (an open quote, an `if` without its `fi`), or holds NUL bytes: a writer may
    /// still be at work.
    pub fn unfinished(&self) -> bool {
        self.unfinished || self.nul.is_some()
    }

    /// The assignment of `name` that decides is the last thing in the file, without a newline or a closing quote after
    /// it: it may be half written.
    pub fn cut_short(&self, name: &str) -> bool {
        let variable = self.findings.variable(name.as_bytes());
        variable
            .literal
            .is_some_and(|literal| literal.span.end == self.source.len() && !literal.ends_quoted && self.source.last() != Some(&b'\n'))
    }

    /// A reason in words; where the file was written for another reader, that is what helps.
    fn told_of(&self, name: &str, reason: Reason) -> (String, usize) {
        let line = self.line(reason.at);
        match hint::dialect(&self.source, name) {
            Some(hint) => (format!("{}: {hint}", reason.why), line),
            None => (reason.why.to_owned(), line),
        }
    }

    fn line(&self, at: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < at) + 1
    }
}
