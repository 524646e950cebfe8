//! The watcher and the reader against real editors, tools and file systems: whatever the way in
//! which an env file is changed, its last contents are seen.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::needless_raw_string_hashes,
    reason = "a test"
)]

#[cfg(target_os = "linux")]
#[path = "watching/limits.rs"]
mod limits;
#[path = "watching/quiet.rs"]
mod quiet;
#[path = "watching/rig.rs"]
mod rig;
#[path = "watching/ways.rs"]
mod ways;
