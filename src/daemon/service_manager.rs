//! What systemd hears from us; elsewhere nobody listens.

use jiff::{SignedDuration, Timestamp};

/// Files are watched and the socket listens.
pub fn ready() {
    #[cfg(target_os = "linux")]
    tell(sd_notify::NotifyState::Ready);
}

/// The end has begun.
pub fn stopping() {
    #[cfg(target_os = "linux")]
    tell(sd_notify::NotifyState::Stopping);
}

#[cfg(target_os = "linux")]
fn tell(state: sd_notify::NotifyState) {
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[state]);
}

/// Tells systemd now and then that the loop still turns.
#[derive(Debug)]
pub struct Watchdog {
    interval: SignedDuration,
    next: Timestamp,
}

impl Watchdog {
    /// One that is fed twice in the time that systemd allows; `None` where it doesn't want to hear. The
    /// unit allows so much that an idle daemon hardly wakes for it.
    pub fn wanted(now: Timestamp) -> Option<Self> {
        #[cfg(target_os = "linux")]
        let allowed = sd_notify::watchdog_enabled();
        #[cfg(not(target_os = "linux"))]
        let allowed: Option<std::time::Duration> = None;
        let interval = SignedDuration::try_from(allowed? / 2).ok()?;
        Some(Self { interval, next: now })
    }

    /// When to feed it.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// Feeds it if it is time. systemd counts on a clock that nobody sets, so a set wall clock, on which
    /// we count, is always time: set back, the next feeding would come too late. Returns whether it was.
    pub fn feed(&mut self, now: Timestamp, clock_set: bool) -> bool {
        let due = clock_set || now >= self.next;
        if due {
            #[cfg(target_os = "linux")]
            tell(sd_notify::NotifyState::Watchdog);
            self.next = now.checked_add(self.interval).unwrap_or(Timestamp::MAX);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fed_in_time_even_if_the_clock_is_set_back() {
        let at = |minute: i64| Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
        let mut watchdog = Watchdog { interval: SignedDuration::from_mins(30), next: at(0) };
        assert!(watchdog.feed(at(0), false));
        assert!(!watchdog.feed(at(29), false));
        assert!(watchdog.feed(at(30), false));
        assert!(watchdog.feed(at(-600), true));
        assert_eq!(watchdog.next(), at(-570));
    }
}
