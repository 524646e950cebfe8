//! Restarting real processes: a stand-in for LiteLLM (`tests/data/fake-litellm/litellm`) is found among
//! decoys, stopped, started anew and put back, by the `credd worker` that the daemon would start.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::zombie_processes, reason = "the rig kills what is left; init reaps it")]

mod apply;
mod command;
mod compose;
mod handover;
mod inspect;
mod launchd;
mod machine;
mod odd;
mod probe;
mod rig;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod units;
