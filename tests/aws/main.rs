//! Keys that AWS makes: a real `credd worker` with the real AWS CLI, against stand-ins for IAM, STS and Bedrock.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod ask;
mod killed;
mod mint;
mod renew;
mod retire;
mod rig;
mod settle;
#[path = "../support/mod.rs"]
mod support;
mod troubles;
