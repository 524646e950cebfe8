//! Replaces the value of one assignment in an env file, in place: nothing else of the file changes.
//!
//! `plan` is pure: it finds the bytes to change and proves by the reader ([`crate::envfile`]) that they do what
//! they are meant to. `swap` puts a file in the place of another, atomically and durably, if that one is still
//! the one that was read.
//!
//! ```text
//! place ── lock, read ──> plan ── prove ──> swap ── temporary file, exchange, look again ──> done, or as it was
//! ```
//!
//! **Line endings.** A carriage return at the end of an unquoted line is part of the value for every shell, and so of
//! the old key. It goes with it, so that this line ends in a bare newline; quotes couldn't keep it out of the value
//! either. All other lines of the file, and a carriage return after a comment on this one, stay as they are. Lines that
//! are appended end in a bare newline.

mod attributes;
mod dead;
mod place;
mod plan;
mod quote;
mod swap;
mod temporary;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::Secret;
use place::Place;
use plan::{Plan, Source};

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
///
/// Other writers of credd's wait meanwhile, for some seconds (see `place`): `is_expected` should answer at once.
pub fn replace(
    path: &Path,
    variable: &str,
    new: &Secret,
    home: &Path,
    is_expected: &mut dyn FnMut(Option<&[u8]>) -> bool,
) -> Result<Replaced, Refusal> {
    check(variable, new)?;
    let place = Place::open(path)?;
    let original = place.read()?;
    let bytes = original.as_ref().map(place::Original::bytes).unwrap_or_default();
    let source = Source::new(place.path(), bytes, variable, home);
    let now = source.value()?;
    if !is_expected(now.as_ref().map(|value| value.as_slice())) {
        return Err(Refusal {
            message: format!("{} no longer gives {variable} the value that was to be replaced", place.path().display()),
            fix: "look at what it holds now, and try again if that is to be replaced".to_owned(),
            superseded: true,
        });
    }
    let plan = source.replace(new.expose())?;
    if plan.contents.len() > place::MOST_BYTES {
        return Err(place::unfit(place.path(), "would be larger than 1 MiB", "point env_file at the file that assigns the key"));
    }
    // A link may lead elsewhere by now.
    if !place.is_behind(path) {
        return Err(place::changed(path));
    }
    let how = match &original {
        Some(original) => swap::exchange(&place, original, &plan.contents).map(|()| plan.how),
        None => swap::create(&place, &plan.contents).map(|()| How::Created),
    }?;
    Ok(Replaced { path: place.path().to_owned(), line: plan.line, how, duplicates: plan.duplicates, derived: plan.derived })
}

/// Removes the assignments of `variable` that don't count, since a later one does. The lines that they stood on;
/// none if there was nothing to remove.
///
/// Only lines that hold nothing else go (see `dead`); a comment after the assignment stays, as a line of its own.
pub fn remove_dead(path: &Path, variable: &str, home: &Path) -> Result<Vec<usize>, Refusal> {
    let place = Place::open(path)?;
    let Some(original) = place.read()? else {
        return Ok(Vec::new());
    };
    let Some((contents, lines)) = dead::without(original.bytes(), variable, home) else {
        return Ok(Vec::new());
    };
    swap::exchange(&place, &original, &contents)?;
    Ok(lines)
}

/// What [`replace`] would write over `bytes`, and what it would say of that; no file is touched. `path` is for messages
/// alone.
pub fn rewritten(path: &Path, bytes: &[u8], variable: &str, new: &Secret, home: &Path) -> Result<(Zeroizing<Vec<u8>>, Replaced), Refusal> {
    check(variable, new)?;
    let source = Source::new(path, bytes, variable, home);
    source.value()?;
    let Plan { contents, line, how, duplicates, derived } = source.replace(new.expose())?;
    Ok((contents, Replaced { path: path.to_owned(), line, how, duplicates, derived }))
}

/// What [`remove_dead`] would write over `bytes`, and the lines that it would say; no file is touched.
pub fn without_dead(bytes: &[u8], variable: &str, home: &Path) -> Option<(Zeroizing<Vec<u8>>, Vec<usize>)> {
    dead::without(bytes, variable, home)
}

fn check(variable: &str, new: &Secret) -> Result<(), Refusal> {
    let refuse = |message: String, fix: &str| Err(Refusal { message, fix: fix.to_owned(), superseded: false });
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !variable.bytes().all(is_name) || variable.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
        return refuse(format!("{variable:?} can't be the name of a variable"), "name it by letters, digits and underscores");
    }
    let value = new.expose();
    if value.is_empty() {
        return refuse(format!("the new value of {variable} is empty"), "give it one, or remove its line yourself");
    }
    let control =
        std::str::from_utf8(value).map_or_else(|_| value.iter().any(u8::is_ascii_control), |text| text.chars().any(char::is_control));
    if control {
        return refuse(
            format!("the new value of {variable} has control characters in it, as of a line's end"),
            "copy the key again, without anything around it",
        );
    }
    Ok(())
}
