//! What the machine's effects do out there, and what there is to be looked at.

use super::*;
use std::sync::Arc;

impl World {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Probe(name, print, manner) => self.probe(name, print, manner),
            Effect::Save(records) => {
                for mut record in records {
                    // Whatever is saved can be read again.
                    if self.writes_down {
                        record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
                    }
                    self.ledger.absorb(record);
                }
            }
            Effect::Tell(entry) => self.told.push(entry),
            Effect::ReadFiles(paths) => {
                for path in paths {
                    self.soon(MOMENT, Happens::Read(path.to_path_buf()));
                }
            }
            Effect::Inspect(names) => {
                self.inspections += names.len();
                for name in names {
                    self.soon(MOMENT, Happens::Inspect(name));
                }
            }
            Effect::AskIam(name, print) => self.ask_iam(name, print),
            Effect::Renew(name, print) => self.plan_renewal(name, print),
            Effect::RenewalGoOn(name) => self.renewal_goes_on(name),
            Effect::RenewalStop(_) => self.renewal_stops(),
            Effect::SettleRenewal(name, renewal) => self.settle_renewal(name, renewal),
            Effect::Retire(name, retiring) => self.retire(name, &retiring),
            Effect::Mint(name, old, ends_at) => self.mint(name, old, ends_at),
            Effect::Apply(name, targets) => self.order(name, targets),
            Effect::AwaitApply(name) => {
                let run = self.run;
                match self.workers.iter_mut().find(|worker| worker.consumer == name) {
                    Some(worker) => worker.run = run,
                    None => self.soon(MOMENT, Happens::Event(Event::Applied(name, None))),
                }
            }
            Effect::Notify(channel, notice) => self.notify(channel, notice),
            Effect::ClosePopup(popup) => drop(self.up.remove(&popup.id)),
            Effect::Reply(ticket, reply) => {
                let earlier = self.replies.insert(ticket, reply);
                assert!(earlier.is_none(), "{ticket:?} was answered twice");
            }
        }
    }

    pub(super) fn probe(&mut self, name: KeyName, print: Fingerprint, manner: ProbeManner) {
        let known = self.machine.key(&name).and_then(|key| key.present());
        assert_eq!(known.map(|key| key.fingerprint), Some(print), "a probe of what the file last held");
        self.probes.push((name.clone(), print, manner));
        self.soon(MOMENT, Happens::Probe(name, print, manner, self.real + 60_000));
    }

    /// What a worker says that asks, if it says anything now.
    pub(super) fn ask_issuer(&mut self, name: KeyName, asked: Fingerprint, manner: ProbeManner, patient_until: i64) -> Option<Event> {
        let spec = self.settings.keys.iter().find(|spec| spec.name == name)?;
        let file = self.files.get(&*spec.env_file).filter(|file| !file.busy && !file.unreadable);
        let held = file.and_then(|file| file.values.as_ref()?.get(&*spec.variable)).copied();
        let Some(value) = held.filter(|value| print(*value) == asked) else { return Some(Event::Probed(name, asked, None)) };
        let verdict = match self.issuer {
            Issuer::Truthful if self.rejects.contains(&value) => ProbeVerdict::Rejected,
            Issuer::Truthful => ProbeVerdict::Works,
            Issuer::Says(verdict) => verdict,
            Issuer::Silent => return None,
        };
        let may_change = match verdict {
            ProbeVerdict::Rejected => manner == ProbeManner::Fresh,
            ProbeVerdict::Unreachable => matches!(manner, ProbeManner::Fresh | ProbeManner::First),
            _ => false,
        };
        if may_change && self.real < patient_until {
            self.soon(SECOND * 5, Happens::Probe(name, asked, manner, patient_until));
            return None;
        }
        let answer = self.answers.entry(asked).or_insert((verdict, 0));
        *answer = (verdict, answer.1 + usize::from(verdict.is_good()));
        let report = ProbeReport { verdict, detail: format!("it {}", verdict.as_str()), consumers: Vec::new() };
        Some(Event::Probed(name, asked, Some(report)))
    }

    pub(super) fn order(&mut self, name: ConsumerName, targets: Targets) {
        let saved = self.ledger.consumers.get(&name).and_then(|record| record.applying.as_ref());
        assert_eq!(saved, Some(&targets), "an apply is saved before it is ordered");
        for (key, value) in &targets {
            let spec = self.settings.keys.iter().find(|spec| spec.name == *key).expect("a configured key");
            let read = self.read.get(&*spec.env_file).and_then(|values| values.get(&*spec.variable));
            assert_eq!(read.map(|value| print(*value)), Some(*value), "an apply of what the file last held");
        }
        for (key, value) in &targets {
            let spec = self.settings.keys.iter().find(|spec| spec.name == *key).expect("a configured key");
            let held = |process: &Process| process.env.get(&*spec.variable).is_some_and(|held| print(*held) == *value);
            let is_held = self.processes.get(&name).into_iter().flatten().all(held);
            let rejected = self.answers.get(value).is_some_and(|(verdict, _)| *verdict == ProbeVerdict::Rejected);
            assert!(!rejected || !spec.probed || is_held, "{name} is to take up a key that is rejected");
        }
        let plan = self.plans.pop_front().unwrap_or(Plan::Ends(Outcome::Applied));
        self.applies.push((self.real, name.clone(), targets.clone(), true));
        let (plan, takes) = match plan {
            _ if self.workers.iter().any(|worker| worker.consumer == name) => (Plan::Ends(Outcome::Superseded), MOMENT),
            Plan::Never => (Plan::Never, DAY * 10_000),
            Plan::Ends(Outcome::Refused | Outcome::Superseded) => (plan, MOMENT),
            plan => (plan, self.apply_takes),
        };
        let ends = self.real + i64::try_from(takes.as_millis()).unwrap();
        let held = self.workers_read_first.then(|| self.are_held(&targets));
        self.workers.push(Worker { consumer: name, targets, plan, ends, run: self.run, held });
    }

    /// Whether the files have these values now.
    fn are_held(&self, targets: &Targets) -> bool {
        targets.iter().all(|(key, value)| {
            let spec = self.settings.keys.iter().find(|spec| spec.name == *key);
            let file = spec.and_then(|spec| self.files.get(&*spec.env_file)?.values.as_ref()?.get(&*spec.variable));
            file.is_some_and(|held| print(*held) == *value)
        })
    }

    pub(super) fn work_ends(&mut self, index: usize) {
        let Worker { consumer, targets, plan, run, held, .. } = self.workers.remove(index);
        let Some(mut outcome) = (match plan {
            Plan::Ends(outcome) => Some(outcome),
            Plan::DiesDone => Some(Outcome::Applied),
            Plan::Dies | Plan::Never => None,
        }) else {
            return self.worker_tells(consumer, None, run);
        };
        let variable = |key: &KeyName| self.settings.keys.iter().find(|spec| spec.name == *key).map(|spec| spec.variable.to_string());
        let values: Vec<(String, u8)> = targets
            .iter()
            .filter_map(|(key, wanted)| Some((variable(key)?, (0..=u8::MAX).find(|value| print(*value) == *wanted)?)))
            .collect();
        let running = self.processes.get(&consumer).is_some_and(|processes| !processes.is_empty());
        if !held.unwrap_or_else(|| self.are_held(&targets)) {
            outcome = Outcome::Superseded;
        } else if !running && outcome != Outcome::Superseded {
            outcome = Outcome::Failed;
        }
        let now = self.now();
        match outcome {
            Outcome::Applied | Outcome::RolledBack => {
                for process in self.processes.get_mut(&consumer).into_iter().flatten() {
                    self.last_pid += 1;
                    process.pid = self.last_pid;
                    process.started = now;
                    if outcome == Outcome::Applied {
                        process.env.extend(values.iter().cloned());
                    }
                }
            }
            Outcome::Failed => drop(self.processes.remove(&consumer)),
            Outcome::Refused | Outcome::Superseded => {
                if let Some(apply) = self.applies.iter_mut().rev().find(|apply| apply.1 == consumer) {
                    apply.3 = false;
                }
            }
        }
        let report = ApplyReport { outcome, detail: format!("{outcome:?}"), took: self.apply_takes, pid: None };
        self.worker_tells(consumer, Some(report).filter(|_| plan != Plan::DiesDone), run);
    }

    pub(super) fn worker_tells(&mut self, consumer: ConsumerName, report: Option<ApplyReport>, run: u32) {
        if run == self.run {
            self.step(Event::Applied(consumer, report));
        }
    }

    pub(super) fn notify(&mut self, channel: Channel, notice: Notice) {
        let (alert, popup, current) = match &notice.topic {
            Topic::Key(name) => {
                let record = self.ledger.keys.get(name).expect("a saved key");
                (record.known_now().and_then(|known| known.alerts.last()), record.popup.as_ref(), record.current)
            }
            Topic::Consumer(name) => {
                let record = self.ledger.consumers.get(name).expect("a saved consumer");
                (record.alert.as_ref(), record.popup.as_ref(), None)
            }
            Topic::News(name) => {
                let news = self.ledger.keys.get(name).and_then(|record| record.news.as_ref()).expect("saved news");
                (Some(&news.alert), Some(&news.popup), None)
            }
        };
        let alert = alert.expect("an alert is saved before it is sent");
        assert_eq!(alert.reason, notice.reason, "an alert is saved before it is sent");
        assert!(alert.pending.contains(&channel));
        assert_eq!(popup, Some(&notice.popup), "its popup is saved before it is sent");
        let id = match self.own_ids.as_mut().filter(|_| !self.up.contains_key(&notice.popup.id)) {
            Some(next) => {
                *next += 1;
                *next
            }
            None => notice.popup.id,
        };
        if channel == Channel::Command {
            self.commands += 1;
            if self.command_fails {
                return self.soon(MOMENT, Happens::Event(Event::NotDelivered(notice.topic, channel, "exit code 1".into())));
            }
        }
        if matches!(self.notifier, Notifier::Takes | Notifier::Mute) {
            if channel == Channel::Desktop {
                self.up.insert(id, notice.topic.clone());
            }
            let unheard = self.notifier == Notifier::Mute;
            let (at, topic) = (self.now(), notice.topic.clone());
            let good = current.and_then(|print| self.answers.get(&print)).map_or(0, |answer| answer.1);
            self.shown.push(Shown {
                at,
                topic,
                channel,
                reason: notice.reason,
                popup: notice.popup,
                facts: notice.facts,
                print: current,
                unheard,
                good,
            });
        }
        let topic = notice.topic;
        match self.notifier {
            Notifier::Takes => {
                let id = (channel == Channel::Desktop).then_some(id);
                for _ in 0..=usize::from(self.duplicates) {
                    self.soon(MOMENT, Happens::Event(Event::Delivered(topic.clone(), channel, id)));
                }
            }
            Notifier::Refuses => self.soon(MOMENT, Happens::Event(Event::NotDelivered(topic, channel, "nobody there".into()))),
            Notifier::Hangs => self.soon(SECOND * 5, Happens::Event(Event::NotDelivered(topic, channel, "no answer".into()))),
            Notifier::Mute => {}
        }
    }

    pub fn look_at_file(&mut self, path: PathBuf) -> FileReport {
        let file = self.files.get(&path).cloned().unwrap_or_default();
        let body = if file.busy {
            FileBody::Busy
        } else if file.unreadable {
            FileBody::Unreadable("permission denied".into())
        } else if let Some(values) = &file.values {
            let anatomy = Arc::new(Anatomy {
                kind: self.kind,
                issued_at: self.carried.map(|(issued, _)| issued),
                expires_at: self.carried.map(|(_, end)| end),
                region: None,
                account: None,
                user: None,
            });
            let variables = self.settings.keys.iter().filter(|spec| *spec.env_file == path).map(|spec| VariableReport {
                variable: (*spec.variable).into(),
                finding: match values.get(&*spec.variable) {
                    Some(_) if file.dynamic => Finding::Dynamic { reason: "a command substitution".into(), line: 1 },
                    Some(value) => Finding::Present(Arc::new(PresentKey {
                        fingerprint: print(*value),
                        exported: true,
                        line: 1,
                        control_character: file.control_characters,
                        anatomy: anatomy.clone(),
                    })),
                    None => Finding::Unset { hint: None },
                },
                duplicates: Box::default(),
                cut_short: file.cut_short,
            });
            let modified = file.modified.unwrap_or(Timestamp::UNIX_EPOCH);
            let variables: Box<[_]> = variables.collect();
            FileBody::Read(FileContents {
                modified_at: modified,
                changed_at: modified,
                mode: 0o600,
                empty: values.is_empty(),
                unfinished: false,
                exports_others: false,
                static_aws_keys: false,
                tracked: None,
                tracked_in: None,
                variables,
            })
        } else {
            FileBody::Missing
        };
        if let FileBody::Read(_) = body {
            self.read.insert(path.clone(), file.values.unwrap_or_default());
        }
        FileReport { path, body }
    }

    pub(super) fn look_at_consumer(&self, name: &ConsumerName) -> ConsumerReport {
        let spec = self.settings.consumers.iter().find(|spec| spec.name == *name);
        let keys = |process: &Process| {
            let used = |key: &&Arc<KeySpec>| spec.is_some_and(|spec| spec.keys.is_empty() || spec.keys.contains(&key.name));
            let held = self.settings.keys.iter().filter(used);
            held.map(|key| (key.name.clone(), process.env.get(&*key.variable).map(|value| print(*value)))).collect()
        };
        let processes = self.processes.get(name).into_iter().flatten();
        let report = |process: &Process| ProcessReport {
            pid: process.pid,
            start_ticks: 0,
            started_at: process.started,
            keys: keys(process),
            run_by: RunBy::Process,
            regions: Vec::new(),
        };
        ConsumerReport { processes: processes.map(report).collect() }
    }
}
