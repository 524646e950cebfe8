//! credd in real shells: `credd exec`, `credd hook` and the completions, in bash, zsh and fish, on a real terminal.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

#[path = "../support/mod.rs"]
mod support;

mod completions;
mod exec;
mod hook;
mod rig;
