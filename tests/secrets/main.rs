//! Secrets are planted, used for a day, and looked for everywhere.
//!
//! Run as root: a process that hides its memory shows it to root alone (proc(5)).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these watch real programs, not credd's own decisions")]
#![allow(clippy::print_stderr, reason = "figures, and what was not looked at")]

mod canaries;
mod day;
mod hidden;
mod lookers;
#[path = "../support/mod.rs"]
mod support;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// Says so where this isn't root's process, for whom the rest of a test is.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not looked at: this takes root");
    }
    is_root
}
