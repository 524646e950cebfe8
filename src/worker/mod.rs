//! Short-lived child processes that do all work with secrets, so that the daemon never holds one.

mod contents;
pub mod job;
pub mod read;
mod run;

pub use run::run;
