//! Whether processes hold the keys that were ordered.

use std::time::{Duration, Instant};

use super::apply::Attempt;
use super::environment::Environ;
use super::find::find;
use super::sys::Held;
use crate::clock;

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(200);

/// Whether an environment has every key ordered.
pub(super) fn has_keys(attempt: &Attempt<'_>, environ: &Environ) -> bool {
    attempt.order.keys.iter().all(|key| {
        let value = environ.get(key.variable.as_bytes());
        value.is_some_and(|value| attempt.salt.fingerprint(value) == key.fingerprint)
    })
}

/// Whether a process was started with every key ordered.
pub(super) fn holds_keys(attempt: &Attempt<'_>, process: &Held) -> bool {
    process.environ().is_ok_and(|environ| has_keys(attempt, &environ))
}

/// Waits for a process of the consumer that holds the keys and isn't one of `known`, until `end`, or until
/// `is_over` says that none will come.
pub(super) fn await_successor(attempt: &Attempt<'_>, known: &[i32], end: Instant, mut is_over: impl FnMut() -> bool) -> Option<Held> {
    loop {
        // Asked first: what came before that is seen by the look that follows.
        let last = is_over() || clock::monotonic() >= end;
        let found = find(&attempt.order.consumer.matches).unwrap_or_default();
        let successor = found.into_iter().find(|process| !known.contains(&process.pid()) && holds_keys(attempt, process));
        if successor.is_some() || last {
            return successor;
        }
        std::thread::sleep(LOOK);
    }
}
