//! The decisions: one event in, effects out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::alarm::{Channel, PopupRecord};
use super::consumer::{Consumer, Phase, Targets, Why};
use super::event::{Calendar, Denial, Effect, Event, HistoryEntry, Reply, Request, Settings, Ticket, Topic};
use super::file::{FileTrack, Verdict};
use super::key::{Found, Key, KeyState};
use super::policy::Reason;
use super::record::{Issued, IssuedSource, LastApply, Ledger, Record};
use super::{ApplyReport, ConsumerName, ConsumerReport, FileReport, Fingerprint, KeyName, Outcome};

/// A clock that shows this much less than before has gone back; less is what time servers correct.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(2);
/// A look at a consumer is fresh for so long.
const FRESH: SignedDuration = SignedDuration::from_millis(900);

/// What has a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Subject {
    File(Arc<std::path::Path>),
    Key(KeyName),
    Consumer(ConsumerName),
}

/// Everything the daemon knows, and all its decisions. No I/O, no clock.
///
/// An event costs what it concerns, not what is tracked: deadlines are kept in order, keys and files
/// are found by name.
pub struct Machine {
    settings: Settings,
    files: BTreeMap<Arc<std::path::Path>, FileTrack>,
    keys: BTreeMap<KeyName, Key>,
    consumers: BTreeMap<ConsumerName, Consumer>,
    /// Records of keys and consumers that are not configured now.
    dormant: Ledger,
    /// The best known date of every value ever seen, under whatever key.
    dates: HashMap<Fingerprint, Issued>,
    deadlines: BTreeSet<(Timestamp, Subject)>,
    deadline_of: HashMap<Subject, Timestamp>,
    dirty: BTreeSet<Subject>,
    latest_time: Timestamp,
    clock_went_back: Option<Timestamp>,
    started: bool,
}

/// One step in the making.
struct Step<'a> {
    now: Timestamp,
    calendar: &'a dyn Calendar,
    save: BTreeSet<Subject>,
    effects: Vec<Effect>,
}

impl Step<'_> {
    fn tell(
        &mut self,
        event: &str,
        key: Option<&KeyName>,
        consumer: Option<&ConsumerName>,
        fingerprint: Option<Fingerprint>,
        message: String,
    ) {
        self.effects.push(Effect::Tell(HistoryEntry {
            at: self.now,
            event: event.into(),
            key: key.cloned(),
            consumer: consumer.cloned(),
            fingerprint,
            message,
        }));
    }

    fn close(&mut self, popup: Option<PopupRecord>) {
        self.effects.extend(popup.map(Effect::ClosePopup));
    }
}

impl Machine {
    /// A machine with what was saved. [`Event::Start`] sets it going.
    pub fn new(settings: Settings, ledger: Ledger) -> Self {
        let dates = ledger.keys.values().flat_map(|record| &record.known).map(|known| (known.fingerprint, known.issued)).collect();
        let mut machine = Self {
            settings: Settings { days: Vec::new(), channels: Vec::new(), keys: Vec::new(), consumers: Vec::new() },
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            consumers: BTreeMap::new(),
            latest_time: ledger.clock.unwrap_or(Timestamp::MIN),
            dormant: ledger,
            dates,
            deadlines: BTreeSet::new(),
            deadline_of: HashMap::new(),
            dirty: BTreeSet::new(),
            clock_went_back: None,
            started: false,
        };
        machine.configure(settings);
        machine
    }

