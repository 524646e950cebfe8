//! A plain process: stop it, start it anew, prove it, and put it back where that fails.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::apply::{Attempt, End};
use super::environment::Environ;
use super::handover::{self, Handed, No, Way};
use super::http::Line;
use super::launch::LaunchSpec;
use super::litellm::{LiteLlm, config_path};
use super::prove::{ANSWER, proven, proven_at_once};
use super::ready::{Place, Waited, who_has};
use super::start::Starter;
use super::stop::Leaving;
use super::sys::{self, Held, Streams};
use super::{find, pid_file, program, stop};
use crate::clock;
use crate::config::{ConsumerConfig, Verify};
use crate::core::Outcome;

/// A new process that turns out to be no good gets no longer than this to end by itself.
const UNWANTED: Duration = Duration::from_secs(10);
/// With `verify = "none"`: a process that lives as long runs.
const RUNS: Duration = Duration::from_secs(2);
/// Between two looks at a port that somebody has taken.
const PORT_LOOK: Duration = Duration::from_millis(200);

/// Everything needed to start a process anew, gathered while it lives.
pub(super) struct Memory {
    argv: Vec<Vec<u8>>,
    pub(super) spec: LaunchSpec,
    pub(super) environ: Environ,
    pub(super) streams: Streams,
    pub(super) place: Place,
    pub(super) log: Option<PathBuf>,
}

impl Memory {
    pub(super) fn of(process: &Held, consumer: &ConsumerConfig) -> std::io::Result<Self> {
        let environ = process.environ()?;
        let argv = process.argv()?;
        Ok(Self {
            spec: sys::traits(process, &environ)?,
            streams: Streams::of(process)?,
            place: Place::of(process, &argv, consumer.url.as_deref()),
            log: sys::log_path(process),
            environ,
            argv,
        })
    }

    /// What would keep a new process from starting, as far as that shows beforehand.
    pub(super) fn obstacle(&self) -> Option<String> {
        let dir = &self.spec.dir;
        let program = dir.join(&self.spec.program);
        if !dir.is_dir() {
            return Some(format!("its directory {} is gone", dir.display()));
        }
        if !program::is_executable(&program) {
            return Some(format!("its program {} is gone", program.display()));
        }
        let config = config_path(&self.argv).map(|path| dir.join(path))?;
        (!config.is_file()).then(|| format!("its configuration {} is gone", config.display()))
    }

    /// Where to look for what it says of itself.
    pub(super) fn see_log(&self) -> String {
        let Some(path) = &self.log else { return String::new() };
        // LiteLLM ends where it can't write, and then can't say so.
        let is_full = rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_blocks > 0 && disk.f_bavail == 0);
        let full = if is_full { ", on a disk that is full: make room there, then: credd apply" } else { "" };
        format!("; see {}{full}", path.display())
    }
}

