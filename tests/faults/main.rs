//! Faults for real: the whole program on disks, buses, limits and files that fail it. Nothing is lost, nothing crashes, one
//! problem says what is wrong, and all is well again when the fault goes.
//!
//! Most of it needs root (mounts, namespaces, other users), and strace; `tests/setup` and CI have both. `CREDD_LONG=1` kills the
//! daemon three thousand times rather than sixty, and `CREDD_SEED` chooses the moments.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests of the real program, which say what they saw and when"
)]

mod bus;
mod descriptors;
mod disk;
mod homes;
mod kills;
mod limits;
mod odd_files;
mod rig;
mod shown;
mod socket;
mod state;
#[path = "../support/mod.rs"]
mod support;
