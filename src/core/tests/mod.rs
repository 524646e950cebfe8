//! Scenarios of [`super::Machine`] against a world of pretence, one file by topic, and two simulators.

mod alerts;
mod consumers;
mod file_track;
mod files;
mod probes;
mod random;
mod renewal;
mod setup;
mod simulation;
pub(crate) mod world;
mod years;
