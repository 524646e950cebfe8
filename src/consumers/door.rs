//! The door: where a new process is held that is about to listen on a port which its predecessor still has.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::sys::{self, Held};
use crate::clock;

/// How far a new process came.
#[derive(Debug, PartialEq, Eq)]
pub enum Reached<D> {
    /// It is about to listen, and held there.
    Door(D),
    /// It ended before.
    Died,
    /// It wasn't there in time.
    TimedOut,
    /// It went on unseen, and was refused the port.
    Passed,
}

impl<D> Reached<D> {
    /// The same of another door.
    pub fn map<E>(self, change: impl FnOnce(D) -> E) -> Reached<E> {
        match self {
            Self::Door(door) => Reached::Door(change(door)),
            Self::Died => Reached::Died,
            Self::TimedOut => Reached::TimedOut,
            Self::Passed => Reached::Passed,
        }
    }
}

/// Why a process doesn't share the port.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody is let in there"))]
pub enum Unshared {
    /// It can't, and is held as before.
    Held,
    /// It was let go on, and doesn't listen.
    LetIn,
    /// It was let go on, and ended.
    Died,
}

/// Holds a process until it is dropped.
pub enum Door<'a> {
    /// In the very call that asks for the port.
    #[cfg(target_os = "linux")]
    Traced(sys::Traced),
    /// Stopped as a whole, a moment before.
    #[allow(dead_code, reason = "held to be dropped")]
    Stopped(Stopped<'a>),
}

impl<'a> Door<'a> {
    /// Waits until a process that was just started is about to listen on one of `ports`; `size` is the memory
    /// that its predecessor has.
    ///
    /// Where the kernel doesn't let us follow it, its log tells. The error says why neither is possible.
    pub fn reached_by(
        process: &'a Held,
        ports: &[u16],
        size: u64,
        mut log: Option<LogTail>,
        patience: Duration,
    ) -> Result<Reached<Self>, String> {
        let start = clock::monotonic();
        let reached = match sys::await_bind(process, ports, size, patience) {
            #[cfg(target_os = "linux")]
            Ok(reached) => reached.map(Self::Traced),
            #[cfg(not(target_os = "linux"))]
            Ok(never) => match never {},
            Err(error) => {
                let log = log.as_mut().ok_or(format!("it can't be followed while it starts ({error}), and its log is no file"))?;
                let spent = clock::monotonic().saturating_duration_since(start);
                stopped_by_log(process, log, patience.saturating_sub(spent)).map(Self::Stopped)
            }
        };
        let was_refused = || log.is_some_and(|mut log| log.was_refused());
        if matches!(reached, Reached::Died) && was_refused() { Ok(Reached::Passed) } else { Ok(reached) }
    }

    /// Has the process and `old`, which has the port, both listen on it.
    pub fn share(&self, new: &Held, old: &[&Held], ports: &[u16]) -> Result<sys::Shared, Unshared> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Traced(traced) => sys::Shared::of(old, ports, new, traced),
            Self::Stopped(_) => {
                let _ = (new, old, ports);
                Err(Unshared::Held)
            }
        }
    }

    /// From now on the process goes on should this one end. Before, it ends as well where the system can
    /// see to that.
    pub fn outlive_us(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Traced(traced) = self {
            let _ = traced.outlive_us();
        }
    }
}

/// A process that was stopped, and goes on when this is dropped.
pub struct Stopped<'a>(&'a Held);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal(Signal::CONT);
    }
}

/// What uvicorn says when it is about to start the application, and then listens.
const STARTING: &[u8] = b"Waiting for application startup.";
/// What it says right before it listens: too late.
const STARTED: &[u8] = b"Application startup complete.";
/// What asyncio says of a port that is taken.
const REFUSED: &[u8] = b"address already in use";
const LOOK: Duration = Duration::from_millis(2);

/// Follows a process by its log.
fn stopped_by_log<'a>(process: &'a Held, log: &mut LogTail, patience: Duration) -> Reached<Stopped<'a>> {
    let end = clock::monotonic() + patience;
    loop {
        if log.read() && log.says(STARTING) {
            break;
        }
        if process.gone_within(LOOK) {
            return Reached::Died;
        }
        if clock::monotonic() >= end {
            return Reached::TimedOut;
        }
    }
    if process.signal(Signal::STOP).is_err() {
        return Reached::Died;
    }
    let stopped = Stopped(process);
    while !sys::is_stopped(process) {
        if process.gone_within(LOOK) {
            return Reached::Died;
        }
    }
    if log.says(STARTED) {
        drop(stopped);
        // It asks for the port now, and ends.
        process.gone_within(end.saturating_duration_since(clock::monotonic()));
        return Reached::Passed;
    }
    Reached::Door(stopped)
}

/// What is written to a log from now on.
pub struct LogTail {
    file: File,
    seen: Vec<u8>,
}

/// Lines of a start-up; LiteLLM's, with `--detailed_debug`, are about as long.
const KEPT: usize = 1 << 20;

impl LogTail {
    /// Of this file; `None` if it can't be read.
    pub fn of(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Self { file, seen: Vec::new() })
    }

    /// The process says that it was refused its port.
    pub fn was_refused(&mut self) -> bool {
        self.says(REFUSED)
    }

    fn says(&mut self, words: &[u8]) -> bool {
        self.read();
        self.seen.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words))
    }

    /// Takes in what is new. Whether there is any.
    fn read(&mut self) -> bool {
        let is_new = self.file.read_to_end(&mut self.seen).is_ok_and(|count| count > 0);
        if self.seen.len() > KEPT {
            self.seen.drain(..self.seen.len() - KEPT);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn shell(script: &str) -> (Child, Held) {
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        let held = Held::open(i32::try_from(child.id()).unwrap()).unwrap();
        // A script that waits for its input goes on now.
        drop(child.stdin.take());
        (child, held)
    }

    fn end(mut child: Child) {
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn a_log_tells_when_a_process_is_about_to_listen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "Waiting for application startup. Of an earlier one.\n").unwrap();
        let mut log = LogTail::of(&path).unwrap();
        assert!(!log.says(STARTING));
        let script = format!("sleep 0.1; echo 'INFO: Waiting for application startup.' >> {0}; sleep 60", path.display());
        let (child, held) = shell(&script);
        let reached = stopped_by_log(&held, &mut log, Duration::from_secs(10));
        assert!(matches!(reached, Reached::Door(_)));
        assert!(sys::is_stopped(&held));
        drop(reached);
        assert!(!sys::is_stopped(&held));
        end(child);
    }

    #[test]
    fn one_that_goes_by_ends_or_takes_too_long_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let reach = |script: &str, patience| {
            std::fs::File::create(&path).unwrap().flush().unwrap();
            let mut log = LogTail::of(&path).unwrap();
            let (child, held) = shell(&script.replace("LOG", path.to_str().unwrap()));
            let reached = stopped_by_log(&held, &mut log, Duration::from_millis(patience)).map(drop);
            end(child);
            reached
        };
        assert_eq!(
            reach("printf 'Waiting for application startup.\nApplication startup complete.\n' >> LOG; sleep 2", 5000),
            Reached::Passed
        );
        assert_eq!(reach("read -r _; exit 3", 5000), Reached::Died);
        assert_eq!(reach("sleep 60", 100), Reached::TimedOut);
    }
}
