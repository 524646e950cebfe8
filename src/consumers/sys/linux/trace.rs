//! Following a process that starts up to the moment at which it asks for its port (ptrace(2)).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::Signal;

use super::Held;
use crate::clock;
use crate::consumers::door::Reached;

/// A process that is stopped in the middle of asking for a port. It is let go when this is dropped, and
/// when this process ends: the kernel sees to that.
pub struct Traced {
    pid: Pid,
    /// The descriptor that it wants to bind.
    socket: i32,
}

/// Beginnings and ends of system calls that are looked at from the start on in a small server: twice what it
/// makes before it listens.
const LOOKED_AT: u32 = 6000;
/// A server that is larger makes far more: LiteLLM some 90,000 in four seconds. It is followed, at ten
/// microseconds a call, only once it has an event loop, which is a fifth of a second before it listens.
const LARGE: u64 = 100 << 20;
const LOOP_LOOK: Duration = Duration::from_millis(20);
/// How long `credd launch`, which nobody may trace, takes at most to become the process to be traced.
const LAUNCH: Duration = Duration::from_secs(10);
/// From asking for the port to listening on it, which takes a server less than a millisecond.
const LISTEN: Duration = Duration::from_secs(10);
const LAUNCH_LOOK: Duration = Duration::from_millis(1);

/// Follows `process`, which has just been started, until it calls bind(2) for one of `ports`, in its main
/// thread. Up to then it ends with this process.
///
/// One that isn't there within `patience` is killed. `size` is what memory it is going to have. The error
/// says why it can't be traced: a sandbox or Yama's `ptrace_scope`, for a process that isn't below this one.
pub fn await_bind(process: &Held, ports: &[u16], size: u64, patience: Duration) -> io::Result<Reached<Traced>> {
    let pid = Pid::from_raw(process.pid());
    if !attach(process, pid)? {
        // Python takes longer to fail at anything: this is a small server that found the port taken.
        return Ok(Reached::Passed);
    }
    let (reached, late) = bounded(process, patience, || Follower::new(pid).and_then(|mut follower| follower.follow(ports, size < LARGE)));
    match reached {
        _ if late => Ok(Reached::TimedOut),
        Ok(Some(socket)) => Ok(Reached::Door(Traced { pid, socket })),
        Ok(None) => Ok(Reached::Died),
        Err(_) if process.is_gone() => Ok(Reached::Died),
        Err(error) => {
            let _ = ptrace::detach(pid, None);
            Err(error)
        }
    }
}

/// Follows a process no longer than told: it is killed then, which ends the following. Whether it was.
fn bounded<T>(process: &Held, patience: Duration, follow: impl FnOnce() -> T) -> (T, bool) {
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let too_late = scope.spawn(move || {
            let late = is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = process.signal(Signal::KILL);
            }
            late
        });
        let came = follow();
        drop(done);
        (came, too_late.join().unwrap_or(false))
    })
}

impl Traced {
    /// From now on it goes on should this process end.
    pub fn outlive_us(&self) -> io::Result<()> {
        Ok(ptrace::setoptions(self.pid, Options::PTRACE_O_TRACESYSGOOD)?)
    }

    /// The descriptor that it wants to bind.
    pub fn socket(&self) -> i32 {
        self.socket
    }

    /// Lets it, which is `process`, have the port, and holds it again once it listens. False if it has ended;
    /// the error is of one that doesn't listen.
    pub fn let_listen(&self, process: &Held) -> io::Result<bool> {
        let (listens, late) = bounded(process, LISTEN, || self.follow_to_listen());
        if late { Err(io::ErrorKind::TimedOut.into()) } else { listens }
    }

    fn follow_to_listen(&self) -> io::Result<bool> {
        // It stands at the beginning of bind(2): what comes next is that call's end.
        let mut follower = Follower { at_entry: false, ..Follower::new(self.pid)? };
        let mut calls = LOOKED_AT;
        let mut signal = None;
        while calls > 0 {
            ptrace::syscall(self.pid, signal.take())?;
            match follower.next_stop()? {
                Stop::End => return Ok(false),
                Stop::Call => {
                    let is_end = !follower.at_entry;
                    follower.at_entry = is_end;
                    if is_end && follower.call()?.0 == libc::SYS_listen {
                        return Ok(true);
                    }
                    calls -= 1;
                }
                Stop::Signal(other) => signal = Some(other),
                Stop::Asked => {}
            }
        }
        Err(io::Error::other("it didn't listen"))
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.pid, None);
    }
}

