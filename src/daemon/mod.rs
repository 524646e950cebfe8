//! `credd run`: the loop around the core. It owns the [`crate::core::Machine`]; everything else sends
//! it events and carries out its effects.

mod answer;
mod configured;
mod effects;
mod environment;
mod events;
mod notices;
mod pids;
mod places;
mod reload;
mod renewals;
mod requests;
mod rest;
mod run;
mod schedule;
pub mod server;
mod service_manager;
mod socket;
mod textfile;
mod timer;
mod workers;

pub use configured::Configured;
pub use run::{Options, StartError, run};
