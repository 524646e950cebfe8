//! The bytes of a file with another value, proven by the reader before anything is written.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::quote::{joined, like, plain, single};
use super::{How, Refusal};
use crate::envfile::{Answer, Difference, Reading, Style, read};

/// A file's contents, as far as one variable is concerned.
pub(super) struct Source<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    variable: &'a str,
    home: &'a [u8],
    reading: Reading,
}

/// What to write.
pub(super) struct Plan {
    /// The whole file.
    pub(super) contents: Zeroizing<Vec<u8>>,
    /// The line of the assignment, from 1.
    pub(super) line: usize,
    /// How it got its value, provided that there was a file.
    pub(super) how: How,
    /// Lines of earlier assignments that don't count.
    pub(super) duplicates: Vec<usize>,
    /// Variables whose value follows from it; sorted.
    pub(super) derived: Vec<String>,
}

impl<'a> Source<'a> {
    /// Reads `bytes`; `path` is for what is said of them.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8], variable: &'a str, home: &'a Path) -> Self {
        let home = home.as_os_str().as_bytes();
        Self { path, bytes, variable, home, reading: read(bytes, home) }
    }

    /// The value now: `None` where it is unset or empty, a refusal where that can't be told.
    pub(super) fn value(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
        if let Some((reason, line)) = self.reading.defect() {
            return Err(self.refuse(line, &format!("a shell stops reading here ({reason})"), "mend the file there, and try again"));
        }
        match self.reading.variable(self.variable) {
            Answer::Static { value, .. } => {
                let value = Zeroizing::new(value);
                Ok(if value.is_empty() { None } else { Some(value) })
            }
            Answer::Unset { .. } => Ok(None),
            Answer::Inherited { depends_on, line } => {
                let depends_on = depends_on.join(", ");
                Err(self
                    .by_hand(line, &format!("{} gets a value that depends on {depends_on}, which the shell may inherit", self.variable)))
            }
            Answer::Dynamic { reason, line } => {
                Err(self.by_hand(line, &format!("what {} is can't be told without running the file ({reason})", self.variable)))
            }
            Answer::Broken { reason, line } => {
                Err(self.refuse(line, &format!("a shell stops reading here ({reason})"), "mend the file there, and try again"))
            }
        }
    }

    /// The file with `new` for the variable's value.
    pub(super) fn replace(&self, new: &[u8]) -> Result<Plan, Refusal> {
        match self.reading.variable(self.variable) {
            Answer::Static { value, exported, line, span: Some(span) } => {
                self.in_place(&Zeroizing::new(value), new, &Assignment { exported, line, span })
            }
            Answer::Static { value, line, .. } => {
                drop(Zeroizing::new(value));
                Err(self.by_hand(line, &format!("{} isn't assigned by a simple {0}=… that could be replaced", self.variable)))
            }
            _ => self.appended(new),
        }
    }

    fn in_place(&self, value: &[u8], new: &[u8], assignment: &Assignment) -> Result<Plan, Refusal> {
        let line = assignment.line;
        let word = self.bytes.get(assignment.span.clone()).unwrap_or_default();
        // Where the word takes its value from elsewhere, or does more than to have one, it isn't ours to replace.
        let alone = joined(&[self.variable.as_bytes(), b"=", word, b"\n"]);
        if self.given(&read(&alone, self.home)).is_none_or(|given| *given.value != *value) {
            return Err(self.by_hand(line, &format!("the value of {} is put together of others", self.variable)));
        }
        // A rewrite with the same value must change nothing: else the reader doesn't see all that the word does.
        let same = self.spliced(&assignment.span, &single(value));
        if !self.reading.differences(&read(&same, self.home)).is_empty() {
            return Err(self.by_hand(line, &format!("the assignment of {} does more than that", self.variable)));
        }
        // The file's own manner of quoting, then the one that holds everything.
        let plain_style = self.reading.style() == Style::Plain;
        let styled = if plain_style && word.is_empty() { plain(new) } else { like(word, new) };
        let mut refusal = None;
        for word in [styled, single(new)] {
            match self.proven(self.spliced(&assignment.span, &word), new, assignment) {
                Ok(plan) => return Ok(plan),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| self.by_hand(line, "the new value can't be written")))
    }

    /// The plan to write `contents`, if the reader finds the new value in them and nothing else changed.
    fn proven(&self, contents: Zeroizing<Vec<u8>>, new: &[u8], assignment: &Assignment) -> Result<Plan, Refusal> {
        let line = assignment.line;
        let after = read(&contents, self.home);
        let unproven = || self.by_hand(line, &format!("it isn't certain that {} would have the new value", self.variable));
        if after.defect().is_some() || after.style() != self.reading.style() {
            return Err(unproven());
        }
        if self.given(&after).is_none_or(|given| *given.value != *new || given.exported != assignment.exported) {
            return Err(unproven());
        }
        let mut derived = Vec::new();
        for (name, difference) in self.reading.differences(&after) {
            match difference {
                Difference::Value if name == self.variable => {}
                Difference::Value => derived.push(name),
                Difference::Kind => {
                    return Err(
                        self.by_hand(line, &format!("with the new value of {}, {name} wouldn't be certain any more", self.variable))
                    );
                }
            }
        }
        Ok(Plan { line, how: How::Replaced, duplicates: self.duplicates(line), derived, contents })
    }

    fn appended(&self, new: &[u8]) -> Result<Plan, Refusal> {
        let what = self.variable;
        if let Some(foreign) = self.reading.foreign(what) {
            let message = format!("{} names {what}, but not as a shell would: {foreign}", self.path.display());
            return Err(Refusal { message, fix: format!("edit it yourself: write export {what}='…'"), superseded: false });
        }
        let line = self.bytes.split(|byte| *byte == b'\n').count();
        let (start, line): (&[u8], _) = match self.bytes.last() {
            None | Some(b'\n') => (b"", line),
            Some(_) => (b"\n", line + 1),
        };
        let plain_style = self.reading.style() == Style::Plain;
        let (export, word): (&[u8], _) = if plain_style { (b"", plain(new)) } else { (b"export ", single(new)) };
        let contents = joined(&[self.bytes, start, export, what.as_bytes(), b"=", &word, b"\n"]);
        let after = read(&contents, self.home);
        let others_change = self.reading.differences(&after).iter().any(|(name, _)| name != what);
        let counts = self.given(&after).is_some_and(|given| *given.value == *new && given.exported != plain_style && given.line == line);
        if counts && !others_change && after.defect().is_none() && after.style() == self.reading.style() {
            let duplicates = self.reading.assignments(what);
            return Ok(Plan { contents, line, how: How::Appended, duplicates, derived: Vec::new() });
        }
        match after.variable(what) {
            Answer::Dynamic { reason, line } | Answer::Broken { reason, line } => {
                Err(self.by_hand(line, &format!("an assignment of {what} at the end of the file wouldn't be certain to count ({reason})")))
            }
            _ => Err(self.by_hand(
                line,
                &format!(
                    "an assignment of {what} at the end of the file wouldn't count: a shell doesn't get that far, or reads on differently"
                ),
            )),
        }
    }

    /// What the variable certainly is.
    fn given(&self, reading: &Reading) -> Option<Given> {
        match reading.variable(self.variable) {
            Answer::Static { value, exported, line, .. } => Some(Given { value: Zeroizing::new(value), exported, line }),
            _ => None,
        }
    }

    fn spliced(&self, span: &Range<usize>, word: &[u8]) -> Zeroizing<Vec<u8>> {
        let before = self.bytes.get(..span.start).unwrap_or_default();
        let after = self.bytes.get(span.end..).unwrap_or_default();
        joined(&[before, word, after])
    }

    /// Lines of assignments that one on `line` overrides.
    fn duplicates(&self, line: usize) -> Vec<usize> {
        let mut lines = self.reading.assignments(self.variable);
        if lines.last() == Some(&line) {
            lines.pop();
        }
        lines.retain(|other| *other <= line);
        lines
    }

    fn by_hand(&self, line: usize, what: &str) -> Refusal {
        self.refuse(line, what, &format!("edit it yourself: give {} its new value there", self.variable))
    }

    fn refuse(&self, line: usize, what: &str, fix: &str) -> Refusal {
        Refusal { message: format!("{}, line {line}: {what}", self.path.display()), fix: fix.to_owned(), superseded: false }
    }
}

/// The assignment to change.
struct Assignment {
    exported: bool,
    line: usize,
    span: Range<usize>,
}

/// A variable's certain value.
struct Given {
    value: Zeroizing<Vec<u8>>,
    exported: bool,
    line: usize,
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
