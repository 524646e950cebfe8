//! Having a consumer take up the keys that are in the env files now.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::compose::Service;
use super::environment::{self, Changes};
use super::find::find;
use super::keys_held::holds_keys;
use super::sys::{self, Held};
use super::{command, compose, handover, launchd, lock, plain, unit};
use crate::clock;
use crate::config::Restart;
use crate::core::{ApplyReport, Outcome, RunBy};
use crate::salt::Salt;
use crate::worker::job::ApplyOrder;

/// How an attempt ended; [`ApplyReport`] without the time it took.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) pid: Option<i32>,
}

impl End {
    pub(super) fn new(outcome: Outcome, detail: impl Into<String>, pid: Option<i32>) -> Self {
        Self { outcome, detail: detail.into(), pid }
    }

    /// Something was in the way before anything was done: the consumer serves as it did.
    pub(super) fn untouched(process: &Held, why: &str) -> Self {
        Self::untouched_at(Some(process.pid()), why)
    }

    /// The same of a container, which has no process here where it runs in a virtual machine.
    pub(super) fn untouched_at(pid: Option<i32>, why: &str) -> Self {
        let detail = format!("it was not touched and runs with its old key: {why}");
        Self::new(Outcome::RolledBack, detail, pid)
    }
}

/// What the ways of restarting share.
pub(super) struct Attempt<'a> {
    pub(super) order: &'a ApplyOrder,
    pub(super) changes: &'a Changes,
    pub(super) salt: &'a Salt,
    /// Told what is being done, as words after "is".
    pub(super) progress: &'a mut dyn FnMut(&str),
}

/// Has one consumer take up the keys ordered: each of its processes, one after another, is restarted with
/// its old environment and what the env files export laid over it, and put back where that fails.
///
/// Nothing is touched unless every key still has the value decided on, and nobody else is at work on this
/// consumer. `progress` is told what is being done: "loading the new one beside the old", "handing over",
/// "going back", …
pub fn apply(order: &ApplyOrder, progress: &mut dyn FnMut(&str)) -> ApplyReport {
    let start = clock::monotonic();
    let end = attempt(order, progress);
    let took = clock::monotonic().saturating_duration_since(start);
    ApplyReport {
        outcome: end.outcome,
        detail: end.detail,
        took: SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX),
        pid: end.pid,
    }
}

/// Takes the consumer's lock, after a worker of an earlier daemon is done, if there is one.
fn wait_for_turn(order: &ApplyOrder, progress: &mut dyn FnMut(&str)) -> std::io::Result<std::fs::File> {
    loop {
        if let Some(lock) = lock::lock(&order.state_dir, &order.consumer.name)? {
            return Ok(lock);
        }
        progress("waiting for another worker");
        lock::await_idle(&order.state_dir, &order.consumer.name)?;
    }
}

fn attempt(order: &ApplyOrder, progress: &mut dyn FnMut(&str)) -> End {
    let name = &order.consumer.name;
    let _lock = match wait_for_turn(order, progress) {
        Ok(lock) => lock,
        Err(error) => {
            let path = lock::lock_path(&order.state_dir, name);
            let detail = format!("{} can't be locked ({error}): nothing was touched", path.display());
            return End::new(Outcome::RolledBack, detail, None);
        }
    };
    let salt = match Salt::load(&order.state_dir) {
        Ok(salt) => salt,
        Err(error) => {
            let detail = format!("the salt can't be read ({error}): nothing was touched");
            return End::new(Outcome::RolledBack, detail, None);
        }
    };
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let mut changes = match environment::changes(&order.keys, &salt, &home) {
        Ok(changes) => changes,
        Err(unfit) => return End::new(Outcome::Superseded, unfit.to_string(), None),
    };
    changes.withhold(&order.withheld);
    let mut attempt = Attempt { order, changes: &changes, salt: &salt, progress };
    if order.consumer.restart == Restart::Compose {
        return match Service::configured(&order.consumer) {
            Some(service) => compose::restart(&mut attempt, &service),
            None => End::untouched_at(None, "restart = \"compose\", but compose_file isn't set"),
        };
    }
    let processes = match find(&order.consumer.matches) {
        Ok(processes) if !processes.is_empty() => processes,
        Ok(_) => {
            let services = if order.consumer.restart == Restart::Auto { compose::services_of(&order.consumer.matches) } else { Vec::new() };
            if !services.is_empty() {
                return each_service(&mut attempt, &services);
            }
            let words = order.consumer.matches.join(" ");
            return End::new(Outcome::Failed, format!("no process matches {words:?}: start it"), None);
        }
        Err(error) => {
            return End::new(Outcome::Failed, format!("processes can't be looked at: {error}"), None);
        }
    };
    match order.consumer.restart {
        Restart::Command => command::restart(&mut attempt, &processes),
        _ => {
            let processes = handover::clear(&attempt, processes);
            each(&mut attempt, processes)
        }
    }
}

