//! Making a service's containers anew with the keys ordered, and with the old ones where that fails.

use std::time::Duration;

use super::Service;
use super::docker::{Container, Docker};
use crate::bounded::Ended;
use crate::clock;
use crate::config::Verify;
use crate::consumers::apply::{Attempt, End};
use crate::consumers::environment::Environ;
use crate::consumers::http::Line;
use crate::consumers::keys_held::has_keys;
use crate::consumers::prove::{ANSWER, proven};
use crate::consumers::ready::answers;
use crate::consumers::scrub::Secrets;
use crate::consumers::sys::Held;
use crate::core::Outcome;

/// Between two looks at a container that isn't ready.
const LOOK: Duration = Duration::from_secs(1);
/// A container that can't be asked runs if it lives as long.
const RUNS: Duration = Duration::from_secs(3);

/// Has a service's containers made anew.
pub(in crate::consumers) fn restart(attempt: &mut Attempt<'_>, service: &Service) -> End {
    let environ = Environ::own().overlaid(attempt.changes);
    let looked = Docker::find(&environ).and_then(|docker| Ok((service.containers(&docker, &environ)?, docker)));
    let (before, docker) = match looked {
        Ok(looked) => looked,
        Err(why) => return End::untouched_at(None, &why.to_string()),
    };
    let Some(first) = before.first() else {
        let (file, name) = (service.file(), &service.name);
        return End::new(Outcome::Failed, format!("no container of {name} runs: docker compose -f {file} up -d {name}"), None);
    };
    let old = first.environ();
    let environ = environ.keeping(&attempt.order.withheld, &old);
    let secrets = Secrets::of(attempt, [&environ, &old]);
    let pid = first.pid();
    let mut remake = Remake { attempt, service, docker, environ, old, secrets };
    if let Err(why) = remake.prepare() {
        return End::untouched_at(pid, &why);
    }
    (remake.attempt.progress)("starting");
    match remake.up_with_keys() {
        Ok(up) => End::new(Outcome::Applied, up.note, up.pid),
        Err(why) if remake.is_as_it_was(&before) => End::untouched_at(pid, &why),
        Err(why) => remake.go_back(&why),
    }
}

struct Remake<'a, 'b> {
    attempt: &'a mut Attempt<'b>,
    service: &'a Service,
    docker: Docker,
    /// That compose fills the file's variables from.
    environ: Environ,
    /// The old container's.
    old: Environ,
    secrets: Secrets,
}

struct Up {
    pid: Option<i32>,
    note: String,
}

impl Remake<'_, '_> {
    /// Sees to it that the compose file gives the service the keys ordered, and what else it had. The error says
    /// what is in the way; where compose can't tell beforehand, the new container will.
    fn prepare(&mut self) -> Result<(), String> {
        let Ok(resolved) = self.service.resolved(&self.docker, &self.environ) else {
            return Ok(());
        };
        for key in &self.attempt.order.keys {
            let variable = &key.variable;
            match resolved.get(variable) {
                Some(value) if self.attempt.salt.fingerprint(value.expose()) == key.fingerprint => {}
                Some(_) => {
                    return Err(format!("{} sets {variable} to something else: write {variable}: ${{{variable}}} there", self.named()));
                }
                None => return Err(self.passes_none(variable)),
            }
        }
        // A variable of the file that was filled from the shell in which the user typed `docker compose up`.
        let emptied = resolved.iter().filter(|(_, value)| value.expose().is_empty()).map(|(name, _)| name);
        self.environ = self.environ.keeping(emptied, &self.old);
        Ok(())
    }

    fn named(&self) -> String {
        format!("the environment of {} in {}", self.service.name, self.service.file())
    }

    fn passes_none(&self, variable: &str) -> String {
        format!("its container isn't given {variable}: add {variable} to {}", self.named())
    }

    fn limit(&self) -> Duration {
        self.attempt.order.consumer.stop_timeout + self.attempt.order.consumer.ready_timeout
    }

    /// Makes new containers with an environment. The error says why that failed, though they may be there.
    fn up(&self, environ: &Environ) -> Result<Vec<Container>, String> {
        let run = self.service.up(&self.docker, environ, self.limit())?;
        let complaint = (run.ended != Ended::Exit(0)).then(|| {
            let said = self.secrets.scrub(run.err.bytes(), run.err.is_cut());
            format!("docker compose up {}: {said}", run.ended)
        });
        let now = self.service.containers(&self.docker, &self.environ);
        match (complaint, now) {
            (None, Ok(now)) if !now.is_empty() => Ok(now),
            (None, Ok(_)) => {
                Err(format!("its container ended at once; see docker compose -f {} logs {}", self.service.file(), self.service.name))
            }
            (Some(complaint), _) => Err(complaint),
            (None, Err(refusal)) => Err(refusal.to_string()),
        }
    }

