//! Configuration and start.

use std::collections::HashMap;

use super::{Consumer, ConsumerName, Effect, FileTrack, Key, Machine, Reply, Settings, Step, Subject, Ticket, Why};
use crate::core::event::Denial;
use crate::core::order;
use crate::core::probe::Probing;

impl Machine {
    /// Takes the settings in. Returns who waited for a key or consumer that is gone.
    pub(super) fn configure(&mut self, settings: Settings) -> Vec<(Ticket, Reply)> {
        let mut keys = std::mem::take(&mut self.keys);
        let mut consumers = std::mem::take(&mut self.consumers);
        let mut files = std::mem::take(&mut self.files);
        let mut left = Vec::new();
        for spec in &settings.keys {
            let key = match keys.remove(&spec.name) {
                // Another file or variable: what was found there says nothing of this one.
                Some(mut old) if old.spec.env_file == spec.env_file && old.spec.variable == spec.variable => {
                    if (&old.spec.endpoint, &old.spec.region) != (&spec.endpoint, &spec.region) {
                        old.forget_probe();
                    }
                    old.spec = spec.clone();
                    old.iam_hurries();
                    old.renewal_hurries();
                    old.minting_hurries();
                    old
                }
                Some(mut old) => {
                    let moved = Denial::Refused {
                        message: format!("the configuration of {} was changed meanwhile", spec.name),
                        hint: "see: credd status".into(),
                    };
                    left.extend(await_renewal(&mut old).into_iter().map(|ticket| (ticket, Reply::Denied(moved.clone()))));
                    let waiting = old.probing.if_set().map(Probing::take_waiting).unwrap_or_default();
                    let mut key = Box::new(Key::new(spec.clone(), old.record));
                    for ticket in waiting {
                        key.await_probe(ticket);
                    }
                    key
                }
                None => Box::new(Key::new(spec.clone(), self.dormant.keys.remove(&spec.name).unwrap_or_default())),
            };
            self.keys.insert(spec.name.clone(), key);
            let file = self.files.entry(spec.env_file.clone()).or_insert_with(|| {
                let mut file = files.remove(&spec.env_file).unwrap_or_else(|| Box::new(FileTrack::new(spec.env_file.clone())));
                file.keys.clear();
                file
            });
            file.keys.push(spec.name.clone());
        }
        self.users = HashMap::new();
        self.users_of_all = Vec::new();
        for spec in &settings.consumers {
            let consumer = match consumers.remove(&spec.name) {
                Some(mut old) => {
                    if old.spec != *spec {
                        old.owed = old.owed.max(Some(Why::Start));
                    }
                    old.spec = spec.clone();
                    old
                }
                None => Consumer::new(spec.clone(), self.dormant.consumers.remove(&spec.name).unwrap_or_default()),
            };
            for key in &spec.keys {
                self.users.entry(key.clone()).or_default().push(spec.name.clone());
            }
            if spec.keys.is_empty() {
                self.users_of_all.push(spec.name.clone());
            }
            self.consumers.insert(spec.name.clone(), consumer);
        }
        for (name, mut consumer) in consumers {
            let denied = Reply::Denied(Denial::UnknownConsumer(name.clone()));
            left.extend(consumer.waiting_for_apply.drain(..).map(|ticket| (ticket, denied.clone())));
            left.extend(consumer.waiting_for_next.drain(..).map(|ticket| (ticket, denied.clone())));
            let looked: Vec<_> = consumer.waiting_for_look.drain(..).filter(|ticket| self.look_answers(*ticket)).collect();
            left.extend(looked.into_iter().map(|ticket| (ticket, Reply::Done)));
            self.dormant.consumers.insert(name, consumer.record);
        }
        for (name, mut key) in keys {
            let denied = Reply::Denied(Denial::UnknownKey(name.clone()));
            let waiting = key.probing.if_set().map(Probing::take_waiting).into_iter().flatten().chain(await_renewal(&mut key));
            left.extend(waiting.map(|ticket| (ticket, denied.clone())));
            self.dormant.keys.insert(name, key.record);
        }
        self.probes_under_way = order::gathered(self.keys.values().filter(|key| !key.probing.is_idle()).map(|key| key.spec.name.clone()));
        self.settings = settings;
        self.find_renewals();
        self.deadlines.clear();
        self.deadline_of.clear();
        self.dirty.clear();
        self.touch_all();
        left
    }