/// Whether it could be attached to before it ended.
fn attach(process: &Held, pid: Pid) -> io::Result<bool> {
    let end = clock::monotonic() + LAUNCH;
    // At first it is `credd launch`, whose memory is nobody's business.
    let is_launched = |argv: Vec<Vec<u8>>| !matches!(argv.as_slice(), [_, word] if word == b"launch");
    loop {
        let late = clock::monotonic() >= end;
        if late || process.argv().is_ok_and(is_launched) {
            match ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL) {
                Ok(()) => return Ok(true),
                Err(_) if process.is_gone() => return Ok(false),
                Err(error) if late => return Err(error.into()),
                Err(_) if !process.argv().is_ok_and(is_launched) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if process.gone_within(LAUNCH_LOOK) {
            return Ok(false);
        }
    }
}

struct Follower {
    pid: Pid,
    /// `/proc/PID/syscall`.
    call: File,
    /// The next stop is the beginning of a system call, not its end.
    at_entry: bool,
}

/// What made a process stop.
#[derive(PartialEq)]
enum Stop {
    /// The beginning or the end of a system call.
    Call,
    /// A signal is about to be delivered.
    Signal(nix::sys::signal::Signal),
    /// We asked it to, or it was stopped by somebody.
    Asked,
    /// It has ended.
    End,
}

/// What came of looking at system calls.
enum Seen {
    /// It asks for a port for this descriptor.
    Bind(i32),
    /// It is far from that, and runs.
    Nothing,
    /// It has ended.
    End,
}

impl Follower {
    fn new(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid, call: File::open(format!("/proc/{pid}/syscall"))?, at_entry: true })
    }

    /// The descriptor for which it asks for one of `ports`; it stands still then. `None` if it ended before.
    fn follow(&mut self, ports: &[u16], from_the_start: bool) -> io::Result<Option<i32>> {
        let mut left = LOOKED_AT;
        if !from_the_start && !self.await_loop()? {
            return Ok(None);
        }
        loop {
            if !self.halt()? {
                return Ok(None);
            }
            match self.calls(ports, &mut left)? {
                Seen::Bind(socket) => return Ok(Some(socket)),
                Seen::Nothing if self.await_loop()? => left = LOOKED_AT,
                Seen::Nothing | Seen::End => return Ok(None),
            }
        }
    }

    /// Has it stop. Whether it did.
    fn halt(&mut self) -> io::Result<bool> {
        ptrace::interrupt(self.pid)?;
        loop {
            match self.next_stop()? {
                Stop::End => return Ok(false),
                Stop::Asked => {
                    // It stops on its way out of the kernel: what comes next is a call's beginning.
                    self.at_entry = true;
                    return Ok(true);
                }
                Stop::Signal(signal) => ptrace::cont(self.pid, signal)?,
                Stop::Call => ptrace::cont(self.pid, None)?,
            }
        }
    }

    /// Looks at system calls, until `left` have been looked at and it has no event loop.
    fn calls(&mut self, ports: &[u16], left: &mut u32) -> io::Result<Seen> {
        let mut signal = None;
        loop {
            ptrace::syscall(self.pid, signal.take())?;
            match self.next_stop()? {
                Stop::End => return Ok(Seen::End),
                Stop::Signal(other) => signal = Some(other),
                Stop::Asked => {}
                Stop::Call => {
                    let is_entry = self.at_entry;
                    self.at_entry = !is_entry;
                    if is_entry && let Some(socket) = self.binds(ports) {
                        return Ok(Seen::Bind(socket));
                    }
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        if !is_entry && !self.has_loop() {
                            ptrace::cont(self.pid, None)?;
                            return Ok(Seen::Nothing);
                        }
                        *left = LOOKED_AT;
                    }
                }
            }
        }
    }

    /// Lets it run until it has an event loop. False once it has ended.
    fn await_loop(&self) -> io::Result<bool> {
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)).map(stop)? {
                None if self.has_loop() => return Ok(true),
                None => thread::sleep(LOOP_LOOK),
                Some(Stop::End) => return Ok(false),
                Some(Stop::Signal(signal)) => ptrace::cont(self.pid, signal)?,
                Some(Stop::Asked | Stop::Call) => ptrace::cont(self.pid, None)?,
            }
        }
    }

    fn next_stop(&self) -> io::Result<Stop> {
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
                Ok(status) => {
                    if let Some(stop) = stop(status) {
                        return Ok(stop);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether it has an event loop, as a server does before it listens: asyncio's and uvloop's are epoll's.
    fn has_loop(&self) -> bool {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return false };
        entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == "anon_inode:[eventpoll]"))
    }

    /// The system call at which it stands: number, first and second argument.
    fn call(&self) -> io::Result<(i64, u64, u64)> {
        // "49 0x3 0x7ffd… 0x10 …" (proc_pid_syscall(5)).
        let mut line = [0; 256];
        let length = self.call.read_at(&mut line, 0)?;
        let mut fields = std::str::from_utf8(&line[..length]).unwrap_or_default().split(' ');
        let number = fields.next().and_then(|number| number.parse().ok());
        let mut argument = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
        match (number, argument(), argument()) {
            (Some(number), Some(first), Some(second)) => Ok((number, first, second)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The descriptor, if it stands at the beginning of bind(2) for one of `ports`.
    fn binds(&self, ports: &[u16]) -> Option<i32> {
        let (libc::SYS_bind, socket, pointer) = self.call().ok()? else { return None };
        let mut address = [0; 4];
        // Opened here, since it is the memory of what the process is now: it may have been `credd launch` at first.
        File::open(format!("/proc/{}/mem", self.pid)).ok()?.read_exact_at(&mut address, pointer).ok()?;
        // Family and port stand at the same place for IPv4 and IPv6 (ip(7), ipv6(7)).
        let [family @ .., high, low] = address;
        let is_internet = [libc::AF_INET, libc::AF_INET6].contains(&i32::from(u16::from_ne_bytes(family)));
        (is_internet && ports.contains(&u16::from_be_bytes([high, low]))).then(|| i32::try_from(socket).ok())?
    }
}

/// `None` for nothing.
fn stop(status: WaitStatus) -> Option<Stop> {
    match status {
        WaitStatus::PtraceSyscall(_) => Some(Stop::Call),
        WaitStatus::Stopped(_, signal) => Some(Stop::Signal(signal)),
        WaitStatus::PtraceEvent(..) => Some(Stop::Asked),
        WaitStatus::Exited(..) | WaitStatus::Signaled(..) => Some(Stop::End),
        WaitStatus::Continued(_) | WaitStatus::StillAlive => None,
    }
}
