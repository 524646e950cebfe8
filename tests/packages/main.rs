//! What is offered for download: made by `packaging/dist`, looked at by each system's own tools, installed and removed.
//!
//! Of the program as it is built for the tests; with `CREDD_LONG=1` of a release, the static program included, for which
//! all must be committed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

#[path = "../support/mod.rs"]
mod support;

mod debian;
mod dist;
mod recipes;
mod rpm;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::run;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A program of this repository.
fn ours(path: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(path));
    // Whoever runs the tests may be who releases.
    command.current_dir(root).env_remove("CREDD_MAINTAINER").env_remove("CREDD_HOMEPAGE");
    command
}

fn is_long() -> bool {
    std::env::var_os("CREDD_LONG").is_some()
}

/// The program that it is made of; the release is there once [`dist`] has been.
fn program() -> PathBuf {
    if is_long() { target().join("release/credd") } else { PathBuf::from(CREDD) }
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
}

/// What `packaging/dist` made, once for all tests.
fn dist() -> &'static Path {
    static DIST: OnceLock<PathBuf> = OnceLock::new();
    DIST.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dist");
        let _ = std::fs::remove_dir_all(&dir);
        let mut command = ours("packaging/dist");
        command.arg(&dir).env("CREDD_DOWNLOADS", format!("file://{}", dir.display()));
        if !is_long() {
            command.args(["--program", CREDD]);
        }
        run(&mut command);
        dir
    })
}

/// The one file in it whose name begins and ends so.
fn made(start: &str, end: &str) -> PathBuf {
    let entries = std::fs::read_dir(dist()).unwrap().map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(start) && name.ends_with(end)
    };
    let found: Vec<_> = entries.filter(fits).collect();
    assert_eq!(found.len(), 1, "{start}…{end}: {found:?}");
    found.into_iter().next().unwrap()
}

/// A tool of Debian's.
fn tool(name: &str) -> Command {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output().unwrap();
    assert!(found.status.success(), "{name} is missing: run tests/setup --only packages");
    Command::new(name)
}
