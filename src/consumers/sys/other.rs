//! Systems without `/proc` and pidfds (macOS): what sysinfo and POSIX tell.
//!
//! A process is known by its pid and its start time, which are compared right before each signal.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};
use zeroize::Zeroizing;

use crate::clock;
use crate::consumers::environment::Environ;
use crate::consumers::launch::LaunchSpec;
use crate::consumers::program;
use crate::core::RunBy;

/// Between two looks at a process that is to end.
const LOOK: Duration = Duration::from_millis(50);

/// A process known by its pid and start time.
pub struct Held {
    pid: i32,
    /// Seconds since the epoch.
    started: u64,
}

/// One process as sysinfo sees it now.
fn with<T>(pid: i32, kind: ProcessRefreshKind, use_it: impl FnOnce(&sysinfo::Process) -> T) -> io::Result<T> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let number = sysinfo::Pid::from_u32(u32::try_from(pid).map_err(|_| gone())?);
    let mut system = System::new().map_err(|error| io::Error::other(error.to_string()))?;
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[number]), true, kind);
    system
        .process(number)
        .filter(|process| !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead))
        .map(use_it)
        .ok_or_else(gone)
}

impl Held {
    /// Notes a living process's identity. The error is `NotFound` for one that isn't there.
    pub fn open(pid: i32) -> io::Result<Self> {
        let started = with(pid, ProcessRefreshKind::nothing(), sysinfo::Process::start_time)?;
        Ok(Self { pid, started })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its start time in seconds: with the pid, its identity.
    pub fn start_ticks(&self) -> u64 {
        self.started
    }

    /// When it started, to a second.
    pub fn started_at(&self) -> Timestamp {
        i64::try_from(self.started).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_else(clock::now)
    }

    /// Its argument vector.
    pub fn argv(&self) -> io::Result<Vec<Vec<u8>>> {
        let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
        let argv = with(self.pid, kind, |process| process.cmd().iter().map(|word| word.as_bytes().to_vec()).collect())?;
        self.still(argv)
    }

    /// The environment it was started with.
    pub fn environ(&self) -> io::Result<Environ> {
        let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
        let block = with(self.pid, kind, |process| {
            let size = process.environ().iter().map(|entry| entry.len() + 1).sum();
            let mut block = Zeroizing::new(Vec::with_capacity(size));
            for entry in process.environ() {
                block.extend_from_slice(entry.as_bytes());
                block.push(0);
            }
            block
        })?;
        self.still(Environ::new(block))
    }

    fn still<T>(&self, read: T) -> io::Result<T> {
        if self.is_gone() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(read)
    }

    /// Sends it a signal, if it is still the same process.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.pid).ok_or(io::ErrorKind::NotFound)?;
        self.still(())?;
        Ok(kill_process(pid, signal)?)
    }

    /// Whether it has ended.
    pub fn is_gone(&self) -> bool {
        with(self.pid, ProcessRefreshKind::nothing(), sysinfo::Process::start_time).map_or(true, |started| started != self.started)
    }

    /// Waits for its end, no longer than told; whether it has ended.
    pub fn gone_within(&self, patience: Duration) -> bool {
        let end = clock::monotonic() + patience;
        loop {
            if self.is_gone() {
                return true;
            }
            let left = end.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return false;
            }
            thread::sleep(LOOK.min(left));
        }
    }
}

/// Shows the process id and the arguments of every process that has any, of whichever user.
pub fn each_command_line(see: &mut dyn FnMut(i32, &[&[u8]])) -> io::Result<()> {
    let mut system = System::new().map_err(|error| io::Error::other(error.to_string()))?;
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    for (pid, process) in system.processes() {
        let argv: Vec<&[u8]> = process.cmd().iter().map(|argument| argument.as_bytes()).collect();
        if let Ok(pid) = i32::try_from(pid.as_u32())
            && !argv.is_empty()
        {
            see(pid, &argv);
        }
    }
    Ok(())
}

/// There are no containers whose processes could be seen.
pub fn is_native(_process: &Held) -> bool {
    true
}

/// There are no containers whose processes could be seen: Docker runs in a virtual machine.
pub fn container_of(_process: &Held) -> Option<String> {
    None
}

/// The living descendants of a process, without this very process.
pub fn descendants(of: &Held) -> Vec<Held> {
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    let mut tree = vec![sysinfo::Pid::from_u32(of.pid.unsigned_abs())];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        let children = system.processes().values().filter(|process| process.parent() == Some(parent));
        for child in children.map(sysinfo::Process::pid) {
            if !tree.contains(&child) {
                tree.push(child);
            }
        }
        at += 1;
    }
    tree.into_iter()
        .skip(1)
        .filter(|pid| pid.as_u32() != std::process::id())
        .filter_map(|pid| Held::open(i32::try_from(pid.as_u32()).ok()?).ok())
        .collect()
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whether it is one of the processes asked after that has it open.
    pub own: bool,
}

