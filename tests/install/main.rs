//! The first `credd install`, in a real terminal, with real popups; in a home where a script stands for systemctl and
//! starts the real daemon, and in a systemd of the test's own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod asked;
mod guest;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod unasked;
