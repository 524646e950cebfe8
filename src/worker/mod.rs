//! Short-lived child processes that do all work with secrets, so that the daemon never holds one.

pub mod job;
mod run;

pub use run::run;
