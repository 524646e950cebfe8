//! What consumers run with, and having them take up what they should run with.

use std::collections::BTreeSet;

use super::gate::forget_held_back;
use super::{Consumer, ConsumerName, Effect, KeyName, Machine, Reply, Step, Subject, Targets, Ticket, Why};
use crate::core::consumer::MAX_RESTARTS;
use crate::core::event::Denial;
use crate::core::policy::Reason;
use crate::core::record::LastApply;
use crate::core::{ApplyReport, ConsumerReport, Outcome, order};

impl Machine {
    pub(super) fn look(&mut self, name: &ConsumerName, why: Why, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        if consumer.want_look(why) {
            step.effects.push(Effect::Inspect(vec![name.clone()]));
        }
    }

    /// Whether a look at one of its files is to come: what it should run with can't be told yet, or
    /// may be another thing in a moment.
    pub(super) fn awaits_files(&self, consumer: &Consumer) -> bool {
        self.keys_of(consumer).any(|key| self.file(&key.spec.env_file).is_some_and(super::FileTrack::is_awaited))
    }

    /// What it should run with, as far as that is certain: one file that somebody keeps open holds up
    /// the keys in it, not those in others.
    fn sure_targets(&self, consumer: &Consumer) -> Targets {
        let is_sure = |key: &KeyName| {
            let file = self.keys.get(key).and_then(|key| self.files.get(&key.spec.env_file));
            file.is_some_and(|file| !file.is_troubled())
        };
        let mut targets = self.targets(consumer);
        targets.retain(|key, _| is_sure(key));
        targets
    }

    /// A look that `ticket` waits for has ended. Returns whether it was the last.
    pub(super) fn look_answers(&mut self, ticket: Ticket) -> bool {
        let Some(left) = self.looks_awaited.get_mut(&ticket) else { return true };
        *left = left.saturating_sub(1);
        let done = *left == 0;
        if done {
            self.looks_awaited.remove(&ticket);
        }
        done
    }

    pub(super) fn inspected(&mut self, name: &ConsumerName, report: Option<ConsumerReport>, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        let runs = |consumer: &Consumer| consumer.processes.as_ref().map(|processes| !processes.is_empty());
        let before = runs(consumer);
        let failed = report.is_none();
        let why = consumer.looked(report.map(|report| report.processes), step.now);
        if why.is_none() && !failed {
            return;
        }
        if failed {
            refuse_all(consumer, format!("the processes of {name} could not be looked at"), "see the log of credd, then try again", step);
        }
        match (before, runs(consumer)) {
            (None | Some(false), Some(true)) => step.tell("consumer-found", None, Some(name), None, format!("{name} runs")),
            (Some(true), Some(false)) => step.tell("consumer-gone", None, Some(name), None, format!("{name} has ended")),
            _ => {}
        }
        for ticket in std::mem::take(&mut consumer.waiting_for_look) {
            if self.look_answers(ticket) {
                step.effects.push(Effect::Reply(ticket, Reply::Done));
            }
        }
        if let Some(why) = why {
            self.reconcile(name, why, step);
        }
    }

