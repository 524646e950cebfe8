//! A process held by its identity.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::procfs::{self, Stat};
use crate::clock;
use crate::consumers::environment::{Environ, read_wiped};

/// A process that can't be mistaken for another: its pidfd was opened, and after that its start time
/// was still the one it had before. What is read of it by number counts only if it lives on after that.
pub struct Held {
    pid: i32,
    start_ticks: u64,
    pidfd: OwnedFd,
}

impl Held {
    /// Takes hold of a living process. The error is `NotFound` for one that isn't there (any more) or
    /// is a zombie.
    pub fn open(pid: i32) -> io::Result<Self> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let before = Stat::of(pid)?;
        let number = Pid::from_raw(pid).ok_or_else(gone)?;
        let pidfd = pidfd_open(number, PidfdFlags::empty())?;
        let held = Self { pid, start_ticks: before.start_ticks, pidfd };
        let after = Stat::of(pid)?;
        if after.start_ticks != before.start_ticks || after.is_dead() || held.is_gone() {
            return Err(gone());
        }
        Ok(held)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Clock ticks from boot to its start: with the pid, its identity.
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// When it started, to a hundredth of a second, by the wall clock as it is set now.
    pub fn started_at(&self) -> Timestamp {
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let since_boot = millis(self.start_ticks, 1000, per_second);
        let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let uptime = SignedDuration::new(uptime.tv_sec, i32::try_from(uptime.tv_nsec).unwrap_or(0));
        let exact = clock::now() - (uptime - SignedDuration::from_millis(since_boot));
        Timestamp::from_millisecond(exact.as_millisecond() / 10 * 10).unwrap_or(exact)
    }

    /// Its argument vector, as it is now.
    pub fn argv(&self) -> io::Result<Vec<Vec<u8>>> {
        let cmdline = fs::read(format!("/proc/{}/cmdline", self.pid))?;
        self.still(procfs::argv(&cmdline))
    }

    /// The environment it was started with. The error is `PermissionDenied` for a process that hides it.
    pub fn environ(&self) -> io::Result<Environ> {
        // Arguments and environment together are at most 6 MiB (execve(2)).
        let file = fs::File::open(format!("/proc/{}/environ", self.pid))?;
        let block = read_wiped(file, 8 << 20)?;
        self.still(Environ::new(block))
    }

    /// What was read by number is of this process if it is still there: a pid isn't given to another
    /// before its process is gone.
    pub(super) fn still<T>(&self, read: T) -> io::Result<T> {
        if self.is_gone() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(read)
    }

    /// Sends it a signal; no other process can get it. The error is `ESRCH` once it is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Whether it has ended (a zombie has).
    pub fn is_gone(&self) -> bool {
        self.gone_within(Duration::ZERO)
    }

    /// Waits for its end, no longer than told; whether it has ended.
    pub fn gone_within(&self, patience: Duration) -> bool {
        let end = clock::monotonic() + patience;
        loop {
            let left = end.saturating_duration_since(clock::monotonic());
            let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
            // A pidfd is readable once its process has ended (pidfd_open(2)).
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn millis(ticks: u64, scale: u64, per_second: u64) -> i64 {
    i64::try_from(u128::from(ticks) * u128::from(scale) / u128::from(per_second)).unwrap_or(i64::MAX)
}

/// Whether a process is of this PID namespace, and not of a container on this machine. Where that can't
/// be told, it is taken for one.
pub fn is_native(process: &Held) -> bool {
    let own = fs::read_link("/proc/self/ns/pid");
    let its = fs::read_link(format!("/proc/{}/ns/pid", process.pid));
    match (own, its) {
        (Ok(own), Ok(its)) => own == its,
        _ => true,
    }
}

/// Whether it was stopped by a signal.
pub fn is_stopped(process: &Held) -> bool {
    Stat::of(process.pid).is_ok_and(|stat| stat.start_ticks == process.start_ticks && stat.state == b'T')
}

/// Whether it leads a session without a terminal, as what credd starts does.
pub fn leads_session(process: &Held) -> bool {
    Stat::of(process.pid).is_ok_and(|stat| stat.start_ticks == process.start_ticks && leads(&stat))
}

fn leads(stat: &Stat) -> bool {
    stat.session == stat.pid && stat.tty == 0
}

/// How much memory it has, in bytes.
pub fn resident(process: &Held) -> Option<u64> {
    // Its second number is of pages (proc_pid_statm(5)).
    let text = fs::read_to_string(format!("/proc/{}/statm", process.pid)).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The living descendants of a process, held, without this very process. Where it leads a session
/// without a terminal (as what credd starts does), the rest of that session counts as well, so that a
/// worker whose own parent ended is found.
pub fn descendants(of: &Held) -> Vec<Held> {
    let all = procfs::all();
    let alone = all.iter().any(|stat| stat.pid == of.pid && leads(stat));
    let mut tree = vec![of.pid];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        let found = all.iter().filter(|stat| stat.ppid == parent || (alone && stat.session == of.pid));
        for stat in found {
            if !tree.contains(&stat.pid) {
                tree.push(stat.pid);
            }
        }
        at += 1;
    }
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    tree.into_iter()
        .skip(1)
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let held = Held::open(pid).ok()?;
            // The number may have changed hands since the list was made.
            let listed = all.iter().find(|stat| stat.pid == pid)?;
            (listed.start_ticks == held.start_ticks).then_some(held)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(name: &str) -> Child {
        Command::new("sleep").arg("1000").env_clear().env("PATH", "/usr/bin:/bin").env("NAME", name).spawn().unwrap()
    }

    /// Runs once more as the first process of a namespace of its own, where a number can be given out again.
    #[test]
    fn a_number_that_changed_hands_is_not_the_process_that_was_held() {
        if std::process::id() != 1 {
            let test = "consumers::sys::linux::held::tests::a_number_that_changed_hands_is_not_the_process_that_was_held";
            let mut again = Command::new("unshare");
            again.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]).arg(std::env::current_exe().unwrap());
            let output = again.args(["--exact", test, "--nocapture"]).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let mut first = sleeper("first");
        let held = Held::open(first.id().cast_signed()).unwrap();
        assert!(held.argv().unwrap()[0].ends_with(b"sleep"));
        first.kill().unwrap();
        first.wait().unwrap();
        fs::write("/proc/sys/kernel/ns_last_pid", (first.id() - 1).to_string()).unwrap();
        let mut second = sleeper("second");
        assert_eq!(second.id(), first.id(), "the number is given out again");

        assert!(held.is_gone());
        assert!(held.argv().is_err() && held.environ().is_err(), "what the number has now is another's");
        assert!(held.signal(Signal::TERM).is_err());
        assert!(second.try_wait().unwrap().is_none(), "the other one lives");
        second.kill().unwrap();
        second.wait().unwrap();
    }
}
