//! The pure core: it decides, and does nothing.
//!
//! Events go in with the time they happened, effects come out; no I/O, no clock, no async, no locks.

mod fingerprint;
mod names;
mod sight;

pub use fingerprint::Fingerprint;
pub use names::{ConsumerName, KeyName};
pub use sight::*;
