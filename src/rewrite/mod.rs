//! Replaces the value of one assignment in an env file, in place: nothing else of the file changes.
//!
//! `plan` is pure: it finds the bytes to change and proves by the reader ([`crate::envfile`]) that they do what
//! they are meant to. `swap` puts a file in the place of another, atomically and durably, if that one is still
//! the one that was read.

use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The file that was written, behind all links.
    pub path: PathBuf,
    /// The line of the assignment, from 1.
    pub line: usize,
    /// How.
    pub how: How,
    /// Lines of earlier assignments that don't count.
    pub duplicates: Vec<usize>,
    /// Other variables that have another value now, since they are derived from this one; sorted.
    pub derived: Vec<String>,
}

/// How an assignment got its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The value of one that was there was replaced.
    Replaced,
    /// The file had none: one was appended.
    Appended,
    /// There was no file.
    Created,
}

/// Why nothing was changed: one sentence with the place, and the next step. No value in either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What is in the way.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The file holds another value than the caller expects, or was changed meanwhile.
    pub superseded: bool,
}

/// Gives `variable` the value `new` in the file at `path`. `home` is the value of HOME. `is_expected` is asked
/// once, with the value that the file has now (`None` for none), and keeps the file as it is by `false`.
pub fn replace(
    path: &Path,
    variable: &str,
    new: &Secret,
    home: &Path,
    is_expected: &mut dyn FnMut(Option<&[u8]>) -> bool,
) -> Result<Replaced, Refusal> {
    let _ = (path, variable, new, home, is_expected);
    Err(Refusal { message: "not built yet".to_owned(), fix: String::new(), superseded: false })
}

/// Removes the assignments of `variable` that don't count, since a later one does. The lines that they stood on;
/// none if there was nothing to remove.
pub fn remove_dead(path: &Path, variable: &str, home: &Path) -> Result<Vec<usize>, Refusal> {
    let _ = (path, variable, home);
    Err(Refusal { message: "not built yet".to_owned(), fix: String::new(), superseded: false })
}
