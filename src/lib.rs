//! credd tells you before an API key expires and restarts LiteLLM when you replace it.
//!
//! The library is the program's own; its interface is the command line and the socket, not these
//! modules. ARCHITECTURE.md says how they hang together.

pub mod clock;
pub mod config;
pub mod core;
pub mod envfile;
pub mod filesystem;
pub mod keys;
pub mod salt;
pub mod secret;
pub mod watcher;
pub mod worker;