    /// Takes an event that happened at `now` and says what is to be done.
    pub fn step(&mut self, now: Timestamp, event: Event, calendar: &dyn Calendar) -> Vec<Effect> {
        let mut step = Step { now, calendar, save: BTreeSet::new(), effects: Vec::new() };
        self.watch_clock(&mut step);
        match event {
            Event::Start => self.start(&mut step),
            Event::Tick => {}
            Event::FileHint(paths) => {
                for path in paths {
                    self.with_file(&path, |file| file.stir(now));
                }
            }
            Event::FileRead(report) => self.file_read(report, &mut step),
            Event::ReadFailed(paths) => {
                for path in paths {
                    self.with_file(&path, |file| file.look_failed(now));
                }
            }
            Event::Inspected(name, report) => self.inspected(&name, report, &mut step),
            Event::ConsumerGone(name) => {
                if let Some(consumer) = self.consumers.get_mut(&name) {
                    consumer.gone(now);
                    self.look(&name, Why::Look, &mut step);
                }
            }
            Event::ApplyProgress(name, phase) => {
                if let Some(Consumer { phase: Phase::Applying { progress, .. }, .. }) = self.consumers.get_mut(&name) {
                    *progress = phase;
                }
            }
            Event::Applied(name, report) => self.applied(&name, report, &mut step),
            Event::Delivered(topic, channel, id) => self.delivered(&topic, channel, id, &mut step),
            Event::NotDelivered(topic, channel, why) => self.not_delivered(&topic, channel, &why, now),
            Event::NotifierAppeared => self.hurry(),
            Event::RemindTomorrow(topic) => {
                if let Topic::Key(name) = topic {
                    let until = calendar.tomorrow(now);
                    self.snooze(&name, Some(until), &mut step);
                }
            }
            Event::Reconfigured(settings) => {
                self.configure(settings);
                self.start(&mut step);
            }
            Event::Request(ticket, request) => self.request(ticket, request, &mut step),
        }
        self.due(&mut step);
        self.settle_deadlines(&step);
        self.finish(step)
    }

