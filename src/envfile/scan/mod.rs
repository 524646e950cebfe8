//! Reads the shell grammar, as far as bash and zsh share it, into [`Program`].
//!
//! What one of the shells would refuse is noted on the unit it stands in; what they would read differently ends the
//! scan or marks the unit, so that the evaluator never claims anything that rests on it.

mod compound;
mod expansions;
mod lists;
mod quotes;
mod redirects;
mod simple;
mod tests_and_arithmetic;
mod words;

pub(super) use simple::DECLARATIONS;

use super::syntax::{Failure, FailureKind, Notes, Program, Unit};
use redirects::Heredoc;

/// Constructs nested deeper than this are not followed: the scanner's recursion is bounded.
const MAX_DEPTH: usize = 60;

/// A result that may end the scan.
type Scan<T> = Result<T, Failure>;

/// Where the scanner stands in the source.
struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    depth: usize,
    /// Here-documents whose bodies start after the next newline.
    pending: Vec<Heredoc>,
    notes: Notes,
    open_heredoc: bool,
}

/// Reads a whole file.
pub(super) fn scan(source: &[u8]) -> Program {
    scan_at_depth(source, 0)
}

/// Reads commands that stand `depth` levels deep in a file.
fn scan_at_depth(source: &[u8], depth: usize) -> Program {
    let mut scanner = Scanner { source, at: 0, depth, pending: Vec::new(), notes: Notes::default(), open_heredoc: false };
    let mut units = Vec::new();
    let mut failure = None;
    loop {
        scanner.skip_newlines();
        if scanner.at >= source.len() {
            break;
        }
        let start = scanner.at;
        match scanner.unit() {
            Ok(items) => units.push(Unit { items, at: start, notes: std::mem::take(&mut scanner.notes) }),
            Err(reason) => {
                failure = Some((start, reason));
                break;
            }
        }
    }
    if !scanner.pending.is_empty() {
        scanner.open_heredoc = true;
    }
    Program { units, failure, open_heredoc: scanner.open_heredoc }
}

/// Whether `byte` ends a word where it isn't quoted.
fn is_meta(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn ahead(&self, distance: usize) -> Option<u8> {
        self.source.get(self.at + distance).copied()
    }

    fn rest(&self) -> &[u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn starts(&self, text: &str) -> bool {
        self.rest().starts_with(text.as_bytes())
    }

    fn at_end(&self) -> bool {
        self.at >= self.source.len()
    }

    /// A syntax error here, or an unfinished file where this is its end.
    fn refuse<T>(&self, why: &'static str) -> Scan<T> {
        if self.at_end() {
            return self.unfinished("the file ends in the middle of a command");
        }
        Err(Failure { at: self.at, kind: FailureKind::Syntax, why })
    }

    fn unfinished<T>(&self, why: &'static str) -> Scan<T> {
        Err(Failure { at: self.at.min(self.source.len()), kind: FailureKind::Unfinished, why })
    }

    fn unsupported<T>(&self, why: &'static str) -> Scan<T> {
        Err(Failure { at: self.at, kind: FailureKind::Unsupported, why })
    }

    /// Notes that zsh may refuse the unit.
    fn may_stop(&mut self, why: &'static str) {
        self.notes.may_stop.get_or_insert(why);
    }

    /// Notes that the shells may disagree on what the unit is.
    fn differs(&mut self, why: &'static str) {
        self.notes.differs.get_or_insert(why);
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Scan<T>) -> Scan<T> {
        if self.depth >= MAX_DEPTH {
            return self.unsupported("the file is nested too deep to follow");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn skip_continuations(&mut self) {
        while self.starts("\\\n") {
            self.at += 2;
        }
    }

    /// Skips blanks, continuation lines and a comment.
    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.ahead(1) == Some(b'\n') => self.at += 2,
                Some(b'#') => {
                    while !matches!(self.peek(), None | Some(b'\n')) {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Skips blanks, comments and newlines, with the here-documents that start after one.
    fn skip_newlines(&mut self) {
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'\n') {
                return;
            }
            self.newline();
        }
    }
}