/// Restarts a process with the keys ordered. `known` are the pids of all the consumer's processes.
pub(super) fn restart(attempt: &mut Attempt<'_>, process: &Held, known: &[i32]) -> End {
    let consumer = &attempt.order.consumer;
    let memory = match Memory::of(process, consumer) {
        Ok(memory) => memory,
        Err(_) if process.is_gone() => {
            return End::new(Outcome::Superseded, "it ended by itself: look again", None);
        }
        Err(error) => {
            return End::untouched(process, &format!("it can't be looked into ({error})"));
        }
    };
    if let Some(obstacle) = memory.obstacle() {
        return End::untouched(process, &format!("{obstacle}, so it couldn't be started again"));
    }
    let starter = match Starter::new(attempt.order.from_service, consumer.name.as_str(), consumer.stop_timeout) {
        Ok(starter) => starter,
        Err(why) => return End::untouched(process, &why),
    };
    let environ = memory.environ.overlaid(attempt.changes);
    let way = if consumer.handover { handover::way(process, &memory.argv, &memory.place.ports()).map_err(Some) } else { Err(None) };
    let pids = Pids { old: process.pid(), is_first: known.first() == Some(&process.pid()), all: known };
    let mut restart = Restarting::new(attempt, memory, starter);
    let reason = match way {
        Ok(way) => match restart.hand_over(process, &environ, way, consumer.verify) {
            Handed::Over(up, leaving) => return restart.over(&pids, up, leaving),
            Handed::Failed(down, leaving) => return restart.back(&pids, &down, Some(way), Some(leaving)),
            Handed::Not(No::Kept(why)) => return End::untouched(process, &format!("with the new one, {why}")),
            Handed::Not(No::Superseded(why)) => return End::new(Outcome::Superseded, why, None),
            Handed::Not(No::Impossible(why)) => Some(why),
            Handed::Not(No::TooEarly) => None,
        },
        Err(reason) => reason,
    };
    (restart.attempt.progress)("stopping");
    if !stop::stop(process, consumer.stop_timeout) {
        let detail = format!("process {} can't be stopped: end it and start it yourself", process.pid());
        return End::new(Outcome::Failed, detail, Some(process.pid()));
    }
    let mut end = match restart.serve(&environ, consumer.verify, known) {
        Ok(up) => restart.up(&pids, up),
        Err(down) => restart.back(&pids, &down, None, None),
    };
    if let Some(reason) = reason {
        end.detail = format!("{}; it was stopped first, since {reason}", end.detail);
    }
    end
}

/// A process that is being replaced.
struct Pids<'a> {
    old: i32,
    is_first: bool,
    all: &'a [i32],
}

/// A restart under way: the old process is gone or going.
pub(super) struct Restarting<'a, 'b> {
    pub(super) attempt: &'a mut Attempt<'b>,
    pub(super) memory: Memory,
    pub(super) starter: Starter,
    /// Until when whoever took its ports is waited for; `None` if nobody did.
    ports_by: Option<Instant>,
}

/// A process that serves.
pub(super) struct Up {
    pub(super) process: Held,
    /// What was proven, for people.
    pub(super) note: String,
}

/// An attempt that failed.
pub(super) struct Down {
    /// What went wrong.
    pub(super) why: String,
    /// What was started, and may still be there.
    pub(super) process: Option<Held>,
}

impl<'a, 'b> Restarting<'a, 'b> {
    pub(super) fn new(attempt: &'a mut Attempt<'b>, memory: Memory, starter: Starter) -> Self {
        Self { attempt, memory, starter, ports_by: None }
    }
}

impl Restarting<'_, '_> {
    /// It serves, and the one before it is done or about to be.
    fn over(&mut self, pids: &Pids<'_>, up: Up, leaving: Leaving<'_>) -> End {
        let mut end = self.up(pids, up);
        (self.attempt.progress)("letting the old one finish its requests");
        if !leaving.finish() {
            end.detail = format!("{}; the old process {} can't be ended", end.detail, pids.old);
        }
        end
    }

    fn up(&self, pids: &Pids<'_>, up: Up) -> End {
        self.noted(pids, End::new(Outcome::Applied, up.note, Some(up.process.pid())))
    }

    /// Keeps the pid file true.
    fn noted(&self, pids: &Pids<'_>, mut end: End) -> End {
        if let (Some(path), Some(pid)) = (&self.attempt.order.consumer.pid_file, end.pid)
            && let Err(error) = pid_file::update(path, pids.old, pid, pids.is_first)
        {
            end.detail = format!("{}; its pid is {pid}, but {} can't be written ({error})", end.detail, path.display());
        }
        end
    }

