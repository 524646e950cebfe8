//! credd tells you before an API key expires and restarts LiteLLM when you replace it.
//!
//! The library is the program's own; its interface is the command line and the socket, not these
//! modules. ARCHITECTURE.md says how they hang together.

mod ask;
pub mod aws;
pub mod bounded;
mod checksum;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
#[cfg(target_os = "linux")]
mod confine;
pub mod consumers;
pub mod core;
pub mod cron;
pub mod daemon;
pub mod desktop;
pub mod envfile;
pub mod filesystem;
mod git;
pub mod hardening;
pub mod http;
pub mod keys;
#[cfg(target_os = "linux")]
mod lease;
pub mod log;
pub mod paths;
pub mod plain;
pub mod probe;
pub mod protocol;
pub mod renewal;
#[cfg(target_os = "linux")]
mod residence;
pub mod rewrite;
pub mod salt;
pub mod secret;
pub mod service;
pub mod store;
pub mod task;
pub mod view;
pub mod watcher;
pub mod worker;
pub mod zone;
