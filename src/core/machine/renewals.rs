//! The next key: having it made, following it into the file and to the consumers, retiring the one before.

use jiff::{SignedDuration, Timestamp};

use super::{ConsumerName, Effect, FileTrack, Fingerprint, Key, KeyName, Machine, Reply, Step, Subject, Ticket, Why};
use crate::core::event::{Denial, RenewalPlan};
use crate::core::key::Found;
use crate::core::policy::Reason;
use crate::core::record::{Issued, IssuedSource};
use crate::core::renewal::{Credential, CredentialStatus, MadeKey, Renewal, RenewalReport, RetireReport, RetireStep, Stage, Trouble};

/// What a consumer held so long ago it holds still, where a key is to be retired.
const SEEN: SignedDuration = SignedDuration::from_mins(1);

impl Machine {
    /// A user wants the next key.
    pub(super) fn renew(&mut self, ticket: Ticket, name: KeyName, step: &mut Step) -> Result<(), Denial> {
        let Some(key) = self.keys.get_mut(&name) else { return Err(Denial::UnknownKey(name)) };
        if key.spec.minted {
            if let Some(trouble) = key.mint_obstacle() {
                return Err(Denial::Refused { message: trouble.detail, hint: trouble.fix });
            }
            key.minting.waiting.push(ticket);
        } else if key.is_renewable() {
            key.renewing.waiting.push(ticket);
        } else {
            let place = key.spec.env_file.display();
            let message = match key.present() {
                None => format!("there is no key {name} in {place} whose user IAM could make another for"),
                Some(_) => format!("the key {name} in {place} is no long-term key of Bedrock's: IAM doesn't make such keys"),
            };
            return Err(Denial::Refused { message, hint: format!("paste one yourself: credd renew {name}") });
        }
        let path = key.spec.env_file.clone();
        self.dirty.insert(Subject::Key(name));
        self.with_file(&path, |file| file.read_now(step.now));
        Ok(())
    }

    /// `credd renew` has put a value into the file.
    pub(super) fn renewed(&mut self, ticket: Ticket, name: KeyName, print: Fingerprint, step: &mut Step) -> Result<(), Denial> {
        let Some(key) = self.keys.get_mut(&name) else { return Err(Denial::UnknownKey(name)) };
        key.renewing.awaiting_value.push((ticket, print));
        let path = key.spec.env_file.clone();
        self.with_file(&path, |file| file.read_now(step.now));
        Ok(())
    }

    /// A file was believed: who waits for a value in it learns whether it is there.
    pub(super) fn value_seen(&mut self, name: &KeyName, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        key.note_session();
        let awaiting = key.renewing.if_set().map(|renewing| std::mem::take(&mut renewing.awaiting_value));
        for (ticket, print) in awaiting.into_iter().flatten() {
            let reply = match key.record.known_now_mut().filter(|known| known.fingerprint == print) {
                Some(known) => {
                    known.issued = known.issued.better(Issued { at: step.now, source: IssuedSource::Renewed });
                    self.dates.insert(print, known.issued);
                    let _ = key.rearm(&self.settings.days, step.now);
                    step.save.insert(Subject::Key(name.clone()));
                    Reply::Done
                }
                None => {
                    let message = format!("{} holds another key by now", key.spec.env_file.display());
                    Reply::Denied(Denial::Refused { message, hint: "see: credd status".into() })
                }
            };
            step.effects.push(Effect::Reply(ticket, reply));
        }
        if key.spec.minted && key.minting.waiting.is_empty() && !key.renewing.waiting.is_empty() {
            let is_there = key.record.minted.as_ref().is_some_and(|minted| Some(minted.fingerprint) == key.record.current);
            let reply = if is_there { Reply::Renewed } else { superseded(key) };
            step.reply_all(&mut key.renewing.waiting, &reply);
        }
    }