/// Restarts one service after another; the first that fails ends it.
fn each_service(attempt: &mut Attempt<'_>, services: &[Service]) -> End {
    let mut ended = None;
    for service in services {
        let end = compose::restart(attempt, service);
        let is_over = end.outcome != Outcome::Applied;
        ended = Some(end);
        if is_over {
            break;
        }
    }
    ended.unwrap_or_else(|| End::new(Outcome::Superseded, "it ended by itself: look again", None))
}

/// Restarts one process after another; the first that fails ends it. The report is of the worst, with the
/// main pid of the oldest.
fn each(attempt: &mut Attempt<'_>, processes: Vec<Held>) -> End {
    let all = processes.len();
    let mut pids: Vec<i32> = processes.iter().map(Held::pid).collect();
    let mut ended: Option<End> = None;
    // Where all have the keys, a restart is wanted for its own sake.
    let lacks: Vec<bool> = processes.iter().map(|process| !holds_keys(attempt, process)).collect();
    let all_hold = !lacks.contains(&true);
    for (index, process) in processes.into_iter().enumerate() {
        if process.is_gone() || !(lacks[index] || all_hold) {
            // The user was faster, or it went with one before it, or it needs nothing.
            continue;
        }
        let run_by = sys::run_by(&process);
        let mut end = one(attempt, &process, run_by, &pids);
        let pid = ended.as_ref().map_or(end.pid, |first| first.pid);
        pids.extend(end.pid);
        if end.outcome != Outcome::Applied && all > 1 {
            end.detail = format!("process {} of {all}: {}", index + 1, end.detail);
        }
        let is_over = end.outcome != Outcome::Applied;
        ended = Some(End { pid, ..end });
        if is_over {
            break;
        }
    }
    ended.unwrap_or_else(|| End::new(Outcome::Superseded, "it ended by itself: look again", None))
}

/// The way of restarting that fits one process.
fn one(attempt: &mut Attempt<'_>, process: &Held, run_by: RunBy, known: &[i32]) -> End {
    let consumer = &attempt.order.consumer;
    match (consumer.restart, consumer.unit.clone(), run_by) {
        (Restart::Systemd, Some(unit), _)
        | (Restart::Systemd, None, RunBy::Systemd { unit })
        | (Restart::Auto, _, RunBy::Systemd { unit }) => unit::restart(attempt, process, &unit),
        (Restart::Launchd, Some(label), _)
        | (Restart::Launchd, None, RunBy::Launchd { label })
        | (Restart::Auto, _, RunBy::Launchd { label }) => launchd::restart(attempt, process, &label, known),
        (Restart::Systemd, None, _) => End::untouched(process, "restart = \"systemd\", but no unit runs it: set unit"),
        (Restart::Launchd, None, _) => End::untouched(process, "restart = \"launchd\", but no agent runs it: set unit to its label"),
        (Restart::None, ..) => End::untouched(process, "restart = \"none\""),
        // Commands and compose services are no affair of a single process.
        (Restart::Auto | Restart::Process | Restart::Command | Restart::Compose, ..) => plain::restart(attempt, process, known),
    }
}
