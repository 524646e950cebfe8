//! The one place that reads the clocks.

use std::time::Instant;

use jiff::Timestamp;

/// Wall-clock time now.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Monotonic time now, for bounded waits inside one short-lived process; it stops during suspend.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
