//! Restarting real processes: a stand-in for LiteLLM (`tests/data/fake-litellm/litellm`) is found among
//! decoys, stopped, started anew and put back, by the `credd worker` that the daemon would start.
#![cfg(target_os = "linux")]

mod apply;
mod inspect;
mod odd;
mod rig;
