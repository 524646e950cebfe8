//! `restart = "command"`: a command of the user's restarts the consumer.
//!
//! Its exit status isn't believed (a toolkit's restart script stops LiteLLM and then aborts, or says
//! "already running" with success): what counts is a process that holds the new keys and serves. Where none
//! comes and none is left, the old one is started again from what was remembered of it.

mod running;

use std::time::Duration;

use super::apply::{Attempt, End};
use super::environment::Environ;
use super::find::find;
use super::keys_held::{await_successor, holds_keys};
use super::plain::{Down, Memory, Restarting};
use super::scrub::Secrets;
use super::start::Starter;
use super::sys::Held;
use crate::bounded::Ended;
use crate::clock;
use crate::config::Verify;
use crate::core::Outcome;
use running::Running;

/// What a command that failed has started by then is there; what it left undone isn't worth a longer outage.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Has the user's command restart the consumer, whose processes these are.
pub(super) fn restart(attempt: &mut Attempt<'_>, processes: &[Held]) -> End {
    let Some(first) = processes.first() else {
        return End::new(Outcome::Superseded, "it ended by itself: look again", None);
    };
    let consumer = &attempt.order.consumer;
    let memory = match Memory::of(first, consumer) {
        Ok(memory) => memory,
        Err(_) if first.is_gone() => return End::new(Outcome::Superseded, "it ended by itself: look again", None),
        Err(error) => return End::untouched(first, &format!("it can't be looked into ({error})")),
    };
    let starter = match Starter::new(attempt.order.from_service, consumer.name.as_str(), consumer.stop_timeout) {
        Ok(starter) => starter,
        Err(why) => return End::untouched(first, &why),
    };
    let environ = Environ::own().overlaid(attempt.changes).keeping(&attempt.order.withheld, &memory.environ);
    let secrets = Secrets::of(attempt, [&environ, &memory.environ]);
    (attempt.progress)("running its command");
    let running = match Running::start(&starter, attempt.order, &environ) {
        Ok(running) => running,
        Err(why) => return End::untouched(first, &why),
    };
    let known: Vec<i32> = processes.iter().map(Held::pid).collect();
    // What the command left running at its time limit is spared if it is what was wanted.
    let (ended, output) = running.finish(|| await_successor(attempt, &known, clock::monotonic(), || true));
    let name = consumer.command.first().map_or("", String::as_str);
    let tail = secrets.scrub(&output.bytes, output.is_cut);
    let said = if tail.is_empty() { format!("{name} {ended}") } else { format!("{name} {ended} and said: {tail}") };
    let patience = if ended == Ended::Exit(0) { consumer.ready_timeout } else { consumer.ready_timeout.min(AFTER_FAILURE) };
    (attempt.progress)("waiting for a process with the new key");
    let successor = await_successor(attempt, &known, clock::monotonic() + patience, || false);
    After { restarting: Restarting::new(attempt, memory, starter), known, said }.judge(processes, successor)
}

/// The command is over.
struct After<'a, 'b> {
    restarting: Restarting<'a, 'b>,
    /// The processes there were before.
    known: Vec<i32>,
    /// How the command ended and what it said, for people.
    said: String,
}

impl After<'_, '_> {
    fn judge(mut self, before: &[Held], successor: Option<Held>) -> End {
        if let Some(new) = successor {
            let environ = self.restarting.memory.environ.overlaid(self.restarting.attempt.changes);
            let verify = self.restarting.attempt.order.consumer.verify;
            return match self.restarting.check(&new, &environ, verify) {
                Ok(note) => self.applied(before, &new, &note),
                Err(why) => self.go_back(&why, Some(new)),
            };
        }
        if let Some(old) = before.iter().find(|process| !process.is_gone()) {
            let detail = format!("it runs with its old key, for {}", self.said);
            return End::new(Outcome::RolledBack, detail, Some(old.pid()));
        }
        // Started by the command, with keys from elsewhere.
        let Some(other) = find(&self.restarting.attempt.order.consumer.matches).unwrap_or_default().into_iter().next() else {
            return self.go_back("nothing runs", None);
        };
        let environ = self.restarting.memory.environ.overlaid(self.restarting.attempt.changes);
        match self.restarting.check(&other, &environ, Verify::Readiness) {
            Ok(_) => {
                let detail = format!("it was restarted, but not with the key in the env file: {}", self.said);
                End::new(Outcome::RolledBack, detail, Some(other.pid()))
            }
            Err(why) => self.go_back(&why, Some(other)),
        }
    }

    fn applied(&self, before: &[Held], new: &Held, note: &str) -> End {
        // One that finishes its last requests is given the time to.
        let end = clock::monotonic() + self.restarting.attempt.order.consumer.stop_timeout;
        let left = before.iter().find(|process| {
            let goes = process.gone_within(end.saturating_duration_since(clock::monotonic()));
            !goes && !holds_keys(self.restarting.attempt, process)
        });
        match left {
            None => End::new(Outcome::Applied, note, Some(new.pid())),
            Some(old) => {
                let detail = format!(
                    "process {} was started with the new key, but {} still runs with the old one; {}",
                    new.pid(),
                    old.pid(),
                    self.said
                );
                End::new(Outcome::RolledBack, detail, Some(old.pid()))
            }
        }
    }

    fn go_back(mut self, why: &str, process: Option<Held>) -> End {
        self.known.extend(process.as_ref().map(Held::pid));
        self.restarting.go_back(&Down { why: format!("{why}; {}", self.said), process }, None, &self.known)
    }
}
