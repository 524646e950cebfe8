//! Asking issuers after their keys, and what follows from the answers.

use std::collections::BTreeSet;

use super::{ConsumerName, Effect, Fingerprint, Key, KeyName, Machine, Reply, Step, Subject, Ticket, Why};
use crate::core::event::Denial;
use crate::core::key::Users;
use crate::core::probe::ANSWER_LIMIT;
use crate::core::{ProbeReport, ProbeVerdict};

impl Machine {
    /// Whether the file of a key is not about to be read: what it holds is what is known.
    pub(super) fn is_at_rest(&self, key: &Key) -> bool {
        self.files.get(&key.spec.env_file).is_none_or(|file| !file.is_awaited())
    }

    /// Asks after a key if that is due, and gives up on what was never answered.
    pub(super) fn probe_due(&mut self, name: &KeyName, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        let lost = key.probing.if_set().map(|probing| probing.take_lost(step.now)).unwrap_or_default();
        for (print, waiting) in lost {
            let report = ProbeReport { verdict: ProbeVerdict::Unknown, detail: "no answer ever came".into(), consumers: Vec::new() };
            self.answered(name, print, report, waiting, step);
        }
        self.note_idle(name);
        if !self.keys.get(name).is_some_and(|key| self.is_at_rest(key)) {
            return;
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        let mut unanswerable = key.take_unanswerable();
        if !unanswerable.is_empty() {
            let reply = Reply::Denied(why_unanswerable(key));
            step.reply_all(&mut unanswerable, &reply);
        }
        let others = i32::try_from(self.probes_under_way.len()).unwrap_or(i32::MAX);
        let limit = ANSWER_LIMIT.saturating_mul(others.saturating_add(1));
        if let Some((print, manner)) = key.take_due_probe(limit, step.calendar, step.now) {
            self.probes_under_way.insert(name.clone());
            step.effects.push(Effect::Probe(name.clone(), print, manner));
        }
    }

    /// A user wants to know whether a key works, be it changed only just.
    pub(super) fn verify(&mut self, ticket: Ticket, name: KeyName, step: &mut Step) -> Result<(), Denial> {
        let Some(key) = self.keys.get_mut(&name) else { return Err(Denial::UnknownKey(name)) };
        key.await_probe(ticket);
        let path = key.spec.env_file.clone();
        self.dirty.insert(Subject::Key(name));
        self.with_file(&path, |file| file.read_now(step.now));
        Ok(())
    }

    /// The answer about a value has come; `None` if the file doesn't hold that any more.
    pub(super) fn probed(&mut self, name: &KeyName, print: Fingerprint, report: Option<ProbeReport>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        self.dirty.insert(Subject::Key(name.clone()));
        let mut waiting = key.probing.ended(print);
        self.note_idle(name);
        let Some(key) = self.keys.get_mut(name) else { return };
        if let Some(report) = report {
            return self.answered(name, print, report, waiting, step);
        }
        if key.record.current == Some(print) {
            key.probing.put_off(step.now);
        }
        let path = key.spec.env_file.clone();
        let denial = refused(format!("{} was being changed", path.display()), "try again in a moment");
        step.reply_all(&mut waiting, &Reply::Denied(denial));
        self.with_file(&path, |file| file.stir(step.now));
    }

    fn note_idle(&mut self, name: &KeyName) {
        if self.keys.get(name).is_none_or(|key| key.probing.is_idle()) {
            self.probes_under_way.remove(name);
        }
    }

    fn answered(&mut self, name: &KeyName, print: Fingerprint, report: ProbeReport, mut waiting: Vec<Ticket>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name).filter(|key| key.record.current == Some(print)) else { return };
        let turn = key.judge(&report, step.now);
        step.save.insert(Subject::Key(name.clone()));
        step.close(turn.popup);
        if turn.is_news {
            let event = if report.verdict == ProbeVerdict::Rejected { "key-rejected" } else { "key-probed" };
            step.tell(event, Some(name), None, Some(print), format!("{}: {}", report.verdict.as_str(), report.detail));
        }
        step.reply_all(&mut waiting, &Reply::Verified(report));
        let users: Vec<ConsumerName> = self.users_of_key(name).cloned().collect();
        let mut owed = BTreeSet::new();
        for user in users {
            let Some(consumer) = self.consumers.get_mut(&user) else { continue };
            if consumer.issuer_answered(name, print) {
                owed.insert(user.clone());
            }
            let was_refused = consumer.record.held_back.as_ref().is_some_and(|held| held.refused && held.targets.get(name) == Some(&print));
            if was_refused && turn.accepted_again {
                self.look(&user, Why::Change, step);
            }
        }
        self.pay(&owed, step);
    }

    /// Who runs with a key's value, and who with another.
    pub(super) fn users(&self, name: &KeyName) -> Users {
        let mut users = Users::default();
        let Some(print) = self.keys.get(name).and_then(|key| key.record.current) else { return users };
        for consumer in self.users_of_key(name).filter_map(|user| self.consumers.get(user)).filter(|consumer| consumer.runs()) {
            let runs_with = consumer.processes.iter().flatten().any(|process| process.keys.get(name) == Some(&Some(print)));
            let list = if runs_with { &mut users.running } else { &mut users.kept };
            list.push(consumer.spec.name.clone());
        }
        users
    }
}

fn why_unanswerable(key: &Key) -> Denial {
    let (name, env_file) = (&key.spec.name, key.spec.env_file.display());
    if key.present().is_none() {
        refused(format!("there is no key {name} to ask about"), &format!("put it into {env_file}, and see: credd status"))
    } else if key.spec.probed {
        refused(
            format!("{name} is no key of Bedrock's, and nobody else is named who could be asked"),
            "name an endpoint in the configuration",
        )
    } else {
        refused(format!("nobody is to be asked about {name}: its probe is off"), "remove probe = \"off\" from the configuration")
    }
}

fn refused(message: String, hint: &str) -> Denial {
    Denial::Refused { message, hint: hint.into() }
}
