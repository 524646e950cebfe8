//! Costs that don't depend on how fast the machine is, held to those in `tests/data/costs.toml`.
//!
//! ```sh
//! cargo build --release --locked && CREDD_COSTS=check cargo test --test cost
//! CREDD_COSTS=write cargo test --test cost    # takes what is measured as what is to be held
//! ```
//!
//! Whole processes are those of the release program. Without `CREDD_COSTS` they are left out where there is
//! none that is up to date, since building it takes longer than all tests.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::print_stderr, reason = "what is left out, and why")]
#![allow(clippy::disallowed_methods, reason = "these wait for real programs")]

mod core;
mod costs;
#[path = "../bench/crowd.rs"]
mod crowd;
mod instructions;
mod processes;
mod program;
#[path = "../support/mod.rs"]
mod support;
