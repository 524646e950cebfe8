//! What nobody else can do: read or command over the socket, hold it up, have a write go elsewhere, read what is
//! written, or act by way of a popup.
//!
//! Run as root, since some of it is done as another user, and since a process that hides its memory shows its figures to
//! root alone (proc(5)).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]
#![allow(clippy::print_stderr, reason = "figures, and what was not looked at")]

mod crowd;
mod modes;
mod planted;
mod popups;
#[path = "../support/mod.rs"]
mod support;
mod users;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";
const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQ=";
const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

/// Says so where this isn't root's process, for whom the rest of a test is.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("not looked at: this takes root");
    }
    is_root
}
