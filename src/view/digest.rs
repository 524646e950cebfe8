//! Whether anything has changed: what a status document says, as one number.

use std::hash::{DefaultHasher, Hasher as _};

use super::{Stream, Viewpoint};
use crate::core::Machine;

/// The same for two documents that differ in nothing but the ages of keys, which whoever has the dates can count.
/// Of one process: its hash is no promise.
pub fn digest(machine: &Machine, at: &Viewpoint) -> u64 {
    let mut stream = Stream::ageless(machine);
    let mut hasher = DefaultHasher::new();
    while !stream.is_done() {
        let Ok(piece) = stream.write(machine, at) else { break };
        hasher.write(&piece);
    }
    hasher.finish()
}
