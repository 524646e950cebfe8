//! A plain process: stop it, start it anew, prove it, and put it back where that fails.

use std::path::PathBuf;
use std::time::Duration;

use super::apply::{Attempt, End};
use super::environment::Environ;
use super::launch::LaunchSpec;
use super::litellm::{LiteLlm, config_path};
use super::prove::{Proof, prove};
use super::ready::{Place, Waited};
use super::start::Starter;
use super::sys::{self, Held, Streams};
use super::{find, pid_file, program, stop};
use crate::config::{ConsumerConfig, Verify};
use crate::core::Outcome;
use crate::secret::Secret;

/// A new process that turns out to be no good gets no longer than this to end by itself.
const UNWANTED: Duration = Duration::from_secs(10);
/// With `verify = "none"`: a process that lives as long runs.
const RUNS: Duration = Duration::from_secs(2);

/// Everything needed to start a process anew, gathered while it lives.
pub(super) struct Memory {
    argv: Vec<Vec<u8>>,
    spec: LaunchSpec,
    pub(super) environ: Environ,
    streams: Streams,
    place: Place,
    log: Option<PathBuf>,
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

    fn see_log(&self) -> String {
        self.log.as_ref().map_or_else(String::new, |path| format!("; see {}", path.display()))
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
    let is_first = known.first() == Some(&process.pid());
    let mut restart = Restarting { attempt, memory, starter };

    (restart.attempt.progress)("stopping");
    if !stop::stop(process, consumer.stop_timeout) {
        let detail = format!("process {} can't be stopped: end it and start it yourself", process.pid());
        return End::new(Outcome::Failed, detail, Some(process.pid()));
    }
    let mut end = match restart.serve(&environ, true) {
        Ok(up) => End::new(Outcome::Applied, up.note, Some(up.process.pid())),
        Err(down) => restart.go_back(&down, known),
    };
    if let (Some(path), Some(pid)) = (&consumer.pid_file, end.pid)
        && let Err(error) = pid_file::update(path, process.pid(), pid, is_first)
    {
        end.detail = format!("{}; its pid is {pid}, but {} can't be written ({error})", end.detail, path.display());
    }
    end
}

/// A restart under way: the old process is gone or going.
pub(super) struct Restarting<'a, 'b> {
    pub(super) attempt: &'a mut Attempt<'b>,
    pub(super) memory: Memory,
    pub(super) starter: Starter,
}

/// A process that serves.
struct Up {
    process: Held,
    /// What was proven, for people.
    note: String,
}

/// An attempt that failed.
pub(super) struct Down {
    /// What went wrong.
    pub(super) why: String,
    /// What was started, and may still be there.
    pub(super) process: Option<Held>,
}

impl Restarting<'_, '_> {
    /// Starts a process and sees to it that it serves, with a proof of the key where that is asked.
    fn serve(&mut self, environ: &Environ, with_proof: bool) -> Result<Up, Down> {
        let consumer = &self.attempt.order.consumer;
        (self.attempt.progress)("starting");
        let started = self.starter.start(&self.memory.spec, environ, &self.memory.streams);
        let process =
            started.map_err(|why| Down { why: format!("it couldn't be started: {why}{}", self.memory.see_log()), process: None })?;
        let verify = match consumer.verify {
            Verify::Completion if !with_proof => Verify::Readiness,
            other => other,
        };
        match self.check(&process, environ, verify) {
            Ok(note) => Ok(Up { process, note }),
            Err(why) => Err(Down { why, process: Some(process) }),
        }
    }

    pub(super) fn check(&mut self, process: &Held, environ: &Environ, verify: Verify) -> Result<String, String> {
        let consumer = &self.attempt.order.consumer;
        let log = self.memory.see_log();
        if verify == Verify::None {
            if process.gone_within(RUNS) {
                return Err(format!("it ended at once{log}"));
            }
            return Ok("it runs with the new key (not proven: verify = \"none\")".to_owned());
        }
        (self.attempt.progress)("waiting until it is ready");
        let base = match self.memory.place.wait(process, consumer.ready_timeout) {
            Waited::Ready(base) => base,
            Waited::Died => return Err(format!("it ended before it was ready{log}")),
            Waited::Taken(port) => {
                return Err(format!("another process has taken its port {port}"));
            }
            Waited::TimedOut => {
                let seconds = consumer.ready_timeout.as_secs();
                return Err(format!("it was not ready within {seconds} s{log}"));
            }
        };
        if verify == Verify::Readiness {
            return Ok("it is ready with the new key (not proven: verify = \"readiness\")".to_owned());
        }
        let litellm = LiteLlm::of(&self.memory.argv, &self.memory.spec.dir, environ);
        let unproven = |why: &str| format!("it runs with the new key, which couldn't be proven: {why}");
        let Some(model) = consumer.model.clone().or(litellm.model) else {
            return Ok(unproven("its configuration names no Bedrock model, so set model"));
        };
        (self.attempt.progress)("proving it by a completion");
        let master_key =
            environ.get(consumer.master_key_variable.as_bytes()).map(|value| Secret::new(value.to_vec())).or(litellm.master_key);
        match prove(process, &base, &model, master_key.as_ref()) {
            Proof::Works => Ok(format!("it runs with the new key, proven by a completion of {model}")),
            Proof::Unproven(why) => Ok(unproven(&why)),
            Proof::Refused(why) => Err(why),
        }
    }

    /// Ends a process that is no good.
    fn end(&self, process: Option<&Held>) {
        if let Some(process) = process {
            stop::stop(process, self.attempt.order.consumer.stop_timeout.min(UNWANTED));
        }
    }

    /// Starts it with its old environment.
    pub(super) fn go_back(&mut self, failed: &Down, known: &[i32]) -> End {
        (self.attempt.progress)("going back");
        self.end(failed.process.as_ref());
        let why = &failed.why;
        if let Some(other) = self.other(known, None) {
            return left_alone(why, other);
        }
        let old = std::mem::replace(&mut self.memory.environ, Environ::new(Vec::new().into()));
        let again = match self.serve(&old, false) {
            Ok(up) => {
                let detail = format!("it runs with its old key again, since with the new one {why}");
                return End::new(Outcome::RolledBack, detail, Some(up.process.pid()));
            }
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
        let detail = format!("it doesn't serve: with the new key {why}; with the old one {}; see to it yourself", again.why);
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

fn left_alone(why: &str, other: i32) -> End {
    let detail =
        format!("{why}; meanwhile something else started process {other}, which was left alone: have that take the key from the env file");
    End::new(Outcome::RolledBack, detail, Some(other))
}
