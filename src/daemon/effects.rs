//! Carries out what the core wants.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::renewals::owned;
use super::run::Daemon;
use crate::clock;
use crate::config::{ConsumerConfig, KeyConfig};
use crate::core::key::Key;
use crate::core::order;
use crate::core::{ConsumerName, Effect, Event, Fingerprint, HistoryEntry, KeyName, ProbeManner, Record, Topic};
use crate::desktop::open_page;
use crate::task;
use crate::worker::job::{ApplyOrder, FileQuery, KeyTarget, KeyVariable, ProbeOrder};

impl Daemon {
    pub(super) fn step(&mut self, event: Event) {
        self.steps([event]);
    }

    /// Steps the core through events and carries out what it wants, in order, with one save ahead of
    /// everything else.
    pub(super) fn steps(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.stir();
        let now = clock::now();
        let mut records: Vec<Record> = Vec::new();
        let mut told: Vec<HistoryEntry> = Vec::new();
        let mut rest: Vec<Effect> = Vec::new();
        for event in events {
            if let Event::Inspected(name, Some(report)) = &event {
                self.processes.set(name, report);
            }
            for effect in self.machine.step(now, event, &self.calendar) {
                match effect {
                    Effect::Save(more) => records.extend(more),
                    Effect::Tell(entry) => told.push(entry),
                    effect => rest.push(effect),
                }
            }
        }
        if !records.is_empty() {
            self.save(&records);
        }
        self.tell_all(&told);
        let mut inspect = Vec::new();
        let mut probes = Vec::new();
        let mut iam = Vec::new();
        for effect in rest {
            match effect {
                Effect::Save(_) | Effect::Tell(_) => {}
                Effect::ReadFiles(paths) => self.read_files(&paths),
                Effect::Inspect(names) => inspect.extend(names),
                Effect::Probe(name, print, manner) => probes.push((name, print, manner)),
                Effect::AskIam(name, print) => iam.extend(self.iam_order(&name, print)),
                Effect::Renew(name, print) => self.make_next(&name, print),
                // What isn't on disk couldn't be undone after a crash: the worker undoes it now.
                Effect::RenewalGoOn(name) if self.unsaved_since.is_some() => drop(self.renewals.remove(&name)),
                Effect::RenewalGoOn(name) => {
                    if let Some(leave) = self.renewals.get(&name) {
                        let _ = leave.send(());
                    }
                }
                Effect::RenewalStop(name) => drop(self.renewals.remove(&name)),
                Effect::SettleRenewal(name, renewal) => self.settle_renewal(&name, renewal),
                Effect::Retire(name, retiring) => self.retire(&name, retiring),
                Effect::Mint(name, old, ends_at) => self.mint(&name, old, ends_at),
                Effect::Apply(name, targets) => self.apply(&name, &targets),
                Effect::AwaitApply(name) => self.workers.await_apply(name),
                Effect::Notify(channel, notice) => self.notices.send(channel, &notice, &self.config, now),
                Effect::ClosePopup(popup) => self.notices.close(&popup),
                Effect::Reply(ticket, reply) => self.reply(ticket, reply),
            }
        }
        if !inspect.is_empty() {
            self.inspect(&inspect);
        }
        if !probes.is_empty() {
            self.workers.probe(self.provers(&probes), self.probe_orders(probes));
        }
        if !iam.is_empty() {
            self.workers.ask_iam(iam);
        }
    }

    /// Makes records durable. If that fails the daemon goes on, says so, and tries again: an alert that
    /// might come twice is better than one that doesn't come.
    pub(super) fn save(&mut self, records: &[Record]) {
        let machine = &self.machine;
        let saved = if self.unsaved_since.is_some() {
            self.journal.save_all(machine.records())
        } else {
            self.journal.save(records, || machine.records())
        };
        match saved {
            Ok(()) => {
                if self.unsaved_since.take().is_some() {
                    self.tell("state-saved", "the state could be saved again".into());
                }
            }
            Err(error) => {
                if self.unsaved_since.is_none() {
                    tracing::error!(%error, "the state can't be saved; trying again");
                }
                self.unsaved_since = Some((clock::now(), error.to_string()));
            }
        }
    }

    /// Does what can wait until nothing else is to be done.
    pub(super) fn tidy(&mut self) {
        let machine = &self.machine;
        if self.unsaved_since.is_none()
            && let Err(error) = self.journal.compact(|| machine.records())
        {
            // The next save writes all of it, and says so if it can't.
            tracing::debug!(%error, "the journal was not compacted");
        }
    }

    pub(super) fn tell(&mut self, event: &str, message: String) {
        let entry = HistoryEntry { at: clock::now(), event: event.into(), key: None, consumer: None, fingerprint: None, message };
        self.tell_all(&[entry]);
    }

