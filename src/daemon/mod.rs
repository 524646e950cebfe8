//! `credd run`: the loop around the core. It owns the [`crate::core::Machine`]; everything else sends
//! it events and carries out its effects.

mod answer;
mod configured;
mod effects;
mod notices;
mod pids;
mod reload;
mod renewals;
mod requests;
mod rest;
mod run;
mod schedule;
mod server;
mod service_manager;
mod timer;
mod workers;

pub use run::{Options, StartError, run};
