//! credd tells you before an API key expires and restarts LiteLLM when you replace it.
//!
//! The library is the program's own; its interface is the command line and the socket, not these
//! modules. ARCHITECTURE.md says how they hang together.

pub mod clock;
pub mod config;
pub mod consumers;
pub mod core;
pub mod cron;
pub mod envfile;
pub mod paths;
pub mod protocol;
pub mod salt;
pub mod secret;
pub mod store;
pub mod view;
pub mod worker;
