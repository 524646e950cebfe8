//! What asking once came to.

use serde::{Deserialize, Serialize};

use crate::core::ProbeVerdict;

/// The outcome of one try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) verdict: ProbeVerdict,
    /// One sentence for people, without a secret.
    pub(super) detail: String,
    pub(super) retry: Retry,
}

/// Whether asking again could give another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Retry {
    /// No.
    Useless,
    /// Yes, for this key: a new one takes seconds to be known everywhere.
    Key,
    /// Yes, once the endpoint is back; until then it is the same for every key there.
    Endpoint,
}

impl Finding {
    pub(super) fn new(verdict: ProbeVerdict, retry: Retry, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into(), retry }
    }
}
