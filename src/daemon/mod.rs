//! `credd run`: the loop around the core. It owns the [`crate::core::Machine`]; everything else sends
//! it events and carries out its effects.

mod notices;
mod pids;
mod run;
mod schedule;
mod server;
mod timer;
mod workers;

pub use run::{Options, StartError, run};