    /// When [`Event::Tick`] is to come, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// What is in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys, by name.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.keys.values()
    }

    /// One key.
    pub fn key(&self, name: &KeyName) -> Option<&Key> {
        self.keys.get(name)
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.consumers.values()
    }

    /// One consumer.
    pub fn consumer(&self, name: &ConsumerName) -> Option<&Consumer> {
        self.consumers.get(name)
    }

    /// The env files.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &FileTrack> {
        self.files.values()
    }

    /// The env file of a key.
    pub fn file(&self, path: &std::path::Path) -> Option<&FileTrack> {
        self.files.get(path)
    }

    /// The latest time seen, if the clock shows less now.
    pub fn clock_went_back(&self) -> Option<Timestamp> {
        self.clock_went_back
    }

    /// The keys that a consumer should run with: what the files hold now.
    ///
    /// Where several keys share a variable, the consumer follows the one of which it holds a value,
    /// be it an old one; else the first.
    pub fn targets(&self, consumer: &Consumer) -> Targets {
        let mut targets = Targets::new();
        let mut by_variable: BTreeMap<&str, &Key> = BTreeMap::new();
        let wanted: Box<dyn Iterator<Item = &Key>> = if consumer.spec.keys.is_empty() {
            Box::new(self.settings.keys.iter().filter_map(|spec| self.keys.get(&spec.name)))
        } else {
            Box::new(consumer.spec.keys.iter().filter_map(|name| self.keys.get(name)))
        };
        for key in wanted.filter(|key| key.target().is_some()) {
            match by_variable.entry(&key.spec.variable) {
                std::collections::btree_map::Entry::Vacant(vacant) => drop(vacant.insert(key)),
                std::collections::btree_map::Entry::Occupied(mut other) => {
                    if follows(consumer, key) && !follows(consumer, other.get()) {
                        other.insert(key);
                    }
                }
            }
        }
        targets.extend(by_variable.values().filter_map(|key| Some((key.spec.name.clone(), key.target()?))));
        targets
    }

    // Configuration and start

    fn configure(&mut self, settings: Settings) {
        let mut keys = std::mem::take(&mut self.keys);
        let mut consumers = std::mem::take(&mut self.consumers);
        let mut files = std::mem::take(&mut self.files);
        for spec in &settings.keys {
            let key = match keys.remove(&spec.name) {
                // Another file or variable: what was found there says nothing of this one.
                Some(old) if old.spec.env_file == spec.env_file && old.spec.variable == spec.variable => Key { spec: spec.clone(), ..old },
                Some(old) => Key::new(spec.clone(), old.record),
                None => Key::new(spec.clone(), self.dormant.keys.remove(&spec.name).unwrap_or_default()),
            };
            self.keys.insert(spec.name.clone(), key);
            if !self.files.contains_key(&spec.env_file) {
                let mut file = files.remove(&spec.env_file).unwrap_or_else(|| FileTrack::new(spec.env_file.clone()));
                file.keys.clear();
                self.files.insert(spec.env_file.clone(), file);
            }
            if let Some(file) = self.files.get_mut(&spec.env_file) {
                file.keys.push(spec.name.clone());
            }
        }
        for spec in &settings.consumers {
            let consumer = match consumers.remove(&spec.name) {
                Some(mut old) => {
                    old.spec = spec.clone();
                    old
                }
                None => Consumer::new(spec.clone(), self.dormant.consumers.remove(&spec.name).unwrap_or_default()),
            };
            self.consumers.insert(spec.name.clone(), consumer);
        }
        self.dormant.keys.extend(keys.into_iter().map(|(name, key)| (name, key.record)));
        self.dormant.consumers.extend(consumers.into_iter().map(|(name, consumer)| (name, consumer.record)));
        self.settings = settings;
        self.deadlines.clear();
        self.deadline_of.clear();
        self.dirty.clear();
        self.touch_all();
    }

    fn touch_all(&mut self) {
        self.dirty.extend(self.keys.keys().cloned().map(Subject::Key));
        self.dirty.extend(self.files.keys().cloned().map(Subject::File));
        self.dirty.extend(self.consumers.keys().cloned().map(Subject::Consumer));
    }

    fn start(&mut self, step: &mut Step) {
        let first = !std::mem::replace(&mut self.started, true);
        for file in self.files.values_mut() {
            file.read_now(step.now);
        }
        if !first {
            return;
        }
        // Restart whatever an earlier daemon left in the middle; look at consumers once files are read.
        for (name, consumer) in &mut self.consumers {
            if consumer.resume() {
                step.effects.push(Effect::AwaitApply(name.clone()));
            }
        }
        let all: Vec<_> = self.consumers.keys().cloned().collect();
        for name in all {
            self.look(&name, Why::Look, step);
        }
    }

    fn watch_clock(&mut self, step: &mut Step) {
        if step.now >= self.latest_time {
            self.latest_time = step.now;
            if self.clock_went_back.take().is_some() {
                step.tell("clock-caught-up", None, None, None, "the clock has caught up with the latest time seen".into());
            }
            return;
        }
        if self.clock_went_back.is_none() && self.latest_time.duration_since(step.now) > CLOCK_SLACK {
            self.clock_went_back = Some(self.latest_time);
            step.effects.push(Effect::Save(vec![Record::Clock(self.latest_time)]));
            let message = format!("the clock went back: it showed {} before", self.latest_time);
            step.tell("clock-went-back", None, None, None, message);
            for file in self.files.values_mut() {
                file.clock_went_back(step.now);
            }
            for consumer in self.consumers.values_mut() {
                consumer.clock_went_back(step.now);
            }
            self.hurry();
            self.touch_all();
        }
    }

    // Files and keys

    fn with_file(&mut self, path: &std::path::Path, change: impl FnOnce(&mut FileTrack)) {
        if let Some((path, file)) = self.files.get_key_value(path).map(|(path, _)| path.clone()).and_then(|path| {
            let file = self.files.get_mut(&path)?;
            Some((path, file))
        }) {
            change(file);
            self.dirty.insert(Subject::File(path));
        }
    }

    fn file_read(&mut self, report: FileReport, step: &mut Step) {
        let Some((path, _)) = self.files.get_key_value(report.path.as_path()) else { return };
        let path = path.clone();
        self.dirty.insert(Subject::File(path.clone()));
        let Some(file) = self.files.get_mut(&path) else { return };
        let expected: Vec<&str> = file
            .keys
            .iter()
            .filter_map(|name| self.keys.get(name))
            .filter(|key| key.record.current.is_some())
            .map(|key| &*key.spec.variable)
            .collect();
        let first_look = file.believed.is_none();
        let Verdict::Believe(report) = file.judge(report, &expected, step.now) else { return };
        let watched_since = if first_look { None } else { file.watched_since };
        let dates = file.contents().map(|contents| (contents.modified_at, contents.changed_at));
        let names = file.keys.clone();
        let mut changed = BTreeSet::new();
        for name in names {
            if self.key_looked_at(&name, &report, dates, watched_since, step) || first_look {
                changed.insert(name);
            }
        }
        // A rewrite of the same value concerns nobody.
        let why = if first_look { Why::Start } else { Why::Change };
        let users: Vec<_> = self
            .consumers
            .values()
            .filter(|consumer| changed.iter().any(|key| consumer.uses(key)))
            .map(|consumer| consumer.spec.name.clone())
            .collect();
        for user in users {
            self.look(&user, why, step);
        }
    }

    /// Takes in what a believed look found of one key. Returns whether its value is another than before.
    fn key_looked_at(
        &mut self,
        name: &KeyName,
        report: &FileReport,
        dates: Option<(Timestamp, Timestamp)>,
        watched_since: Option<Timestamp>,
        step: &mut Step,
    ) -> bool {
        let Some(key) = self.keys.get_mut(name) else { return false };
        self.dirty.insert(Subject::Key(name.clone()));
        let before = std::mem::replace(&mut key.found, Found::Unknown);
        let present = key.look(&report.body);
        if key.found != before {
            match &key.found {
                Found::Missing(why) => step.tell("key-missing", Some(name), None, None, why.clone()),
                Found::Dynamic(why) => step.tell("key-dynamic", Some(name), None, None, why.clone()),
                Found::Unreadable(why) => step.tell("file-unreadable", Some(name), None, None, why.clone()),
                Found::Unknown | Found::Value(_) => {}
            }
        }
        let Some(present) = present else { return false };
        if key.record.current == Some(present.fingerprint) {
            return false;
        }
        key.replaced_at = key.record.current.and(dates.map(|(_, changed)| changed));
        // Seen to arrive if the file was watched when it was last modified; else the file's date is
        // the latest the key can have been issued.
        let modified_at = dates.map_or(step.now, |(modified, _)| modified.min(step.now));
        let observed = watched_since.is_some_and(|since| modified_at >= since);
        let source = if observed { IssuedSource::Observed } else { IssuedSource::File };
        let mut guess = Issued { at: modified_at, source };
        if let Some(earlier) = self.dates.get(&present.fingerprint) {
            guess = *earlier;
        }
        let arrival = key.arrive(&present, guess, step.now);
        let issued = key.record.known_now().map_or(guess, |known| known.issued);
        self.dates.insert(present.fingerprint, issued);
        step.save.insert(Subject::Key(name.clone()));
        let (event, message) = if arrival.new {
            ("key-new", format!("a new key is in {}, line {}", key.spec.env_file.display(), present.line))
        } else {
            ("key-restored", format!("an earlier key is back in {}, line {}: it keeps its date", key.spec.env_file.display(), present.line))
        };
        step.tell(event, Some(name), None, Some(present.fingerprint), message);
        step.close(arrival.popup);
        true
    }

    fn snooze(&mut self, name: &KeyName, until: Option<Timestamp>, step: &mut Step) -> Option<()> {
        let key = self.keys.get_mut(name)?;
        let expires_at = key.life()?.expires_at;
        let until = match (until, expires_at) {
            (Some(until), Some(end)) => Some(until.min(end)),
            (until, _) => until,
        };
        key.record.snoozed_until = until;
        self.dirty.insert(Subject::Key(name.clone()));
        step.save.insert(Subject::Key(name.clone()));
        let message = until.map_or("reminders are no longer quiet".into(), |until| format!("reminders are quiet until {until}"));
        step.tell("snoozed", Some(name), None, None, message);
        if until.is_some() {
            step.close(key.record.popup.clone());
        }
        Some(())
    }

    // Consumers

    fn look(&mut self, name: &ConsumerName, why: Why, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        if consumer.want_look(why) {
            step.effects.push(Effect::Inspect(vec![name.clone()]));
        }
    }

    fn inspected(&mut self, name: &ConsumerName, report: Option<ConsumerReport>, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        let before = consumer.processes.as_ref().map(|processes| !processes.is_empty());
        let Some(why) = consumer.looked(report.map(|report| report.processes), step.now) else { return };
        for ticket in std::mem::take(&mut consumer.waiting_for_look) {
            step.effects.push(Effect::Reply(ticket, Reply::Done));
        }
        let runs = consumer.processes.as_ref().map(|processes| !processes.is_empty());
        match (before, runs) {
            (None | Some(false), Some(true)) => step.tell("consumer-found", None, Some(name), None, format!("{name} runs")),
            (Some(true), Some(false)) => step.tell("consumer-gone", None, Some(name), None, format!("{name} has ended")),
            _ => {}
        }
        self.reconcile(name, why, step);
    }

    /// Compares what a consumer runs with to what the files hold, and has it restarted where that
    /// helps (contract, promises 2 and 3).
    fn reconcile(&mut self, name: &ConsumerName, why: Why, step: &mut Step) {
        let Some(consumer) = self.consumers.get(name) else { return };
        let targets = self.targets(consumer);
        let holds = consumer.holds(&targets);
        let outdated = why == Why::Start && self.is_outdated(consumer, &targets);
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        let retrying = consumer.retry_due(step.now);
        match holds {
            None => {
                if let Some(pending) = consumer.record.pending.take().filter(|_| retrying) {
                    consumer.postpone(pending.reason, &targets, None, step.now);
                    step.save.insert(Subject::Consumer(name.clone()));
                }
                let none = "no process of it runs; start it, it will have the key from the env file if your shell sources that";
                refuse_all(consumer, "not-running", none, step);
                return;
            }
            Some(true) if why != Why::Force => {
                if consumer.record.applying.take() == Some(targets) {
                    step.save.insert(Subject::Consumer(name.clone()));
                    consumer.record.last_apply = Some(LastApply {
                        at: step.now,
                        outcome: Outcome::Applied,
                        seconds: 0.0,
                        detail: "it was finished while credd was restarting".into(),
                    });
                }
                if consumer.record.pending.take().is_some() || consumer.record.alert.is_some() {
                    step.save.insert(Subject::Consumer(name.clone()));
                    let popup = consumer.settle();
                    step.close(popup);
                }
                for ticket in std::mem::take(&mut consumer.waiting_for_apply) {
                    step.effects.push(Effect::Reply(
                        ticket,
                        Reply::Applied(Outcome::Applied, "it already runs with the keys in the env files".into()),
                    ));
                }
                return;
            }
            Some(_) => {}
        }
        let same_try = consumer.record.pending.as_ref().is_some_and(|pending| pending.targets == targets);
        let wanted = match why {
            Why::Look => false,
            Why::Start => outdated && !same_try,
            Why::Change => !same_try,
            Why::Force => true,
        } || retrying;
        if !wanted || targets.is_empty() {
            if why == Why::Force {
                refuse_all(consumer, "no-key", "no key that could be taken up is in the env files", step);
            }
            return;
        }
        if !consumer.spec.restartable {
            consumer.record.pending = None;
            refuse_all(consumer, "restart-none", "its configuration says restart = \"none\"; restart it yourself", step);
            return;
        }
        if let Some(until) = consumer.limited_until(step.now) {
            let reason = format!("{name} was restarted {} times in ten minutes; the next try is at {until}", super::consumer::MAX_RESTARTS);
            consumer.postpone(reason.clone(), &targets, Some(until), step.now);
            if consumer.record.alert.as_ref().is_none_or(|alert| alert.reason != Reason::TooManyRestarts) {
                consumer.alert(Reason::TooManyRestarts, &self.settings.channels, step.now);
            }
            refuse_all(consumer, "too-many-restarts", &reason, step);
            step.tell("apply-postponed", None, Some(name), None, reason);
            step.save.insert(Subject::Consumer(name.clone()));
            return;
        }
        consumer.begin(&targets, step.now);
        step.tell("apply-started", None, Some(name), None, format!("{name} is to take up the key in the env file"));
        step.save.insert(Subject::Consumer(name.clone()));
        step.effects.push(Effect::Apply(name.clone(), targets));
    }

    /// Whether some process of a consumer is older than the last change of a file whose key it lacks.
    fn is_outdated(&self, consumer: &Consumer, targets: &Targets) -> bool {
        // A value that replaced another arrived with the inode's change, however old the contents are
        // (`mv` keeps their date); else their date is what counts.
        let changed_at = |key: &KeyName| {
            let key = self.keys.get(key)?;
            key.replaced_at.or_else(|| Some(self.files.get(&key.spec.env_file)?.contents()?.modified_at))
        };
        consumer
            .processes
            .iter()
            .flatten()
            .any(|process| super::consumer::lacks(process, targets).filter_map(changed_at).any(|changed| process.started_at < changed))
    }

    fn applied(&mut self, name: &ConsumerName, report: Option<ApplyReport>, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        self.dirty.insert(Subject::Consumer(name.clone()));
        step.save.insert(Subject::Consumer(name.clone()));
        let Some(report) = report else {
            // Its end wasn't seen: look at the world instead.
            consumer.phase = Phase::Idle;
            step.tell("apply-ended-unseen", None, Some(name), None, format!("an apply of {name} ended unseen; looking at how it runs"));
            self.look(name, Why::Change, step);
            return;
        };
        let again = consumer.end(&report, step.now);
        if report.outcome == Outcome::Superseded {
            let files: Vec<_> = self.settings.keys.iter().map(|key| key.env_file.clone()).collect();
            for path in files {
                self.with_file(&path, |file| file.stir(step.now));
            }
        } else {
            step.tell(outcome_event(report.outcome), None, Some(name), None, report.detail.clone());
            match report.outcome {
                Outcome::Applied => {
                    let popup = consumer.settle();
                    step.close(popup);
                }
                Outcome::RolledBack => consumer.alert(Reason::RolledBack, &self.settings.channels, step.now),
                Outcome::Failed | Outcome::Refused | Outcome::Superseded => {
                    consumer.alert(Reason::ApplyFailed, &self.settings.channels, step.now)
                }
            }
            for ticket in std::mem::take(&mut consumer.waiting_for_apply) {
                step.effects.push(Effect::Reply(ticket, Reply::Applied(report.outcome, report.detail.clone())));
            }
        }
        self.look(name, if again { Why::Change } else { Why::Look }, step);
    }

    // Alerts

    fn delivered(&mut self, topic: &Topic, channel: Channel, id: Option<u32>, step: &mut Step) {
        let how = match channel {
            Channel::Desktop => "a desktop notification was shown",
            Channel::Command => "the alert command ran",
        };
        match topic {
            Topic::Key(name) => {
                let Some(key) = self.keys.get_mut(name) else { return };
                key.delivered(channel, id, step.now);
                let reason = key.latest_alert().map(|alert| alert.reason.to_string()).unwrap_or_default();
                step.tell("alert-delivered", Some(name), None, key.record.current, format!("{how} ({reason})"));
            }
            Topic::Consumer(name) => {
                let Some(consumer) = self.consumers.get_mut(name) else { return };
                consumer.delivered(channel, id, step.now);
                step.tell("alert-delivered", None, Some(name), None, how.into());
            }
        }
        let subject = subject(topic);
        step.save.insert(subject.clone());
        self.dirty.insert(subject);
    }

    fn not_delivered(&mut self, topic: &Topic, channel: Channel, why: &str, now: Timestamp) {
        match topic {
            Topic::Key(name) => {
                if let Some(key) = self.keys.get_mut(name) {
                    key.delivery.failed(channel, why, now);
                }
            }
            Topic::Consumer(name) => {
                if let Some(consumer) = self.consumers.get_mut(name) {
                    consumer.delivery.failed(channel, why, now);
                }
            }
        }
        self.dirty.insert(subject(topic));
    }

    fn hurry(&mut self) {
        for (name, key) in &mut self.keys {
            if key.latest_alert().is_some_and(|alert| !alert.pending.is_empty()) {
                key.delivery.hurry();
                self.dirty.insert(Subject::Key(name.clone()));
            }
        }
        for (name, consumer) in &mut self.consumers {
            if consumer.record.alert.as_ref().is_some_and(|alert| !alert.pending.is_empty()) {
                consumer.delivery.hurry();
                self.dirty.insert(Subject::Consumer(name.clone()));
            }
        }
    }

    // Requests

    fn request(&mut self, ticket: Ticket, request: Request, step: &mut Step) {
        let denied = match request {
            Request::Refresh => return self.refresh(ticket, step),
            Request::Issued(name, at) => self.declare(&name, at, step).err(),
            Request::Snooze(name, until) => match self.keys.get(&name) {
                None => Some(Denial::UnknownKey(name)),
                Some(_) if until.is_some_and(|until| until <= step.now) => {
                    Some(refused("that time has passed", "give a time in the future, such as 3d, or --clear"))
                }
                Some(_) => match self.snooze(&name, until, step) {
                    Some(()) => None,
                    None => Some(refused("no key is known to be snoozed", "put the key into its env file first")),
                },
            },
            Request::Apply(name, force) => match self.consumers.get_mut(&name) {
                None => Some(Denial::UnknownConsumer(name)),
                Some(consumer) => {
                    consumer.waiting_for_apply.push(ticket);
                    if let Phase::Applying { again, .. } = &mut consumer.phase {
                        *again = true;
                    } else {
                        consumer.record.pending = None;
                        self.look(&name, if force { Why::Force } else { Why::Change }, step);
                    }
                    return;
                }
            },
        };
        step.effects.push(Effect::Reply(ticket, denied.map_or(Reply::Done, Reply::Denied)));
    }

    fn declare(&mut self, name: &KeyName, at: Timestamp, step: &mut Step) -> Result<(), Denial> {
        let key = self.keys.get_mut(name).ok_or_else(|| Denial::UnknownKey(name.clone()))?;
        if at > step.now {
            return Err(refused(
                "that date is in the future",
                "give the day on which the key was made, such as 2026-10-28 or \"25 days ago\"",
            ));
        }
        let Some(known) = key.record.known_now() else {
            return Err(refused("no key is known whose date could be recorded", "put the key into its env file first"));
        };
        if known.issued.source > IssuedSource::Declared {
            let who = if known.issued.source == IssuedSource::Key { "the key itself" } else { "IAM" };
            return Err(refused(&format!("{who} says that it was issued at {}", known.issued.at), "there is nothing to record"));
        }
        let issued = Issued { at, source: IssuedSource::Declared };
        let print = known.fingerprint;
        let popup = key.set_issued(issued, &self.settings.days, step.now);
        self.dates.insert(print, issued);
        step.close(popup);
        step.tell("issued-declared", Some(name), None, Some(print), format!("the user says that it was issued at {at}"));
        step.save.insert(Subject::Key(name.clone()));
        self.dirty.insert(Subject::Key(name.clone()));
        Ok(())
    }

    /// A process that starts is not told of by the kernel, so who asks while a consumer isn't running
    /// as it should has it looked at. The end of a known process is told of.
    fn refresh(&mut self, ticket: Ticket, step: &mut Step) {
        let unsettled: Vec<_> = self
            .consumers
            .values()
            .filter(|consumer| match &consumer.phase {
                Phase::Looking { .. } => true,
                Phase::Applying { .. } => false,
                Phase::Idle => {
                    let fresh = consumer.looked_at.is_some_and(|at| at <= step.now && step.now.duration_since(at) < FRESH);
                    !fresh && consumer.holds(&self.targets(consumer)) != Some(true)
                }
            })
            .map(|consumer| consumer.spec.name.clone())
            .collect();
        let Some((last, rest)) = unsettled.split_last() else {
            step.effects.push(Effect::Reply(ticket, Reply::Done));
            return;
        };
        for name in rest {
            self.look(name, Why::Look, step);
        }
        if let Some(consumer) = self.consumers.get_mut(last) {
            consumer.waiting_for_look.push(ticket);
            if consumer.phase == Phase::Idle {
                self.look(last, Why::Look, step);
            }
        }
    }

    // The end of each step

    /// Does what is due at `now`: idempotent, whatever the event was.
    fn due(&mut self, step: &mut Step) {
        self.settle_deadlines(step);
        let mut files = Vec::new();
        while let Some((at, subject)) = self.deadlines.first().cloned() {
            if at > step.now {
                break;
            }
            self.deadlines.pop_first();
            self.deadline_of.remove(&subject);
            match &subject {
                Subject::File(path) => {
                    if self.files.get_mut(path).is_some_and(|file| file.take_due(step.now)) {
                        files.push(path.clone());
                    }
                }
                Subject::Key(name) => self.key_due(name, step),
                Subject::Consumer(name) => self.consumer_due(name, step),
            }
            self.dirty.insert(subject);
        }
        if !files.is_empty() {
            step.effects.push(Effect::ReadFiles(files));
        }
    }

    fn key_due(&mut self, name: &KeyName, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        if key.decide(&self.settings.days, &self.settings.channels, step.calendar, step.now) {
            // Saved ahead of all other effects of the step: recorded before it is sent.
            step.save.insert(Subject::Key(name.clone()));
            let reason = key.latest_alert().map(|alert| alert.reason.to_string()).unwrap_or_default();
            step.tell("alert", Some(name), None, key.record.current, format!("an alert is due ({reason})"));
        }
        step.effects.extend(key.take_notices(step.now).into_iter().map(|(channel, notice)| Effect::Notify(channel, notice)));
    }

    fn consumer_due(&mut self, name: &ConsumerName, step: &mut Step) {
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        let notices = consumer.take_notices(step.now);
        if !notices.is_empty() {
            step.save.insert(Subject::Consumer(name.clone()));
            step.effects.extend(notices.into_iter().map(|(channel, notice)| Effect::Notify(channel, notice)));
        }
        if consumer.take_due_look(step.now) || consumer.retry_due(step.now) {
            self.look(name, Why::Look, step);
        }
    }

    /// Brings the order of deadlines up to date with what changed in this step.
    fn settle_deadlines(&mut self, step: &Step) {
        for subject in std::mem::take(&mut self.dirty) {
            let deadline = match &subject {
                Subject::File(path) => self.files.get(path).and_then(FileTrack::deadline),
                Subject::Key(name) => self.keys.get(name).and_then(|key| key.deadline(&self.settings.days, step.calendar, step.now)),
                Subject::Consumer(name) => self.consumers.get(name).and_then(Consumer::deadline),
            };
            if let Some(old) = self.deadline_of.remove(&subject) {
                self.deadlines.remove(&(old, subject.clone()));
            }
            if let Some(at) = deadline {
                self.deadline_of.insert(subject.clone(), at);
                self.deadlines.insert((at, subject));
            }
        }
    }

    fn finish(&self, step: Step) -> Vec<Effect> {
        let records: Vec<Record> = step
            .save
            .into_iter()
            .filter_map(|subject| match subject {
                Subject::Key(name) => self.keys.get(&name).map(|key| Record::Key(name, key.record.clone())),
                Subject::Consumer(name) => self.consumers.get(&name).map(|consumer| Record::Consumer(name, consumer.record.clone())),
                Subject::File(_) => None,
            })
            .collect();
        let mut effects = step.effects;
        if !records.is_empty() {
            effects.insert(0, Effect::Save(records));
        }
        effects
    }

    /// Whether a key is due or worse: for the exit code of `credd check`.
    pub fn key_state(&self, key: &Key, now: Timestamp) -> KeyState {
        key.state(&self.settings.days, now)
    }

    /// The whole state, for writing it anew.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = self.dormant.clone();
        ledger.keys.extend(self.keys.iter().map(|(name, key)| (name.clone(), key.record.clone())));
        ledger.consumers.extend(self.consumers.iter().map(|(name, consumer)| (name.clone(), consumer.record.clone())));
        ledger.clock = Some(self.latest_time);
        ledger
    }
}

/// Whether a consumer holds some value, current or old, that `key` had.
fn follows(consumer: &Consumer, key: &Key) -> bool {
    let held = |print: Fingerprint| key.record.known.iter().any(|known| known.fingerprint == print);
    consumer.processes.iter().flatten().any(|process| process.keys.get(&key.spec.name).copied().flatten().is_some_and(held))
}

fn subject(topic: &Topic) -> Subject {
    match topic {
        Topic::Key(name) => Subject::Key(name.clone()),
        Topic::Consumer(name) => Subject::Consumer(name.clone()),
    }
}

fn refused(message: &str, hint: &str) -> Denial {
    Denial::Refused { message: message.into(), hint: hint.into() }
}

fn refuse_all(consumer: &mut Consumer, message: &str, hint: &str, step: &mut Step) {
    for ticket in std::mem::take(&mut consumer.waiting_for_apply) {
        step.effects.push(Effect::Reply(ticket, Reply::Denied(refused(message, hint))));
    }
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
