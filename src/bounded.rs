//! Running programs that aren't ours: bounded in time, in a process group of their own, without input,
//! and with the end of what they say kept.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::clock;

/// Between two looks at a program that says nothing.
const LOOK: Duration = Duration::from_millis(50);
/// For what was said last to arrive, once the program has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Not within this time.
    Not(Duration),
}

impl fmt::Display for Ended {
    /// After the program's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "ended with status {status}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Not(limit) => write!(f, "had not ended after {} s", limit.as_secs()),
        }
    }
}

/// What a program says: the last `most` bytes, at least.
pub struct Said {
    reader: PipeReader,
    /// With room for twice `most` from the start, so that no freed half of it stays behind in memory.
    bytes: Zeroizing<Vec<u8>>,
    most: usize,
    is_open: bool,
    is_cut: bool,
}

impl Said {
    /// A pipe's end that is read, and the one to write to.
    pub fn pipe(most: usize) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let bytes = Zeroizing::new(Vec::with_capacity(2 * most + CHUNK));
        Ok((Self { reader, bytes, most, is_open: true, is_cut: false }, writer.into()))
    }

    /// What is kept of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the beginning is missing.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn read(&mut self) {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        match self.reader.read(&mut *chunk) {
            Ok(0) => self.is_open = false,
            Ok(count) => {
                if self.bytes.len() >= 2 * self.most {
                    let from = self.bytes.len() - self.most;
                    self.bytes.drain(..from);
                    self.is_cut = true;
                }
                self.bytes.extend_from_slice(&chunk[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.is_open = false,
        }
    }

    /// Lets whoever still writes go on: what a command leaves in the background would block on a full pipe,
    /// or fail on one that nobody reads once this process has ended. `cat` reads it for as long as that lives.
    pub fn leave(self) {
        if self.is_open {
            let mut sink = Command::new("cat");
            sink.stdin(self.reader).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            // Not waited for: it outlives this process.
            let _ = sink.spawn();
        }
    }
}

const CHUNK: usize = 8 * 1024;

/// Reads what is there, no longer than told; comes back early where nobody writes any more.
fn listen(all: &mut [&mut Said], patience: Duration) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    let mut open: Vec<&mut Said> = all.iter_mut().filter(|said| said.is_open).map(|said| &mut **said).collect();
    if open.is_empty() {
        std::thread::sleep(patience);
        return;
    }
    let readable: Vec<bool> = {
        let mut fds: Vec<PollFd<'_>> = open.iter().map(|said| PollFd::new(&said.reader, PollFlags::IN)).collect();
        if poll(&mut fds, Some(&timeout)).is_err() {
            return;
        }
        fds.iter().map(|fd| !fd.revents().is_empty()).collect()
    };
    for (said, readable) in open.iter_mut().zip(readable) {
        if readable {
            said.read();
        }
    }
}

/// Listens until `ended` says how a program ended, and a moment longer; `None` where `end` came before that.
pub fn follow<T>(all: &mut [&mut Said], end: Instant, mut ended: impl FnMut() -> Option<T>) -> Option<T> {
    let mut how = None;
    while how.is_none() && clock::monotonic() < end {
        listen(all, LOOK);
        how = ended();
    }
    let last = clock::monotonic() + LAST_WORDS;
    while all.iter().any(|said| said.is_open) && clock::monotonic() < last {
        listen(all, LOOK);
    }
    how
}

/// Starts a program with these variables and no others, in a process group of its own and without input. Of two
/// entries of one name the first counts, as for `getenv`.
pub fn spawn<'e>(
    program: &Path,
    argv: &[&OsStr],
    dir: &Path,
    environment: impl Iterator<Item = (&'e [u8], &'e [u8])>,
    [out, err]: [OwnedFd; 2],
) -> io::Result<Child> {
    let mut command = Command::new(program);
    if let Some((name, arguments)) = argv.split_first() {
        command.arg0(name).args(arguments);
    }
    let entries: Vec<_> = environment.collect();
    command.env_clear().envs(entries.into_iter().rev().map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
    command.current_dir(dir).stdin(Stdio::null()).stdout(out).stderr(err).process_group(0).spawn()
}

/// How a child ended; `None` while it runs.
pub fn end_of(child: &mut Child) -> Option<Ended> {
    match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or(0)), Ended::Exit)),
        // Somebody else waited for it.
        Err(_) => Some(Ended::Signal(0)),
    }
}

/// Kills a whole process group whose leader hasn't been waited for, so that its number is still its own.
pub fn kill_group(leader: i32) {
    if let Some(group) = Pid::from_raw(leader) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
