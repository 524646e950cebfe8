//! One wall-clock timer: it fires after a suspend as if there had been none, and tells when the clock
//! was set. Disarmed or far away, it costs nothing.

#[cfg(target_os = "linux")]
pub use linux::WallTimer;
#[cfg(not(target_os = "linux"))]
pub use other::WallTimer;

/// Why the timer woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its time has come.
    Due,
    /// The clock was set: all that was computed from it may be wrong.
    ClockSet,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use jiff::Timestamp;
    use rustix::io::Errno;
    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
    use tokio::net::unix::pipe::Receiver;

    use super::Wake;

    /// A timerfd on `CLOCK_REALTIME` (timerfd_create(2)): absolute, so that it outlives a suspend, and
    /// cancelled when the clock is set.
    pub struct WallTimer {
        timer: OwnedFd,
        // tokio's `AsyncFd` is unsound to build safely since 1.54; a pipe's receiver waits for any
        // descriptor that can be polled for reading.
        readable: Receiver,
        armed: Option<Option<Timestamp>>,
    }

    /// Far enough to never come; an unarmed timerfd would not tell of a set clock.
    const NEVER: i64 = i64::MAX / 2;

    impl WallTimer {
        /// A timer that isn't armed.
        pub fn new() -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            let readable = Receiver::from_owned_fd_unchecked(timer.try_clone()?)?;
            let mut timer = Self { timer, readable, armed: None };
            timer.arm(None)?;
            Ok(timer)
        }

        /// To fire at `at`, or never. A time in the past fires at once.
        pub fn arm(&mut self, at: Option<Timestamp>) -> io::Result<()> {
            if self.armed == Some(at) {
                return Ok(());
            }
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            // An all-zero time would disarm it, so the past is one nanosecond after the epoch.
            let value = match at {
                None => Timespec { tv_sec: NEVER, tv_nsec: 0 },
                Some(at) if at.as_second() <= 0 => Timespec { tv_sec: 0, tv_nsec: 1 },
                Some(at) => Timespec { tv_sec: at.as_second(), tv_nsec: at.subsec_nanosecond().into() },
            };
            let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
            timerfd_settime(&self.timer, flags, &Itimerspec { it_interval: zero, it_value: value })?;
            self.armed = Some(at);
            Ok(())
        }

        /// Waits until it fires. Cancel-safe.
        pub async fn wait(&mut self) -> io::Result<Wake> {
            loop {
                self.readable.readable().await?;
                let mut expirations = [0; 8];
                let wake = match self.readable.try_read(&mut expirations) {
                    Ok(_) => Wake::Due,
                    Err(error) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => Wake::ClockSet,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                };
                self.armed = None;
                return Ok(wake);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Wake;
    use crate::clock;

    /// A capped sleep: macOS has no timer that tells of a suspend or a set clock, and tokio's clock
    /// stands still during a suspend (tokio#3185), so the wall clock is looked at now and then.
    pub struct WallTimer {
        at: Option<Timestamp>,
    }

    /// How late an alert may be after a suspend.
    const CAP: Duration = Duration::from_secs(60);

    impl WallTimer {
        /// A timer that isn't armed.
        pub fn new() -> io::Result<Self> {
            Ok(Self { at: None })
        }

        /// To fire at `at`, or never.
        pub fn arm(&mut self, at: Option<Timestamp>) -> io::Result<()> {
            self.at = at;
            Ok(())
        }

        /// Waits until it fires. Cancel-safe.
        pub async fn wait(&mut self) -> io::Result<Wake> {
            let Some(at) = self.at else { return std::future::pending().await };
            loop {
                let left = Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
                if left.is_zero() {
                    self.at = None;
                    return Ok(Wake::Due);
                }
                tokio::time::sleep(left.min(CAP)).await;
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::clock;

    #[tokio::test(flavor = "current_thread")]
    async fn fires_at_its_time_and_at_once_for_the_past() {
        let mut timer = WallTimer::new().unwrap();
        let soon = clock::now() + SignedDuration::from_millis(50);
        timer.arm(Some(soon)).unwrap();
        assert_eq!(timer.wait().await.unwrap(), Wake::Due);
        assert!(clock::now() >= soon);
        for past in [jiff::Timestamp::MIN, jiff::Timestamp::UNIX_EPOCH, soon] {
            timer.arm(Some(past)).unwrap();
            assert_eq!(timer.wait().await.unwrap(), Wake::Due);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn never_fires_unarmed() {
        let mut timer = WallTimer::new().unwrap();
        timer.arm(Some(clock::now() + SignedDuration::from_millis(20))).unwrap();
        timer.arm(None).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(100), timer.wait()).await.is_err());
    }
}
