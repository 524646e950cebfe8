//! What can go wrong with a key change, each with the real LiteLLM and the real daemon: in the end LiteLLM
//! serves with the best key there is, or the user is told exactly why not.
//!
//! Not here: a unit (`tests/under_systemd.rs`), and too little memory for two, which can't be had for a test
//! alone: what counts is the whole machine's (`consumers/handover.rs` has the arithmetic).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]

mod disk;
mod edits;
mod keys;
mod output;
mod ports;
mod rig;
mod servers;
mod starting;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