    /// Starts a process and sees to it that it serves, with a proof of the key where that is asked. Where
    /// somebody else has taken its port, that is waited for; `known` are the pids of all processes there were.
    fn serve(&mut self, environ: &Environ, verify: Verify, known: &[i32]) -> Result<Up, Down> {
        loop {
            self.await_ports(known).map_err(|why| Down { why, process: None })?;
            (self.attempt.progress)("starting");
            let started = self.starter.start(&self.memory.spec, environ, &self.memory.streams);
            let process =
                started.map_err(|why| Down { why: format!("it couldn't be started: {why}{}", self.memory.see_log()), process: None })?;
            let why = match self.check(&process, environ, verify) {
                Ok(note) => return Ok(Up { process, note }),
                Err(why) => why,
            };
            if self.memory.place.lost_by(&process).is_none() {
                return Err(Down { why, process: Some(process) });
            }
            self.end(Some(&process));
        }
    }

    /// Waits until nobody else has its ports, for as long as it may take to be ready. The error says who has.
    fn await_ports(&mut self, known: &[i32]) -> Result<(), String> {
        while let Some(port) = self.memory.place.squatted() {
            let patience = self.attempt.order.consumer.ready_timeout;
            let is_first = self.ports_by.is_none();
            let end = *self.ports_by.get_or_insert_with(|| clock::monotonic() + patience);
            if is_first {
                (self.attempt.progress)(&format!("waiting, since {}", who_has(port)));
            }
            // One of its own kind has come to stay.
            if clock::monotonic() >= end || self.other(known, None).is_some() {
                return Err(who_has(port));
            }
            std::thread::sleep(PORT_LOOK);
        }
        Ok(())
    }

    /// Sees whether a process serves. What it is good for, or why it isn't.
    pub(super) fn check(&mut self, process: &Held, environ: &Environ, verify: Verify) -> Result<String, String> {
        self.check_by(process, environ, verify, &Line::new(ANSWER))
    }

    /// The same of one that is reached by this line.
    pub(super) fn check_by(&mut self, process: &Held, environ: &Environ, verify: Verify, line: &Line) -> Result<String, String> {
        if verify == Verify::Completion
            && line.is_direct()
            && let Some(base) = self.memory.place.base_of(process)
        {
            // It was let in to listen: asking for a sign of life first would keep callers from the new key.
            (self.attempt.progress)("proving it by a completion");
            let litellm = LiteLlm::of(&self.memory.argv, &self.memory.spec.dir, environ);
            if let Some(note) = proven_at_once(line, &base, &self.attempt.order.consumer, &litellm, environ) {
                return Ok(note);
            }
        }
        match self.await_ready(process, verify, line)? {
            Ok(base) => self.prove(process, environ, verify, &base, line),
            Err(note) => Ok(note),
        }
    }

    /// Waits until a process serves. Its base URL, or what to say of one that isn't to be asked.
    pub(super) fn await_ready(&mut self, process: &Held, verify: Verify, line: &Line) -> Result<Result<String, String>, String> {
        let consumer = &self.attempt.order.consumer;
        let see_log = || self.memory.see_log();
        if verify == Verify::None {
            if process.gone_within(RUNS) {
                return Err(format!("it ended at once{}", see_log()));
            }
            return Ok(Err("it runs with the new key (not proven: verify = \"none\")".to_owned()));
        }
        (self.attempt.progress)("waiting until it is ready");
        match self.memory.place.wait(process, consumer.ready_timeout, line) {
            Waited::Ready(base) => Ok(Ok(base)),
            Waited::Died => Err(format!("it ended before it was ready{}", see_log())),
            Waited::Taken(port) => Err(format!("another process has taken its port {port}")),
            Waited::TimedOut => {
                let seconds = consumer.ready_timeout.as_secs();
                Err(format!("it was not ready within {seconds} s{}", see_log()))
            }
        }
    }

