//! The decisions: one event in, effects out.

mod alerts;
mod consumers;
mod files;
mod gate;
mod iam;
mod minting;
mod probes;
mod renewals;
mod requests;
mod setup;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::alarm::PopupRecord;
use super::consumer::{Consumer, ConsumerState, Phase, Targets, Why};
use super::event::{Calendar, Effect, Event, HistoryEntry, Reply, Settings, Ticket, Topic};
use super::file::FileTrack;
use super::key::Key;
use super::record::{Issued, KeyRecord, Ledger, Record};
use super::{ConsumerName, Fingerprint, KeyName, order};

/// A clock that shows this much less than before has gone back; less is what time servers correct.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(2);
/// Timers are looked over when the clock shows this much less than before.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(1);
/// How far the latest time that is saved may lag behind.
const CLOCK_SAVED: SignedDuration = SignedDuration::from_mins(1);

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
    /// In boxes, as keys are: half of a tree's places are empty.
    files: BTreeMap<Arc<std::path::Path>, Box<FileTrack>>,
    keys: BTreeMap<KeyName, Box<Key>>,
    consumers: BTreeMap<ConsumerName, Consumer>,
    /// Which consumers use a key, besides those that use all.
    users: HashMap<KeyName, Vec<ConsumerName>>,
    /// Consumers that use all keys.
    users_of_all: Vec<ConsumerName>,
    /// Records of keys and consumers that are not configured now.
    dormant: Ledger,
    /// The best known date of every value that is remembered, under whatever key.
    dates: HashMap<Fingerprint, Issued>,
    /// With more dates than that, some are of values that are no longer remembered.
    most_dates: usize,
    deadlines: BTreeSet<(Timestamp, Subject)>,
    deadline_of: HashMap<Subject, Timestamp>,
    dirty: BTreeSet<Subject>,
    /// Looks that a [`super::Request::Refresh`] still waits for.
    looks_awaited: HashMap<Ticket, usize>,
    /// Keys that are being asked after.
    probes_under_way: BTreeSet<KeyName>,
    /// Keys whose renewal waits for others, or which had credentials that are being retired.
    followed: BTreeSet<KeyName>,
    /// Time of the step before this.
    previous: Timestamp,
    latest_time: Timestamp,
    saved_time: Timestamp,
    clock_went_back: Option<Timestamp>,
}

/// One step in the making.
struct Step<'a> {
    now: Timestamp,
    calendar: &'a dyn Calendar,
    /// Whose records have changed. They are saved ahead of all other effects of the step.
    save: BTreeSet<Subject>,
    save_clock: bool,
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

    fn reply_all(&mut self, tickets: &mut Vec<Ticket>, reply: &Reply) {
        self.effects.extend(tickets.drain(..).map(|ticket| Effect::Reply(ticket, reply.clone())));
    }
}

impl Machine {
    /// A machine with what was saved. [`Event::Start`] sets it going.
    pub fn new(settings: Settings, ledger: Ledger) -> Self {
        let dates = dates_of(ledger.keys.values());
        let latest_time = ledger.clock.unwrap_or(Timestamp::MIN);
        let mut machine = Self {
            settings: Settings { days: Vec::new(), channels: Vec::new(), keys: Vec::new(), consumers: Vec::new() },
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            consumers: BTreeMap::new(),
            users: HashMap::new(),
            users_of_all: Vec::new(),
            looks_awaited: HashMap::new(),
            probes_under_way: BTreeSet::new(),
            followed: BTreeSet::new(),
            previous: latest_time,
            latest_time,
            saved_time: latest_time,
            dormant: ledger,
            most_dates: room_for(&dates),
            dates,
            deadlines: BTreeSet::new(),
            deadline_of: HashMap::new(),
            dirty: BTreeSet::new(),
            clock_went_back: None,
        };
        // Nobody waits for anything yet.
        let _ = machine.configure(settings);
        machine
    }

