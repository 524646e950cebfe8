//! Rewriting env files: what real shells make of the result, and what a disk and other writers do to it.
//!
//! `CREDD_LONG=1` rewrites many more generated files (`CREDD_FILES` says how many), and `CREDD_SEED` chooses them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a test helper may fail loudly, says what it found, and is no hot path"
)]

mod disk;
#[path = "../envfile/fragments.rs"]
mod fragments;
#[path = "../envfile/generate.rs"]
mod generate;
mod others;
#[path = "../envfile/shells.rs"]
mod shells;
mod values;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use credd::rewrite::{Refusal, Replaced, replace};
use credd::secret::Secret;

/// The variable of the files that tests write.
const KEY: &str = "KEY";

/// Replaces whatever value the file has.
fn set(path: &Path, variable: &str, new: &str) -> Result<Replaced, Refusal> {
    replace(path, variable, &Secret::copy(new.as_bytes()), Path::new(shells::HOME), &mut |_| true)
}

/// Makes a file that was just written look so many minutes older.
fn age(file: &File, minutes: u64) {
    file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_mins(minutes)).unwrap();
}
