//! What is answered a piece at a time.

use super::{Metrics, Stream, Viewpoint};
use crate::core::Machine;

/// A document, as far as it is written.
#[derive(Debug)]
pub enum Document {
    /// The status.
    Status(Stream),
    /// Metrics.
    Metrics(Metrics),
}

impl Document {
    /// Whether all is written.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Status(status) => status.is_done(),
            Self::Metrics(metrics) => metrics.is_done(),
        }
    }

    /// Writes the next piece.
    pub fn write(&mut self, machine: &Machine, at: &Viewpoint) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Status(status) => status.write(machine, at),
            Self::Metrics(metrics) => metrics.write(machine, at).map_err(serde_json::Error::io),
        }
    }
}
