//! Waiting for conditions. The only place of the tests that sleeps.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Calls `condition` until it gives something, and returns that. Panics after `timeout`, saying what
/// was waited for.
pub fn until<T>(what: &str, timeout: Duration, condition: impl FnMut() -> Option<T>) -> T {
    try_until(timeout, condition).unwrap_or_else(|| panic!("not within {timeout:?}: {what}"))
}

/// As [`until`], for where the failure is the caller's to tell.
pub fn try_until<T>(timeout: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Waits until a condition holds.
pub fn until_true(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    until(what, timeout, || condition().then_some(()));
}

/// Watches that a condition holds for the whole of `period`: for what must *not* happen.
pub fn throughout(what: &str, period: Duration, mut condition: impl FnMut() -> bool) {
    let broken = try_until(period, || (!condition()).then_some(()));
    assert!(broken.is_none(), "did not stay so for {period:?}: {what}");
}