    pub(super) fn tell_all(&mut self, entries: &[HistoryEntry]) {
        for entry in entries {
            let key = entry.key.as_ref().map(tracing::field::display);
            let consumer = entry.consumer.as_ref().map(tracing::field::display);
            match entry.event.as_str() {
                "apply-failed"
                | "rolled-back"
                | "clock-went-back"
                | "state-recovered"
                | "watch-degraded"
                | "config-invalid"
                | "metrics-unwritten"
                | "socket-lost"
                | "key-missing"
                | "key-dynamic"
                | "key-rejected"
                | "refused"
                | "file-unreadable"
                | "renewal-failed"
                | "retire-failed"
                | "mint-failed"
                | "sign-in-needed"
                | "alert-command-failed" => {
                    tracing::warn!(event = entry.event, key, consumer, "{}", entry.message);
                }
                event => tracing::info!(event, key, consumer, "{}", entry.message),
            }
        }
        self.events.told(entries);
        if !entries.is_empty()
            && let Err(error) = self.history.append(entries)
        {
            tracing::warn!(%error, "the history can't be written");
        }
    }

    pub(super) fn read_files(&self, paths: &[Arc<Path>]) {
        let files = paths
            .iter()
            .filter_map(|path| {
                let file = self.machine.file(path)?;
                let keys = file.keys.iter().filter_map(|name| self.machine.key(name));
                let variables = order::each_once(keys.map(|key| key.spec.variable.to_string()));
                Some(FileQuery { path: path.to_path_buf(), variables })
            })
            .collect();
        self.workers.read(files);
    }

    fn inspect(&self, names: &[ConsumerName]) {
        let consumers: Vec<ConsumerConfig> = names.iter().filter_map(|name| self.config.consumer(name)).cloned().collect();
        let variable = |key: &Key| KeyVariable {
            name: key.spec.name.clone(),
            variable: key.spec.variable.to_string(),
            env_file: key.spec.env_file.to_path_buf(),
        };
        let keys = if consumers.iter().any(|consumer| consumer.keys.is_empty()) {
            self.machine.keys().map(variable).collect()
        } else {
            let used: HashSet<&KeyName> = consumers.iter().flat_map(|consumer| &consumer.keys).collect();
            used.into_iter().filter_map(|name| self.machine.key(name)).map(variable).collect()
        };
        self.workers.inspect(keys, consumers);
    }

    pub(super) fn key_target(&self, key: &KeyName, fingerprint: Fingerprint) -> Option<KeyTarget> {
        let spec = &self.machine.key(key)?.spec;
        let (variable, env_file) = (spec.variable.to_string(), spec.env_file.to_path_buf());
        Some(KeyTarget { name: key.clone(), variable, env_file, fingerprint })
    }

    /// Consumers that use one of these keys, if any of them may be asked about.
    fn provers(&self, probes: &[(KeyName, Fingerprint, ProbeManner)]) -> Vec<ConsumerConfig> {
        let asked = probes.iter().filter(|(_, _, manner)| manner.asks_consumers(true)).map(|(name, _, _)| name);
        let users: HashSet<&ConsumerName> = asked.flat_map(|name| self.machine.users_of_key(name)).collect();
        users.into_iter().filter_map(|name| self.config.consumer(name)).cloned().collect()
    }

    fn probe_orders(&self, probes: Vec<(KeyName, Fingerprint, ProbeManner)>) -> Vec<ProbeOrder> {
        let order = |(name, fingerprint, manner)| {
            let config = self.config.key(&name)?;
            Some(ProbeOrder {
                key: self.key_target(&name, fingerprint)?,
                manner,
                endpoint: owned(config.endpoint.as_ref()),
                region: self.region(config),
            })
        };
        probes.into_iter().filter_map(order).collect()
    }

    /// Where a key is for: it may say so itself.
    fn region(&self, config: &KeyConfig) -> String {
        let own = self.machine.key(&config.name).and_then(|key| key.record.known_now()?.anatomy.region.as_deref());
        own.unwrap_or(&config.region).to_owned()
    }

    pub(super) fn apply(&mut self, name: &ConsumerName, targets: &BTreeMap<KeyName, Fingerprint>) {
        let Some(consumer) = self.config.consumer(name) else { return };
        let keys = targets.iter().filter_map(|(key, fingerprint)| self.key_target(key, *fingerprint)).collect();
        self.workers.apply(ApplyOrder {
            state_dir: self.options.paths.state_dir.clone(),
            consumer: consumer.clone(),
            keys,
            withheld: self.machine.withheld(targets).into_iter().map(Into::into).collect(),
            from_service: self.from_service,
        });
    }

    pub(super) fn open_page(&mut self, topic: &Topic) {
        let Topic::Key(name) = topic else { return };
        let Some(key) = self.config.key(name) else { return };
        let region = self.region(key);
        let from_service = self.from_service;
        task::spawn_local(async move {
            if let Err(error) = open_page(&region, from_service).await {
                tracing::warn!(%error, "the console page could not be opened");
            }
        });
    }
}
