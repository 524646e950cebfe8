//! What the tests and the demo share: real programs in private surroundings, and stand-ins for what
//! can't be had. Standard library, `serde_json`, `tempfile`, and for times and keys `jiff` and `base64`; threads, no runtime.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "in a test, a panic that says what went wrong is the error handling"
)]
#![allow(clippy::disallowed_methods, reason = "these wait for and time real programs, not credd's own decisions")]

pub mod bedrock;
pub mod daemon;
pub mod desktop;
pub mod disk;
pub mod golden;
pub mod guest;
pub mod home;
pub mod http;
pub mod iam;
pub mod light;
pub mod litellm;
pub mod load;
pub mod pane;
pub mod wait;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program of `tests/rig`.
pub fn rig_program(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig").join(name))
}

/// Where `tests/setup` puts what isn't a package.
pub fn rig_dir() -> PathBuf {
    std::env::var_os("CREDD_RIG").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.rig"), PathBuf::from)
}

/// What `tests/setup` installed under the name, or a panic that says how to get it.
pub fn installed(path: &str, group: &str) -> PathBuf {
    let path = rig_dir().join(path);
    assert!(path.exists(), "{} is missing: run tests/setup --only {group}", path.display());
    path
}

/// Runs a command to its end; panics with what it said unless it succeeded.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a process is there and has not ended.
pub fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// The outcome and all output of a command, for messages.
pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