    /// Sends a worker if that is due, or sees whether what it did has been taken up.
    pub(super) fn renewal_due(&mut self, name: &KeyName, step: &mut Step) {
        if !self.keys.get(name).is_some_and(|key| self.is_at_rest(key)) {
            return;
        }
        self.remind_to_revoke(name, step);
        let Some(key) = self.keys.get_mut(name) else { return };
        if !key.is_renewable() && key.record.renewal.is_none() && !key.spec.minted && !key.renewing.waiting.is_empty() {
            let reply = superseded(key);
            step.reply_all(&mut key.renewing.waiting, &reply);
        }
        if key.renewal_deadline(&self.settings.days).is_some_and(|at| at <= step.now) {
            key.renewing.under_way = true;
            key.renewing.settles = key.record.renewal.is_some();
            if let Some(renewal) = key.record.renewal.clone() {
                step.effects.push(Effect::SettleRenewal(name.clone(), *renewal));
            } else if let Some(print) = key.record.current {
                step.tell("renewal-begun", Some(name), None, Some(print), "the next key is being made".into());
                step.effects.push(Effect::Renew(name.clone(), print));
            }
        }
        let Some(key) = self.keys.get(name) else { return };
        let due =
            key.retire_due(step.now, |print| self.in_use(print)).filter(|(at, _)| *at <= step.now).map(|(_, retiring)| retiring.clone());
        let Some(retiring) = due else { return };
        let unseen = self.unseen_consumers(step.now);
        let Some(key) = self.keys.get_mut(name) else { return };
        if unseen.is_empty() {
            key.retire_begun(&retiring);
            step.effects.push(Effect::Retire(name.clone(), retiring));
        } else {
            key.retire_later(step.now);
            for consumer in unseen {
                self.look(&consumer, Why::Look, step);
            }
        }
    }

    /// Consumers that may hold other keys than when they were last looked at: of a start nobody tells.
    fn unseen_consumers(&self, now: Timestamp) -> Vec<ConsumerName> {
        let is_seen = |at: Timestamp| at <= now && now.duration_since(at) < SEEN;
        let unseen = self.consumers.values().filter(|consumer| !consumer.looked_at.is_some_and(is_seen));
        unseen.map(|consumer| consumer.spec.name.clone()).collect()
    }

    /// A worker is about to make a key: what it needs to be undone by is saved first.
    pub(super) fn renewal_begins(&mut self, name: &KeyName, plan: RenewalPlan, step: &mut Step) {
        let go_on = self.keys.get_mut(name).is_some_and(|key| {
            let Some(print) = key.record.current.filter(|_| key.renewing.under_way && key.record.renewal.is_none()) else { return false };
            let RenewalPlan { user, old, known } = plan;
            let begun = Renewal { begun_at: step.now, user, old, old_fingerprint: print, known, stage: Stage::Making };
            key.record.renewal = Some(Box::new(begun));
            true
        });
        answer_worker(name, go_on, step);
    }

    /// A worker has made a key: its id is saved before anything else.
    pub(super) fn renewal_made(&mut self, name: &KeyName, made: MadeKey, step: &mut Step) {
        let go_on = self.keys.get_mut(name).is_some_and(|key| {
            let Some(renewal) = key.record.renewal.as_mut().filter(|renewal| renewal.stage == Stage::Making) else { return false };
            step.tell("key-made", Some(name), None, Some(made.fingerprint), format!("IAM made the key {} for {}", made.id, made.user));
            renewal.stage = Stage::Made(made);
            true
        });
        answer_worker(name, go_on, step);
    }

    /// A worker has ended that made a key, or settled what another had left.
    pub(super) fn renewal_ended(&mut self, name: &KeyName, report: Option<RenewalReport>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        self.dirty.insert(Subject::Key(name.clone()));
        let is_late = !std::mem::take(&mut key.renewing.under_way);
        if is_late && !matches!(report, Some(RenewalReport::Written(_))) {
            // Of a worker that an earlier configuration sent: what it did is seen to already.
            return;
        }
        let trouble = match report {
            Some(RenewalReport::Written(made)) => {
                let Some(renewal) = &mut key.record.renewal else { return };
                step.tell(
                    "key-written",
                    Some(name),
                    None,
                    Some(made.fingerprint),
                    format!("the next key is in {}", key.spec.env_file.display()),
                );
                renewal.stage = Stage::Written(made);
                key.renewal_unhindered();
                self.followed.insert(name.clone());
                step.save.insert(Subject::Key(name.clone()));
                let path = key.spec.env_file.clone();
                return self.with_file(&path, |file| file.read_now(step.now));
            }
            Some(RenewalReport::Undone(trouble)) => {
                key.renewal_failed(trouble.clone(), step.now);
                trouble
            }
            Some(RenewalReport::Left(trouble)) => {
                key.renewal_left(trouble.clone(), step.now);
                trouble
            }
            // How it ended isn't known: that is settled by looking.
            None if key.record.renewal.is_some() && !key.renewing.settles => return,
            None => {
                let detail = "making the next key ended unexpectedly".to_owned();
                let trouble = Trouble { detail, fix: "see the log of credd, then try again".to_owned(), sign_in: false };
                if key.record.renewal.is_some() {
                    key.renewal_left(trouble.clone(), step.now);
                } else {
                    key.renewal_failed(trouble.clone(), step.now);
                }
                trouble
            }
        };
        step.save.insert(Subject::Key(name.clone()));
        step.tell("renewal-failed", Some(name), None, None, format!("the next key could not be made: {}", trouble.detail));
        let denied = Reply::Denied(Denial::Refused { message: trouble.detail, hint: trouble.fix });
        step.reply_all(&mut key.renewing.waiting, &denied);
    }

