//! Files and the keys in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Calendar, ConsumerName, FileTrack, KeyName, Machine, Step, Subject, Why};
use crate::core::file::Verdict;
use crate::core::key::Found;
use crate::core::policy::Reason;
use crate::core::record::{Issued, IssuedSource};
use crate::core::{FileReport, Fingerprint, KeyRecord, KnownKey, Lack, order};

/// What is another than before about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Nothing that concerns a consumer.
    Nothing,
    /// It is known for the first time in this run: it may have changed unseen.
    FirstLook,
    /// It has another value.
    Value,
}

impl Machine {
    pub(super) fn with_file(&mut self, path: &Path, change: impl FnOnce(&mut FileTrack)) {
        if let Some(file) = self.files.get_mut(path) {
            change(file);
            self.dirty.insert(Subject::File(file.path.clone()));
        }
    }

    /// What waited for a file goes on without it.
    fn touch_keys(&mut self, path: &Path) {
        let keys = self.files.get(path).into_iter().flat_map(|file| &file.keys);
        self.dirty.extend(keys.cloned().map(Subject::Key));
    }

    pub(super) fn read_failed(&mut self, paths: &[PathBuf], step: &mut Step) {
        for path in paths {
            self.with_file(path, |file| file.look_failed(step.now));
            self.touch_keys(path);
            let users = self.users_of_file(path);
            self.pay(&users, step);
        }
    }

    pub(super) fn file_read(&mut self, report: FileReport, step: &mut Step) {
        let Some(file) = self.files.get_mut(report.path.as_path()) else { return };
        let path = file.path.clone();
        self.dirty.insert(Subject::File(path.clone()));
        let expected: Vec<&str> = file
            .keys
            .iter()
            .filter_map(|name| self.keys.get(name))
            .filter(|key| key.record.current.is_some())
            .map(|key| &*key.spec.variable)
            .collect();
        let watched_since = file.watched_since;
        match file.judge(report, &expected, step.now) {
            Verdict::Wait => {
                if !file.is_awaited() {
                    self.touch_keys(&path);
                    let users = self.users_of_file(&path);
                    self.pay(&users, step);
                }
            }
            Verdict::Believe(report) => {
                let dates = file.contents().map(|contents| (contents.modified_at, contents.changed_at));
                let names = file.keys.clone();
                let recovered = file.take_recovered();
                let mut looks = BTreeSet::new();
                for name in names {
                    let change = self.key_looked_at(&name, &report, dates, watched_since, step);
                    self.value_seen(&name, step);
                    let why = match change {
                        // A rewrite of the same value concerns nobody.
                        Change::Nothing if !recovered => continue,
                        Change::Nothing | Change::FirstLook => Why::Start,
                        Change::Value => Why::Change,
                    };
                    looks.extend(self.users_of_key(&name).map(|user| (user.clone(), why)));
                }
                for (user, why) in looks {
                    self.look(&user, why, step);
                }
                let users = self.users_of_file(&path);
                self.pay(&users, step);
            }
        }
    }

    /// Takes a look at a file for true at once: for whoever tells how things stand without a daemon. Nothing follows from it.
    pub fn believe(&mut self, now: Timestamp, report: &FileReport, calendar: &dyn Calendar) {
        let mut step = Step { now, calendar, save: BTreeSet::new(), save_clock: false, effects: Vec::new() };
        self.watch_clock(&mut step);
        let Some(file) = self.files.get_mut(report.path.as_path()) else { return };
        file.believed = Some(report.body.clone());
        let dates = file.contents().map(|contents| (contents.modified_at, contents.changed_at));
        for name in file.keys.clone() {
            self.key_looked_at(&name, report, dates, None, &mut step);
        }
    }

    /// The consumers that use a key.
    pub fn users_of_key(&self, key: &KeyName) -> impl Iterator<Item = &ConsumerName> {
        self.users.get(key).into_iter().flatten().chain(&self.users_of_all)
    }

    /// Consumers that something is owed to and that use a key of this file.
    fn users_of_file(&self, path: &Path) -> BTreeSet<ConsumerName> {
        let keys = self.files.get(path).map(|file| &file.keys);
        let owed = |name: &&ConsumerName| self.consumers.get(*name).is_some_and(|consumer| consumer.owed.is_some());
        // One look at those that use all keys is enough for all keys of the file.
        let of_all = self.users_of_all.iter().filter(owed);
        let of_some = keys.into_iter().flatten().filter_map(|key| self.users.get(key)).flatten().filter(owed);
        order::gathered(of_all.chain(of_some).cloned())
    }