/// Can't be told here without unsafe calls.
pub fn listeners(_tree: &[&Held]) -> Option<Vec<Listener>> {
    None
}

/// Can't be told here without unsafe calls.
pub fn shares_network(_process: &Held) -> bool {
    false
}

/// Can't be told here without unsafe calls.
pub fn squatted(_ports: &[u16], _known: &[SocketAddr]) -> Option<SocketAddr> {
    None
}

/// Can't be told here without unsafe calls.
pub fn listener_of(_port: u16) -> Option<Held> {
    None
}

/// Who looks after a process: launchd, where it or its parent (a wrapper, which waits for it) is an agent's process.
pub fn run_by(process: &Held) -> RunBy {
    let parent = with(process.pid, ProcessRefreshKind::nothing(), |seen| seen.parent().map(sysinfo::Pid::as_u32)).ok().flatten();
    // launchd itself is everybody's parent in the end.
    let parent = parent.filter(|pid| *pid > 1).and_then(|pid| i32::try_from(pid).ok());
    let pids: Vec<i32> = std::iter::once(process.pid).chain(parent).collect();
    crate::consumers::launchd::label_of(&pids).map_or(RunBy::Process, |label| RunBy::Launchd { label })
}

/// Output of a new process: another process's open files can't be taken over here.
pub struct Streams;

impl Streams {
    /// Nothing to take.
    pub fn of(_process: &Held) -> io::Result<Self> {
        Ok(Self)
    }

    /// `/dev/null`, twice.
    pub fn copies(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let null = || OpenOptions::new().write(true).open("/dev/null").map(OwnedFd::from);
        Ok((null()?, null()?))
    }
}

/// Can't be told here.
pub fn log_path(_process: &Held) -> Option<PathBuf> {
    None
}

/// Everything about a living process that a new one needs to be its successor, as far as it can be told.
pub fn traits(process: &Held, environ: &Environ) -> io::Result<LaunchSpec> {
    let argv = process.argv()?;
    let kind = ProcessRefreshKind::nothing().with_cwd(UpdateKind::Always).with_exe(UpdateKind::Always);
    let (dir, exe) = with(process.pid, kind, |seen| (seen.cwd().map(PathBuf::from), seen.exe().map(PathBuf::from)))?;
    let hidden = || io::Error::from(io::ErrorKind::PermissionDenied);
    let dir = dir.ok_or_else(hidden)?;
    let program = program::to_start(&argv, &exe.ok_or_else(hidden)?, b"", &dir, environ.get(b"PATH"));
    let nice = Pid::from_raw(process.pid).and_then(|pid| rustix::process::getpriority_process(Some(pid)).ok());
    process.still(LaunchSpec {
        program: program.file,
        argv: program.argv,
        dir,
        umask: None,
        nice,
        limits: Vec::new(),
        stdin: None,
        follower: None,
    })
}

/// A pipe that a thread fills: it may be more than a pipe holds at once.
pub fn spec_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    let bytes = Zeroizing::new(bytes.to_vec());
    thread::spawn(move || {
        let _ = writer.write_all(&bytes);
    });
    Ok(reader.into())
}

/// A pipe that was read is empty.
pub fn wipe(_file: &File) {}

/// This very program.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Who listens where isn't known.
pub fn is_anybody_on(_process: &Held, _ports: &[u16]) -> Option<bool> {
    None
}

/// Whether it was stopped by a signal.
pub fn is_stopped(process: &Held) -> bool {
    with(process.pid, ProcessRefreshKind::nothing(), |found| found.status() == ProcessStatus::Stop).unwrap_or(false)
}

/// Whether it leads a session, as what credd starts does.
pub fn leads_session(process: &Held) -> bool {
    Pid::from_raw(process.pid).is_some_and(|pid| rustix::process::getsid(Some(pid)).is_ok_and(|session| session == pid))
}

/// How much memory it has, in bytes.
pub fn resident(process: &Held) -> Option<u64> {
    with(process.pid, ProcessRefreshKind::nothing().with_memory(), sysinfo::Process::memory).ok()
}

/// Nobody is followed here.
pub fn await_bind(_process: &Held, _ports: &[u16], _size: u64, _patience: Duration) -> io::Result<Infallible> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Two listeners on one port: not here.
#[derive(Debug)]
pub enum Shared {}

impl Shared {
    /// Connects to the new process.
    pub fn dial(&self, _address: SocketAddr) -> io::Result<TcpStream> {
        match *self {}
    }

    /// Has the new process get all connections.
    pub fn switch(&self) -> io::Result<()> {
        match *self {}
    }
}