    pub(super) fn touch_all(&mut self) {
        self.dirty.extend(self.keys.keys().cloned().map(Subject::Key));
        self.dirty.extend(self.files.keys().cloned().map(Subject::File));
        self.dirty.extend(self.consumers.keys().cloned().map(Subject::Consumer));
    }

    /// The daemon starts: finishes what an earlier one left in the middle, and looks at everything.
    pub(super) fn start(&mut self, step: &mut Step) {
        self.set_going(step, |_| true);
        let all: Vec<_> = self.consumers.keys().cloned().collect();
        for name in all {
            self.look(&name, Why::Look, step);
        }
    }

    /// The configuration was read anew: which processes are meant may be another matter now.
    pub(super) fn reconfigure(&mut self, settings: Settings, step: &mut Step) {
        let before: Vec<ConsumerName> = self.consumers.keys().cloned().collect();
        let left = self.configure(settings);
        step.effects.extend(left.into_iter().map(|(ticket, reply)| Effect::Reply(ticket, reply)));
        let is_new = |name: &ConsumerName| before.binary_search(name).is_err();
        self.set_going(step, is_new);
        let all: Vec<_> = self.consumers.keys().cloned().collect();
        for name in all {
            self.look(&name, if is_new(&name) { Why::Start } else { Why::Look }, step);
        }
    }

    fn set_going(&mut self, step: &mut Step, is_new: impl Fn(&ConsumerName) -> bool) {
        for file in self.files.values_mut() {
            file.read_now(step.now);
        }
        let Settings { days, channels, .. } = &self.settings;
        for (name, key) in &mut self.keys {
            let before = key.record.known_now().map(|known| known.alerts.clone());
            let popup = key.rearm(days, step.now);
            key.reroute_alerts(channels);
            let popup = if key.rejection().is_none() { key.withdraw_rejection().or(popup) } else { popup };
            if popup.is_some() || key.record.known_now().map(|known| &known.alerts) != before.as_ref() {
                step.save.insert(Subject::Key(name.clone()));
            }
            step.close(popup);
        }
        for (name, consumer) in &mut self.consumers {
            if is_new(name) && consumer.resume() {
                step.effects.push(Effect::AwaitApply(name.clone()));
            }
            consumer.delivery.reroute();
            let Some(alert) = &mut consumer.record.alert else { continue };
            let before = alert.clone();
            alert.reroute(channels);
            if *alert != before {
                step.save.insert(Subject::Consumer(name.clone()));
            }
        }
        // Nobody would ever close the popups of what is no longer configured.
        for (name, record) in &mut self.dormant.keys {
            if let Some(popup) = record.popup.take() {
                step.effects.push(Effect::ClosePopup(popup));
                step.save.insert(Subject::Key(name.clone()));
            }
        }
        for (name, record) in &mut self.dormant.consumers {
            if let Some(popup) = record.popup.take() {
                record.alert = None;
                step.effects.push(Effect::ClosePopup(popup));
                step.save.insert(Subject::Consumer(name.clone()));
            }
        }
    }
}

/// Takes out who waits for another value of a key.
fn await_renewal(key: &mut Key) -> Vec<Ticket> {
    let mut waiting = Vec::new();
    if let Some(renewing) = key.renewing.if_set() {
        waiting.extend(renewing.awaiting_value.drain(..).map(|(ticket, _)| ticket));
        waiting.append(&mut renewing.waiting);
    }
    if let Some(minting) = key.minting.if_set() {
        waiting.append(&mut minting.waiting);
    }
    waiting
}