    /// Takes a look at a consumer for true at once, as [`Machine::believe`] does.
    pub fn believe_of(&mut self, name: &ConsumerName, report: ConsumerReport) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.processes = Some(report.processes);
        }
    }

    /// Compares what a consumer runs with to what the files hold, and has it restarted where that
    /// helps (contract, promises 2 and 3). Whoever waits for an apply is answered, or will be.
    fn reconcile(&mut self, name: &ConsumerName, why: Why, step: &mut Step) {
        let Some(consumer) = self.consumers.get(name) else { return };
        let retrying = consumer.retry_due(step.now);
        if self.awaits_files(consumer) {
            if let Some(consumer) = self.consumers.get_mut(name)
                && (why > Why::Look || retrying)
            {
                consumer.owed = Some(why);
            }
            return;
        }
        let all = self.sure_targets(consumer);
        let (accepted, rejected) = self.without_rejected(&all);
        let lacking = consumer.lacking(&all);
        let runs = consumer.runs();
        let covered: BTreeSet<KeyName> = self.gone_or_covered(consumer, &all);
        // A restart for its own sake brings back what it had.
        let targets = if lacking.is_empty() { all.clone() } else { accepted };
        let held_back = consumer.record.held_back.as_ref().filter(|held| held.targets == all);
        let known_refused = held_back.is_some_and(|held| held.refused) && why < Why::Asked;
        let outdated = why == Why::Start && (held_back.is_some() || self.is_outdated(consumer, &all));
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        consumer.asking.clear();
        if all.is_empty() || !runs {
            // What waits goes on waiting, for the key or for the consumer to be back.
            if consumer.wait_on(step.now) {
                step.save.insert(Subject::Consumer(name.clone()));
            }
            if all.is_empty() {
                let fix = "put the key into its env file, and see: credd status";
                refuse_all(consumer, format!("there is no key that {name} could take up"), fix, step);
            } else {
                let fix = "start it; it will have the key from the env file if your shell sources that";
                refuse_all(consumer, format!("{name} doesn't run"), fix, step);
            }
            return;
        }
        if lacking.is_empty() && why != Why::Force {
            is_current(consumer, &all, &covered, step);
            return;
        }
        let pending = consumer.record.pending.as_ref().filter(|pending| pending.targets == targets);
        let wanted = match why {
            Why::Look => false,
            Why::Start => outdated && pending.is_none(),
            Why::Change => pending.is_none(),
            Why::Asked | Why::Force => true,
        };
        if !wanted && !retrying {
            answer_put_off(consumer, &targets, step);
            return;
        }
        if !consumer.spec.restartable {
            if consumer.record.pending.take().is_some() {
                step.save.insert(Subject::Consumer(name.clone()));
            }
            let fix = format!("restart {name} yourself");
            refuse_all(consumer, format!("{name} is configured with restart = \"none\""), &fix, step);
            return;
        }
        let nothing_to_give = !lacking.is_empty() && lacking.keys().all(|key| rejected.contains_key(key));
        if !(nothing_to_give && known_refused) && self.consult(name, &lacking, why, step) {
            let Some(consumer) = self.consumers.get_mut(name) else { return };
            consumer.owed = Some(why);
            if consumer.hold_back(&all, false) {
                step.save.insert(Subject::Consumer(name.clone()));
            }
            return;
        }
        if nothing_to_give {
            self.refuse(name, &all, &lacking, why, step);
            return;
        }
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        step.save.insert(Subject::Consumer(name.clone()));
        consumer.count_restarts_as_of(step.now);
        if let Some(until) = consumer.record.limited_until(step.now) {
            let reason = format!("{MAX_RESTARTS} restarts of {name} were begun within ten minutes; the next comes by itself");
            consumer.postpone(reason.clone(), &targets, Some(until), step.now);
            if consumer.record.alert.as_ref().is_none_or(|alert| alert.reason != Reason::TooManyRestarts) {
                consumer.alert(Reason::TooManyRestarts, &self.settings.channels, step.now);
            }
            refuse_all(consumer, reason.clone(), "see when, with: credd status", step);
            step.tell("apply-postponed", None, Some(name), None, reason);
            return;
        }
        if rejected.is_empty() || lacking.is_empty() {
            consumer.record.held_back = None;
        } else {
            consumer.hold_back(&all, true);
        }
        consumer.begin(&targets, step.now);
        step.tell("apply-started", None, Some(name), None, format!("{name} is to take up the key in the env file"));
        step.effects.push(Effect::Apply(name.clone(), targets));
    }

    /// Keys of what waits that need not be waited for: the targets speak of them, or of another key
    /// for the same variable, or the consumer has nothing to do with them any more.
    fn gone_or_covered(&self, consumer: &Consumer, targets: &Targets) -> BTreeSet<KeyName> {
        let variable = |key: &KeyName| self.keys.get(key).map(|key| &key.spec.variable);
        let is_moot = |key: &&KeyName| {
            !consumer.uses(key) || variable(key).is_none_or(|wanted| targets.keys().any(|target| variable(target) == Some(wanted)))
        };
        order::gathered(consumer.record.pending.iter().flat_map(|pending| pending.targets.keys()).filter(is_moot).cloned())
    }

    /// Whether some process of a consumer is older than the last change of a file whose key it lacks.
    fn is_outdated(&self, consumer: &Consumer, targets: &Targets) -> bool {
        // A value that replaced another arrived with the inode's change, however old the contents are
        // (`mv` keeps their date); else their date is what counts.
        let changed_at = |key: &KeyName| {
            let key = self.keys.get(key)?;
            key.replaced_at.or_else(|| Some(self.files.get(&key.spec.env_file)?.contents()?.modified_at))
        };
        consumer.processes.iter().flatten().any(|process| {
            let mut changes = crate::core::consumer::lacks(process, targets).filter_map(changed_at);
            changes.any(|changed| process.started_at < changed || consumer.started_by_us(process))
        })
    }

    pub(super) fn applied(&mut self, name: &ConsumerName, report: Option<ApplyReport>, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        let tried: Vec<KeyName> = consumer.record.applying.iter().flat_map(|targets| targets.keys().cloned()).collect();
        let Some(next) = consumer.end(report.as_ref(), step.now) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        step.save.insert(Subject::Consumer(name.clone()));
        match report {
            // Its end wasn't seen: look at the world instead.
            None => {
                step.tell("apply-ended-unseen", None, Some(name), None, format!("an apply of {name} ended unseen; looking at how it runs"));
            }
            Some(ApplyReport { outcome: Outcome::Superseded, .. }) => {
                let files = order::each_once(tried.iter().filter_map(|key| self.keys.get(key)).map(|key| key.spec.env_file.clone()));
                for path in files {
                    self.with_file(&path, |file| file.stir(step.now));
                }
            }
            Some(report) => {
                step.tell(outcome_event(report.outcome), None, Some(name), None, report.detail.clone());
                self.tell_outcome(name, report, step);
            }
        }
        if let Some(consumer) = self.consumers.get_mut(name) {
            let mut next = std::mem::take(&mut consumer.waiting_for_next);
            consumer.waiting_for_apply.append(&mut next);
        }
        self.look(name, next, step);
    }

    fn tell_outcome(&mut self, name: &ConsumerName, report: ApplyReport, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        let reason = match report.outcome {
            Outcome::Applied => None,
            Outcome::RolledBack | Outcome::Refused | Outcome::Superseded => Some(Reason::RolledBack),
            Outcome::Failed => Some(Reason::ApplyFailed),
        };
        match reason {
            None => {
                let popup = consumer.settle();
                step.close(popup);
            }
            Some(reason) => {
                // The user was told, and it is as before.
                let tries = consumer.record.pending.as_ref().map_or(0, |pending| pending.attempts);
                let told = tries > 1 && consumer.record.alert.as_ref().is_some_and(|alert| alert.reason == reason);
                if !told {
                    consumer.alert(reason, &self.settings.channels, step.now);
                }
                // People start by hand what is down; the kernel doesn't tell of that.
                consumer.gone(step.now);
            }
        }
        step.reply_all(&mut consumer.waiting_for_apply, &Reply::Applied(report.outcome, report.detail));
    }
}

