//! Short-lived child processes that do all work with secrets, so that the daemon never holds one.

mod contents;
pub mod job;
#[cfg(target_os = "linux")]
mod lease;
pub mod read;
mod run;

pub use run::run;
