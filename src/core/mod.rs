//! The pure core: it decides, and does nothing.
//!
//! Events go in with the time they happened, effects come out; no I/O, no clock, no async, no locks.
//! [`Machine::step`] is the only way in, [`Machine::next_deadline`] tells when to come back.

mod alarm;
pub mod consumer;
mod event;
mod file;
mod fingerprint;
pub mod key;
mod machine;
mod names;
pub mod order;
mod policy;
mod probe;
mod rare;
mod record;
mod renewal;
mod sight;
mod tally;
#[cfg(test)]
pub(crate) mod tests;

pub use alarm::{AlertSent, Channel, Obstacle, PopupRecord};
pub use event::*;
pub use file::FileTrack;
pub use fingerprint::Fingerprint;
pub use machine::Machine;
pub use names::{ConsumerName, KeyName};
pub use policy::{Life, Reason, Threshold};
pub use probe::{Probe, Rejection};
pub use record::*;
pub use renewal::*;
pub use sight::*;
pub use tally::Tally;