    /// Takes an event that happened at `now` and says what is to be done.
    pub fn step(&mut self, now: Timestamp, event: Event, calendar: &dyn Calendar) -> Vec<Effect> {
        let mut step = Step { now, calendar, save: BTreeSet::new(), save_clock: false, effects: Vec::new() };
        self.watch_clock(&mut step);
        match event {
            Event::Start => self.start(&mut step),
            Event::Tick => {}
            Event::Probed(name, print, report) => self.probed(&name, print, report, &mut step),
            Event::FileHint(paths) => {
                for path in paths {
                    self.with_file(&path, |file| file.stir(now));
                }
            }
            Event::FileRead(report) => self.file_read(report, &mut step),
            Event::ReadFailed(paths) => self.read_failed(&paths, &mut step),
            Event::Inspected(name, report) => self.inspected(&name, report, &mut step),
            Event::ConsumerGone(name) => {
                if let Some(consumer) = self.consumers.get_mut(&name) {
                    consumer.gone(now);
                    self.look(&name, Why::Look, &mut step);
                }
            }
            Event::IamSaid(name, print, report) => self.iam_said(&name, print, report, &mut step),
            Event::RenewalBegins(name, plan) => self.renewal_begins(&name, plan, &mut step),
            Event::RenewalMade(name, made) => self.renewal_made(&name, made, &mut step),
            Event::RenewalEnded(name, report) => self.renewal_ended(&name, report, &mut step),
            Event::Retired(name, id, report) => self.retired(&name, &id, report, &mut step),
            Event::Minted(name, report) => self.minted(&name, report, &mut step),
            Event::ApplyProgress(name, phase) => {
                if let Some(Consumer { phase: Phase::Applying { progress, .. }, .. }) = self.consumers.get_mut(&name) {
                    *progress = phase;
                }
            }
            Event::Applied(name, report) => self.applied(&name, report, &mut step),
            Event::Delivered(topic, channel, id) => self.delivered(&topic, channel, id, &mut step),
            Event::NotDelivered(topic, channel, why) => self.not_delivered(&topic, channel, &why, &mut step),
            Event::NotifierAppeared => self.notifier_appeared(),
            Event::RemindTomorrow(topic) => self.remind_tomorrow(&topic, &mut step),
            Event::Reconfigured(settings) => self.reconfigure(settings, &mut step),
            Event::Request(ticket, request) => self.request(ticket, request, &mut step),
        }
        self.follow_renewals(&mut step);
        self.due(&mut step);
        self.settle_deadlines(&step);
        if self.dates.len() > self.most_dates {
            self.dates = dates_of(self.keys.values().map(|key| &key.record).chain(self.dormant.keys.values()));
            self.most_dates = room_for(&self.dates);
        }
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
        self.keys.values().map(Box::as_ref)
    }

    /// One key.
    pub fn key(&self, name: &KeyName) -> Option<&Key> {
        self.keys.get(name).map(Box::as_ref)
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
        self.files.values().map(Box::as_ref)
    }

    /// The env file of a key.
    pub fn file(&self, path: &std::path::Path) -> Option<&FileTrack> {
        self.files.get(path).map(Box::as_ref)
    }

    /// The latest time seen, if the clock shows less now.
    pub fn clock_went_back(&self) -> Option<Timestamp> {
        self.clock_went_back
    }

    /// The keys that a consumer should run with: what the files hold now.
    pub fn targets(&self, consumer: &Consumer) -> Targets {
        order::gathered(self.counts_for(consumer).values().filter_map(|key| Some((key.spec.name.clone(), key.target()?))))
    }

    /// How a consumer stands to its files. A value that it won't be given, for a control character in it, is another than
    /// it has.
    pub fn consumer_state(&self, consumer: &Consumer) -> ConsumerState {
        let counts = self.counts_for(consumer);
        let targets = order::gathered(counts.values().filter_map(|key| Some((key.spec.name.clone(), key.target()?))));
        let state = consumer.state(&targets);
        let mut flawed = counts.values().filter_map(|key| Some((key, key.present().filter(|present| present.control_character)?)));
        let lacks = |key: &Key, print| consumer.holds(&[(key.spec.name.clone(), print)].into()) == Some(false);
        if state == ConsumerState::Current && flawed.any(|(key, present)| lacks(key, present.fingerprint)) {
            return ConsumerState::Stale;
        }
        state
    }

