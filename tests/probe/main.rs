//! Asking after keys: a real `credd worker` against real HTTP, real TLS and a real proxy on loopback.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod confined;
mod direct;
mod proxied;
mod relay;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod tls;