    /// Ends a renewal whose key is in the file, once it is proven and taken up.
    fn conclude(&mut self, name: &KeyName, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        let Some(Renewal { begun_at, old, old_fingerprint, stage: Stage::Written(made), .. }) = key.record.renewal.as_deref().cloned()
        else {
            return;
        };
        let is_open = |file: &FileTrack| file.is_awaited() || file.is_troubled();
        // A file that is gone may be back with the key that was made.
        if key.present().is_none() || self.files.get(&key.spec.env_file).is_some_and(|file| is_open(file)) {
            return;
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        if key.record.current != Some(made.fingerprint) {
            // Somebody has put another one there since: that is the user's business.
            key.record.renewal = None;
            // The one that was made has been in the file, if only for a moment: it goes as an old one does.
            key.retire(made.id, made.user, made.fingerprint);
            let reply = superseded(key);
            step.reply_all(&mut key.renewing.waiting, &reply);
            step.save.insert(Subject::Key(name.clone()));
            step.tell("renewal-superseded", Some(name), None, None, "another key took the place of the one that was made".into());
            return;
        }
        let credential = Credential {
            id: made.id.clone(),
            user: made.user.clone(),
            // As IAM has it, in whole seconds.
            created_at: begun_at.round(jiff::Unit::Second).unwrap_or(begun_at),
            expires_at: made.expires_at,
            status: CredentialStatus::Active,
        };
        let is_first = key.record.known_now().is_some_and(|known| known.credential.is_none());
        if is_first {
            let (_, popup) = key.take_credential(credential, &self.settings.days, step.now);
            step.close(popup);
            self.dates_changed(name, step);
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        step.reply_all(&mut key.renewing.waiting, &Reply::Renewed);
        let is_proven = !key.is_askable() || key.probe().is_some_and(|probe| probe.verdict.is_good());
        if !is_proven || self.is_awaited_by_users(name) {
            return;
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        key.record.renewal = None;
        let is_old_known = old.is_some();
        if let Some(old) = old {
            key.retire(old.id, old.user, old_fingerprint);
        }
        let end = made.expires_at.map_or_else(|| "doesn't expire".to_owned(), |end| format!("lasts until {end}"));
        let detail = format!("{name} was renewed: the new key of {} {end}", made.user);
        step.tell("renewed", Some(name), None, Some(made.fingerprint), detail);
        let users: Vec<String> = self.users(name).running.iter().map(ToString::to_string).collect();
        let detail = if users.is_empty() {
            "Nobody runs with the new key yet.".to_owned()
        } else {
            format!("The new key is used by {}.", users.join(", "))
        };
        let fix = if is_old_known {
            "The old one is made inactive and deleted in 7 days.".to_owned()
        } else {
            "Revoke the old one: credd status".to_owned()
        };
        if let Some(key) = self.keys.get_mut(name) {
            key.tell_news(Reason::Renewed, detail, fix, &self.settings.channels, step.now);
        }
        step.save.insert(Subject::Key(name.clone()));
    }

    /// Whether some consumer is yet to take a key up.
    fn is_awaited_by_users(&self, name: &KeyName) -> bool {
        let mut users = self.users_of_key(name).filter_map(|user| self.consumers.get(user)).filter(|consumer| consumer.spec.restartable);
        users.any(|consumer| {
            consumer.phase != super::Phase::Idle
                || consumer.processes.is_none()
                || (consumer.runs() && consumer.lacking(&self.targets(consumer)).contains_key(name))
        })
    }

    /// Whether a tracked file holds a value, or a process runs with it, or that isn't known.
    fn in_use(&self, print: Fingerprint) -> bool {
        let in_file = self.keys.values().any(|key| match key.found {
            Found::Unknown => key.record.known.iter().any(|known| known.fingerprint == print),
            _ => key.record.current == Some(print),
        });
        let runs = |consumer: &super::Consumer| match &consumer.processes {
            None => true,
            Some(processes) => processes.iter().any(|process| process.keys.values().any(|held| *held == Some(print))),
        };
        in_file || self.consumers.values().any(runs)
    }

    /// A step of retiring a credential has ended.
    pub(super) fn retired(&mut self, name: &KeyName, id: &str, report: Option<RetireReport>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        self.dirty.insert(Subject::Key(name.clone()));
        match report {
            Some(RetireReport::Done) => {
                let Some(before) = key.retired(id, step.now) else { return };
                step.save.insert(Subject::Key(name.clone()));
                let done = match before.step() {
                    RetireStep::Deactivate => "made inactive, to be deleted in 7 days",
                    RetireStep::Delete => "deleted",
                };
                step.tell("key-retired", Some(name), None, Some(before.fingerprint), format!("the key {id} of {} was {done}", before.user));
            }
            Some(RetireReport::InUse) => {
                let detail = format!("a tracked file still holds the key {id}");
                key.not_retired(Some(Trouble { detail, fix: "see: credd status".to_owned(), sign_in: false }), step.now);
            }
            Some(RetireReport::Trouble(trouble)) => {
                step.tell("retire-failed", Some(name), None, None, format!("the key {id} could not be retired: {}", trouble.detail));
                key.not_retired(Some(trouble), step.now);
            }
            None => key.not_retired(None, step.now),
        }
    }

    /// Reminds the user once of keys that were replaced by hand and may still be accepted.
    fn remind_to_revoke(&mut self, name: &KeyName, step: &mut Step) {
        let due: Vec<Fingerprint> = self.revoke_reminders(name, step).filter(|(at, _)| *at <= step.now).map(|(_, print)| print).collect();
        let Some(key) = self.keys.get_mut(name).filter(|_| !due.is_empty()) else { return };
        let mut users = Vec::new();
        for known in key.record.known.iter_mut().filter(|known| due.contains(&known.fingerprint)) {
            known.is_seen_to = true;
            users.extend(known.anatomy.user.as_deref().map(str::to_owned));
        }
        let whose = if users.is_empty() { String::new() } else { format!(" (IAM user {})", users.join(", ")) };
        let detail = format!("The key that was replaced{whose} may still be accepted by Bedrock.");
        step.tell("revoke-reminder", Some(name), None, due.first().copied(), detail.clone());
        key.tell_news(
            Reason::Revoke,
            detail,
            format!("Revoke it; who still holds it: credd status {name}"),
            &self.settings.channels,
            step.now,
        );
        step.save.insert(Subject::Key(name.clone()));
    }

    /// When the user is to be reminded of which: at the first reminder time after it was replaced, if it lives as
    /// long.
    fn revoke_reminders(&self, name: &KeyName, step: &Step) -> impl Iterator<Item = (Timestamp, Fingerprint)> {
        let key = self.keys.get(name);
        let unrevoked = key.into_iter().flat_map(|key| key.unrevoked(step.now).map(move |known| (key, known)));
        unrevoked.filter_map(|(key, known)| {
            // Who still runs with it needs it: that is looked at again at the next time.
            let since = if self.in_use(known.fingerprint) { step.now } else { known.replaced_at? };
            let at = step.calendar.next_reminder(since)?;
            known.expires_at(key.spec.lifetime).is_none_or(|end| end > at).then_some((at, known.fingerprint))
        })
    }

    /// When something is to be done about the next key, or the one before.
    pub(super) fn renewal_deadline(&self, key: &Key, step: &Step) -> Option<Timestamp> {
        if !self.is_at_rest(key) {
            return None;
        }
        let retire = key.retire_due(step.now, |print| self.in_use(print)).map(|(at, _)| at);
        let revoke = self.revoke_reminders(&key.spec.name, step).map(|(at, _)| at).min();
        [key.renewal_deadline(&self.settings.days), retire, revoke].into_iter().flatten().min()
    }

    /// What waits for files, answers and consumers goes on, whatever has happened.
    pub(super) fn follow_renewals(&mut self, step: &mut Step) {
        for name in self.followed.clone() {
            self.conclude(&name, step);
            let waits = |key: &Key| key.record.renewal.is_some() || !key.record.retiring.is_empty();
            if !self.keys.get(&name).is_some_and(|key| waits(key)) {
                self.followed.remove(&name);
            }
            self.dirty.insert(Subject::Key(name));
        }
    }

    /// Keys whose renewal, or retiring, was begun by an earlier daemon.
    pub(super) fn find_renewals(&mut self) {
        let waits = |key: &&Key| key.record.renewal.is_some() || !key.record.retiring.is_empty();
        self.followed = self.keys().filter(waits).map(|key| key.spec.name.clone()).collect();
    }
}

fn answer_worker(name: &KeyName, go_on: bool, step: &mut Step) {
    if go_on {
        step.save.insert(Subject::Key(name.clone()));
    }
    step.effects.push(if go_on { Effect::RenewalGoOn(name.clone()) } else { Effect::RenewalStop(name.clone()) });
}

pub(super) fn superseded(key: &Key) -> Reply {
    let message = format!("{} was changed meanwhile", key.spec.env_file.display());
    Reply::Denied(Denial::Refused { message, hint: "see: credd status".into() })
}
