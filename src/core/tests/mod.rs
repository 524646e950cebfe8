//! Scenarios of [`super::Machine`] against a world of pretence, one file by topic, and a simulator.

mod alerts;
mod consumers;
mod file_track;
mod files;
mod probes;
mod renewal;
mod setup;
mod simulation;
pub(super) mod world;