/// It runs with `targets`: nothing is to be done. What waits for keys other than `covered` still does.
fn is_current(consumer: &mut Consumer, targets: &Targets, covered: &BTreeSet<KeyName>, step: &mut Step) {
    let before = consumer.record.clone();
    consumer.asked.clear();
    forget_held_back(consumer, targets);
    if consumer.record.applying.take().as_ref() == Some(targets) {
        let detail = "it was finished unseen".into();
        consumer.record.applied(LastApply { at: step.now, outcome: Outcome::Applied, seconds: 0.0, detail });
    }
    let moot = consumer.record.pending.as_ref().is_none_or(|pending| pending.targets.keys().all(|key| covered.contains(key)));
    if moot && !consumer.is_down() {
        consumer.record.pending = None;
        let popup = consumer.settle();
        step.close(popup);
    } else {
        consumer.wait_on(step.now);
    }
    if consumer.record != before {
        step.save.insert(Subject::Consumer(consumer.spec.name.clone()));
    }
    let reply = match &consumer.record.last_apply {
        Some(last) if consumer.is_down() => Reply::Applied(last.outcome, last.detail.clone()),
        _ => Reply::Applied(Outcome::Applied, "it already runs with the keys in the env files".into()),
    };
    step.reply_all(&mut consumer.waiting_for_apply, &reply);
}

/// Tells whoever waits that the apply they asked for was tried already, and waits.
fn answer_put_off(consumer: &mut Consumer, targets: &Targets, step: &mut Step) {
    let pending = consumer.record.pending.as_ref().filter(|pending| pending.targets == *targets);
    let reply = match (pending, &consumer.record.last_apply) {
        (Some(pending), Some(last)) if pending.reason == last.detail => Reply::Applied(last.outcome, last.detail.clone()),
        (Some(pending), _) => refused(pending.reason.clone(), "try again in a moment"),
        (None, _) => refused("it can't be told what it should run with".into(), "try again in a moment"),
    };
    step.reply_all(&mut consumer.waiting_for_apply, &reply);
}

fn refused(message: String, hint: &str) -> Reply {
    Reply::Denied(Denial::Refused { message, hint: hint.into() })
}

fn refuse_all(consumer: &mut Consumer, message: String, hint: &str, step: &mut Step) {
    step.reply_all(&mut consumer.waiting_for_apply, &refused(message, hint));
}

fn outcome_event(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::RolledBack => "rolled-back",
        Outcome::Failed => "apply-failed",
        Outcome::Refused => "refused",
        Outcome::Superseded => "superseded",
    }
}
