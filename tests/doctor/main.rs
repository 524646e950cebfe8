//! `credd doctor` with a real daemon, real processes, real files and a real git.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]

mod copies;
mod git;
mod guest;
mod machine;
mod offline;
mod processes;
mod repairs;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