    /// Does for consumers what waited for a file, or for an issuer's answer.
    pub(super) fn pay(&mut self, users: &BTreeSet<ConsumerName>, step: &mut Step) {
        for user in users {
            let awaits = self.consumers.get(user).is_some_and(|consumer| self.awaits_files(consumer));
            if !awaits {
                self.look(user, Why::Look, step);
            }
        }
    }

    /// Takes in what a believed look found of one key.
    fn key_looked_at(
        &mut self,
        name: &KeyName,
        report: &FileReport,
        dates: Option<(Timestamp, Timestamp)>,
        watched_since: Option<Timestamp>,
        step: &mut Step,
    ) -> Change {
        let Some(key) = self.keys.get_mut(name) else { return Change::Nothing };
        self.dirty.insert(Subject::Key(name.clone()));
        let before = std::mem::replace(&mut key.found, Found::Unknown);
        let present = key.look(&report.body);
        let (lacked, is_another) = key.save_lack();
        if is_another {
            step.save.insert(Subject::Key(name.clone()));
            if let Found::Lack(lack) = &key.found {
                let event = match lack {
                    Lack::Missing(_) => "key-missing",
                    Lack::Dynamic(_) => "key-dynamic",
                    Lack::Unreadable(_) => "file-unreadable",
                };
                step.tell(event, Some(name), None, None, lack.why().to_owned());
            }
        }
        // What was decided while nobody could tell its value may not have been carried out.
        let unchanged = if matches!(before, Found::Value(_)) { Change::Nothing } else { Change::FirstLook };
        let Some(present) = present else { return unchanged };
        if key.record.current == Some(present.fingerprint) {
            if let Some(known) = key.record.known_now_mut().filter(|known| known.anatomy == present.anatomy) {
                // One copy, whichever was read from the state.
                known.anatomy = present.anatomy.clone();
            }
            if lacked.is_some() {
                step.tell("key-back", Some(name), None, Some(present.fingerprint), "the same key is there again".into());
            }
            return unchanged;
        }
        key.replaced_at = key.record.current.and(dates.map(|(_, changed)| changed));
        // Seen to arrive if the file was watched when it was last modified; else the file's date is
        // the latest the key can have been issued.
        // A date in the future is nonsense, unless it is the clock that is wrong.
        let modified_at = dates.map_or(step.now, |(modified, _)| modified.min(self.latest_time));
        let observed = watched_since.is_some_and(|since| modified_at >= since);
        let source = if observed { IssuedSource::Observed } else { IssuedSource::File };
        let mut guess = Issued { at: modified_at, source };
        if let Some(earlier) = self.dates.get(&present.fingerprint) {
            // A copy with an older file date proves that it was issued earlier still.
            let at = if earlier.source == IssuedSource::File { earlier.at.min(guess.at) } else { earlier.at };
            guess = Issued { at, source: earlier.source };
        }
        let arrival = key.arrive(&present, guess, step.now);
        if let Some(known) = key.record.known_now_mut() {
            if let Some(before) = told_before(&self.dormant.keys, present.fingerprint).filter(|_| arrival.new) {
                known.alerts.clone_from(&before.alerts);
                known.rejection.clone_from(&before.rejection);
            }
            self.dates.insert(present.fingerprint, known.issued);
        }
        // Its date may be a better one than when it was last here, or its lifetime another.
        let _ = key.rearm(&self.settings.days, step.now);
        step.save.insert(Subject::Key(name.clone()));
        let (event, message) = if arrival.new {
            ("key-new", format!("a new key is in {}, line {}", key.spec.env_file.display(), present.line))
        } else {
            ("key-restored", format!("an earlier key is back in {}, line {}: it keeps its date", key.spec.env_file.display(), present.line))
        };
        step.tell(event, Some(name), None, Some(present.fingerprint), message);
        step.close(arrival.popup);
        let news = key.withdraw_news(Reason::SignIn);
        step.close(news);
        if before == Found::Unknown { Change::FirstLook } else { Change::Value }
    }
}

/// What was told of a value under a name that is no longer configured: a key that is renamed is the same.
fn told_before(dormant: &BTreeMap<KeyName, KeyRecord>, print: Fingerprint) -> Option<&KnownKey> {
    dormant.values().flat_map(|record| &record.known).find(|known| known.fingerprint == print)
}
