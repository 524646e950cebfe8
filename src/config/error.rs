//! What is wrong with a configuration, with file, line and a caret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The place in it, if the file could be read.
    pub place: Option<Place>,
    /// What is wrong and what would be right, in one sentence.
    pub message: String,
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// The line's text.
    pub text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else { return write!(f, "{}: {}", self.path.display(), self.message) };
        let Place { line, column, width, text } = place;
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "{}:{line}:{column}: {}", self.path.display(), self.message)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {text}")?;
        write!(f, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(*width))
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// Of the bytes of `text` that are meant, if any.
    pub(super) fn within(path: &Path, text: &str, span: Option<Range<usize>>, message: &str) -> Self {
        Self { path: path.into(), place: span.map(|span| place(text, span)), message: message.into() }
    }
}

/// The place of a span of bytes.
fn place(text: &str, span: Range<usize>) -> Place {
    let start = floor_boundary(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor_boundary(text, span.end).clamp(start, line_end);
    Place {
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        width: text[start..end].chars().count().max(1),
        text: text[line_start..line_end].trim_end_matches('\r').replace('\t', " "),
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}