    /// The key that counts for a consumer, by variable.
    ///
    /// Where several keys share a variable, the consumer follows the one of which it holds a value,
    /// be it an old one; else the first.
    pub fn counts_for<'a>(&'a self, consumer: &'a Consumer) -> BTreeMap<&'a str, &'a Key> {
        let mut by_variable: BTreeMap<&str, &Key> = BTreeMap::new();
        for key in self.keys_of(consumer) {
            by_variable
                .entry(&key.spec.variable)
                .and_modify(|chosen| {
                    let rank = |key: &Key| (follows(consumer, key), key.target().is_some());
                    if rank(key) > rank(chosen) {
                        *chosen = key;
                    }
                })
                .or_insert(key);
        }
        by_variable
    }

    /// The keys that a consumer uses, in the order of the configuration.
    pub fn keys_of<'a>(&'a self, consumer: &'a Consumer) -> impl Iterator<Item = &'a Key> {
        let all = consumer.spec.keys.is_empty().then(|| self.settings.keys.iter().map(|spec| &spec.name));
        all.into_iter().flatten().chain(&consumer.spec.keys).filter_map(|name| self.key(name))
    }

    fn watch_clock(&mut self, step: &mut Step) {
        let now = step.now;
        let previous = std::mem::replace(&mut self.previous, now);
        if now >= self.latest_time {
            self.latest_time = now;
            if self.clock_went_back.take().is_some() {
                step.tell("clock-caught-up", None, None, None, "the clock has caught up with the latest time seen".into());
            }
            return;
        }
        let back = previous.duration_since(now);
        if back > CLOCK_SLACK {
            self.clock_went_back = Some(self.latest_time);
            step.save_clock = true;
            step.tell("clock-went-back", None, None, None, format!("the clock went back: it showed {previous} before"));
        }
        if back > CLOCK_STEP {
            self.files.values_mut().for_each(|file| file.clock_went_back(now));
            self.keys.values_mut().for_each(|key| key.clock_went_back(now));
            self.consumers.values_mut().for_each(|consumer| consumer.clock_went_back(now));
            self.touch_all();
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
                Subject::Key(name) => {
                    self.probe_due(name, step);
                    self.iam_due(name, step);
                    self.mint_due(name, step);
                    self.renewal_due(name, step);
                    self.key_due(name, step);
                }
                Subject::Consumer(name) => self.consumer_due(name, step),
            }
            self.dirty.insert(subject);
        }
        if !files.is_empty() {
            step.effects.push(Effect::ReadFiles(files));
        }
    }

    /// Brings the order of deadlines up to date with what changed in this step.
    fn settle_deadlines(&mut self, step: &Step) {
        for subject in std::mem::take(&mut self.dirty) {
            let deadline = match &subject {
                Subject::File(path) => self.file(path).and_then(FileTrack::deadline),
                Subject::Key(name) => self.keys.get(name).and_then(|key| {
                    let alert = key.deadline(&self.settings.days, step.calendar, step.now);
                    let alert = match key.alerts_held_until(step.now) {
                        Some(until) => alert.map(|at| at.max(until)).filter(|at| *at < Timestamp::MAX),
                        None => alert,
                    };
                    let at_rest = self.is_at_rest(key);
                    let probe = key.probe_deadline(at_rest, step.calendar);
                    let issuer = [key.iam_deadline(), key.mint_deadline(), key.sign_in_deadline()].into_iter().flatten().min();
                    let renewal = self.renewal_deadline(key, step);
                    [alert, probe, issuer.filter(|_| at_rest), renewal, key.news_deadline()].into_iter().flatten().min()
                }),
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

    fn finish(&mut self, step: Step) -> Vec<Effect> {
        let mut records: Vec<Record> = step
            .save
            .into_iter()
            .filter_map(|subject| match subject {
                Subject::Key(name) => {
                    let record = self.keys.get(&name).map(|key| &key.record).or_else(|| self.dormant.keys.get(&name))?.clone();
                    Some(Record::Key(name, record))
                }
                Subject::Consumer(name) => {
                    let record = self.consumers.get(&name).map(|consumer| &consumer.record);
                    let record = record.or_else(|| self.dormant.consumers.get(&name))?.clone();
                    Some(Record::Consumer(name, record))
                }
                Subject::File(_) => None,
            })
            .collect();
        // A clock that is set back while the daemon is down is noticed by what was saved last.
        let stale = self.latest_time.duration_since(self.saved_time) > CLOCK_SAVED;
        if step.save_clock || (stale && !records.is_empty()) {
            self.saved_time = self.latest_time;
            records.push(Record::Clock(self.latest_time));
        }
        let mut effects = step.effects;
        if !records.is_empty() {
            effects.insert(0, Effect::Save(records));
        }
        effects
    }

    /// The whole state, for writing it anew, made one entry at a time.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let keys = self.keys.iter().map(|(name, key)| Record::Key(name.clone(), key.record.clone()));
        let consumers = self.consumers.iter().map(|(name, consumer)| Record::Consumer(name.clone(), consumer.record.clone()));
        self.dormant.records().chain(keys).chain(consumers).chain([Record::Clock(self.latest_time)])
    }
}

/// The best date of each value that the records know.
fn dates_of<'r>(records: impl Iterator<Item = &'r KeyRecord>) -> HashMap<Fingerprint, Issued> {
    let mut dates: HashMap<Fingerprint, Issued> = HashMap::new();
    for known in records.flat_map(|record| &record.known) {
        let best = dates.entry(known.fingerprint).or_insert(known.issued);
        *best = best.better(known.issued);
    }
    dates
}

/// Looking for what is forgotten costs a look at everything: seldom, and for a part of what is there.
fn room_for(dates: &HashMap<Fingerprint, Issued>) -> usize {
    dates.len() + dates.len() / 2 + 64
}

/// Whether a consumer holds some value, current or old, that `key` had.
fn follows(consumer: &Consumer, key: &Key) -> bool {
    let held = |print: Fingerprint| key.record.known.iter().any(|known| known.fingerprint == print);
    consumer.processes.iter().flatten().any(|process| process.keys.get(&key.spec.name).copied().flatten().is_some_and(held))
}

fn subject(topic: &Topic) -> Subject {
    match topic {
        Topic::Key(name) | Topic::News(name) => Subject::Key(name.clone()),
        Topic::Consumer(name) => Subject::Consumer(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use crate::core::tests::world::{FILE, SECOND, World};

    #[test]
    fn dates_are_forgotten_with_their_values() {
        let mut world = World::running();
        for value in 2..=u8::MAX {
            world.edit(FILE, "K", value);
            world.run(SECOND * 2);
        }
        let remembered = world.key("bedrock").record.known.len();
        let dates = world.machine.dates.len();
        assert!(remembered < 100 && (remembered..2 * remembered + 64).contains(&dates), "{remembered} values, {dates} dates");
    }
}