    fn up_with_keys(&mut self) -> Result<Up, String> {
        let containers = self.up(&self.environ)?;
        let mut up = None;
        for container in &containers {
            let environ = container.environ();
            if !has_keys(self.attempt, &environ) {
                let lacks = |variable: &&String| environ.get(variable.as_bytes()).is_none();
                let variable = self.attempt.order.keys.iter().map(|key| &key.variable).find(lacks);
                return Err(variable.map_or_else(|| format!("{} has another key", self.named()), |variable| self.passes_none(variable)));
            }
            let note = self.check(container, &environ, self.attempt.order.consumer.verify)?;
            up.get_or_insert(Up { pid: container.pid(), note });
        }
        up.ok_or_else(|| "its container is gone".to_owned())
    }

    /// Whether the very containers still run: compose has not got as far as replacing them.
    fn is_as_it_was(&self, before: &[Container]) -> bool {
        let now = self.service.containers(&self.docker, &self.environ).unwrap_or_default();
        let identity = |container: &Container| (container.id.clone(), container.state.started_at);
        now.iter().map(identity).eq(before.iter().map(identity))
    }

    /// Sees to it that a container serves, with as much of a proof as asked.
    fn check(&mut self, container: &Container, environ: &Environ, verify: Verify) -> Result<String, String> {
        let consumer = &self.attempt.order.consumer;
        let base = consumer.url.clone().filter(|url| url.starts_with("http://")).or_else(|| container.base_url());
        let base = match (verify, base) {
            (Verify::None, _) => {
                self.runs_on(container)?;
                return Ok("it runs with the new key (not proven: verify = \"none\")".to_owned());
            }
            (_, None) => {
                self.runs_on(container)?;
                return Ok("it runs with the new key, which couldn't be proven: it publishes no port, so set url".to_owned());
            }
            (_, Some(base)) => base,
        };
        (self.attempt.progress)("waiting until it is ready");
        self.wait(container, &base)?;
        if verify == Verify::Readiness {
            return Ok("it is ready with the new key (not proven: verify = \"readiness\")".to_owned());
        }
        let litellm = container.litellm(environ);
        (self.attempt.progress)("proving it by a completion");
        // The proof ends early with the process. A container of a virtual machine has none here: this one, which
        // doesn't end, stands in for it.
        let own = || i32::try_from(std::process::id()).ok().and_then(|pid| Held::open(pid).ok());
        let process = container.process().or_else(own).ok_or("its process can't be watched")?;
        proven(&process, &Line::new(ANSWER), &base, consumer, &litellm, environ)
    }

    /// Waits until it answers.
    fn wait(&self, container: &Container, base: &str) -> Result<(), String> {
        let patience = self.attempt.order.consumer.ready_timeout;
        let end = clock::monotonic() + patience;
        loop {
            if answers(&Line::new(ANSWER), base) {
                return Ok(());
            }
            self.still_runs(container)?;
            if clock::monotonic() >= end {
                return Err(format!("it was not ready within {} s{}", patience.as_secs(), self.see_log()));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn runs_on(&self, container: &Container) -> Result<(), String> {
        std::thread::sleep(RUNS);
        self.still_runs(container)
    }

    /// It does unless its engine says otherwise.
    fn still_runs(&self, container: &Container) -> Result<(), String> {
        match self.docker.inspect(std::slice::from_ref(&container.id), &self.environ) {
            Ok(now) if !now.iter().any(|now| now.state.running && now.restart_count == container.restart_count) => {
                Err(format!("its container ended before it was ready{}", self.see_log()))
            }
            _ => Ok(()),
        }
    }

    fn see_log(&self) -> String {
        format!("; see docker compose -f {} logs {}", self.service.file(), self.service.name)
    }

    /// Makes a container with the old keys.
    fn go_back(&mut self, why: &str) -> End {
        (self.attempt.progress)("going back");
        // What the old container has tells what the file's variables were then; others stay as they are.
        let environ = self.environ.overlaid(&self.attempt.changes.as_in(&self.old));
        let verify = if self.attempt.order.consumer.verify == Verify::None { Verify::None } else { Verify::Readiness };
        let back = self.up(&environ).and_then(|containers| {
            let container = containers.first().ok_or("its container is gone")?;
            self.check(container, &container.environ(), verify).map(|_| container.pid())
        });
        match back {
            Ok(pid) => End::new(Outcome::RolledBack, format!("it runs with its old key again, since with the new one {why}"), pid),
            Err(again) => {
                let detail = format!("it doesn't serve: with the new key {why}; with the old one {again}; see to it yourself");
                End::new(Outcome::Failed, detail, None)
            }
        }
    }
}