    /// Proves the key, as far as that is asked. What to say of it, or why the process is no good.
    fn prove(&mut self, process: &Held, environ: &Environ, verify: Verify, base: &str, line: &Line) -> Result<String, String> {
        let consumer = &self.attempt.order.consumer;
        if verify != Verify::Completion {
            return Ok("it is ready with the new key (not proven: verify = \"readiness\")".to_owned());
        }
        let litellm = LiteLlm::of(&self.memory.argv, &self.memory.spec.dir, environ);
        (self.attempt.progress)("proving it by a completion");
        proven(process, line, base, consumer, &litellm, environ)
    }

    /// What is to be seen of one with its old key: that is the one to be replaced, and may be dead.
    pub(super) fn readiness(&self) -> Verify {
        match self.attempt.order.consumer.verify {
            Verify::Completion => Verify::Readiness,
            other => other,
        }
    }

    /// Ends a process that is no good.
    fn end(&self, process: Option<&Held>) {
        if let Some(process) = process {
            stop::stop(process, self.attempt.order.consumer.stop_timeout.min(UNWANTED));
        }
    }

    /// Puts it back.
    fn back(&mut self, pids: &Pids<'_>, failed: &Down, way: Option<Way>, leaving: Option<Leaving<'_>>) -> End {
        (self.attempt.progress)("going back");
        let end = self.go_back(failed, way, pids.all);
        let end = self.noted(pids, end);
        if let Some(leaving) = leaving {
            leaving.finish();
        }
        end
    }

    /// Starts it with its old environment; `known` are the pids of all processes that were there before.
    pub(super) fn go_back(&mut self, failed: &Down, way: Option<Way>, known: &[i32]) -> End {
        let why = &failed.why;
        let old = std::mem::replace(&mut self.memory.environ, Environ::new(Vec::new().into()));
        // One that listens, with a key that is no good, can be handed over like any other.
        if let (Some(way), Some(process)) = (way, failed.process.as_ref().filter(|process| !process.is_gone())) {
            match self.hand_over(process, &old, way, self.readiness()) {
                Handed::Over(up, leaving) => {
                    leaving.finish();
                    return put_back(why, &up);
                }
                Handed::Failed(_, leaving) => drop(leaving.finish()),
                Handed::Not(_) => {}
            }
        }
        self.end(failed.process.as_ref());
        if let Some(other) = self.other(known, None) {
            return left_alone(why, other);
        }
        let again = match self.serve(&old, self.readiness(), known) {
            Ok(up) => return put_back(why, &up),
            Err(again) => again,
        };
        let own = again.process.as_ref().map(Held::pid);
        if let Some(other) = self.other(known, own) {
            // It lost the port to that.
            self.end(again.process.as_ref());
            return left_alone(why, other);
        }
        // One that is merely slow is the last hope: it is left to it.
        let left = again.process.filter(|process| !process.is_gone());
        let detail = if again.why == *why {
            format!("it doesn't serve, since {why}: see to that, and start it as you did before, with the key in the env file")
        } else {
            format!("it doesn't serve: with the new key {why}; with the old one {}; see to it yourself", again.why)
        };
        End::new(Outcome::Failed, detail, left.map(|process| process.pid()))
    }

    /// A process with the same arguments that came up meanwhile: the consumer has a supervisor, or an
    /// impatient user.
    fn other(&self, known: &[i32], own: Option<i32>) -> Option<i32> {
        find::find(&self.attempt.order.consumer.matches)
            .ok()?
            .into_iter()
            .filter(|process| !known.contains(&process.pid()) && own != Some(process.pid()))
            .find(|process| process.argv().is_ok_and(|argv| argv == self.memory.argv))
            .map(|process| process.pid())
    }
}

fn put_back(why: &str, up: &Up) -> End {
    let detail = format!("it runs with its old key again, since with the new one {why}");
    End::new(Outcome::RolledBack, detail, Some(up.process.pid()))
}

fn left_alone(why: &str, other: i32) -> End {
    let detail =
        format!("{why}; meanwhile something else started process {other}, which was left alone: have that take the key from the env file");
    End::new(Outcome::RolledBack, detail, Some(other))
}
