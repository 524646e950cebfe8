//! What is remembered across runs of the daemon. No secret, no bare hash of one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alarm::{AlertSent, PopupRecord};
use super::consumer::{MAX_RESTARTS, RESTART_WINDOW};
use super::policy::Reason;
use super::probe::{Probe, Rejection};
use super::renewal::{Credential, Minted, Renewal, Retiring};
use super::tally::Tally;
use super::{Anatomy, ConsumerName, Fingerprint, KeyName, Outcome};

/// Where an issue date comes from; a greater one is better (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuedSource {
    /// The env file's modification time: the latest it can have been.
    File,
    /// The daemon saw it arrive.
    Observed,
    /// `credd renew` put it there.
    Renewed,
    /// The user said so.
    Declared,
    /// IAM said so.
    Iam,
    /// The key carries it.
    Key,
}

/// When a key was issued, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// The date.
    pub at: Timestamp,
    /// Who says so.
    pub source: IssuedSource,
}

impl Issued {
    /// The better of two dates of one key: by its source, and of two that are equally good the earlier,
    /// since both say that it was there by then.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        match self.source.cmp(&other.source) {
            Ordering::Greater => self,
            Ordering::Less => other,
            Ordering::Equal => Self { at: self.at.min(other.at), ..self },
        }
    }
}

/// One value that a tracked variable had, known by its fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownKey {
    /// The value's fingerprint.
    pub fingerprint: Fingerprint,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen to be put in place: the oldest ones are forgotten first.
    pub last_seen: Timestamp,
    /// Its issue date.
    pub issued: Issued,
    /// What it says of itself.
    pub anatomy: Arc<Anatomy>,
    /// Alerts about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<AlertSent>,
    /// The latest answer to whether it works, since it was last put in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Box<Probe>>,
    /// Set from the moment it is rejected until it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Box<Rejection>>,
    /// What IAM says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Box<Credential>>,
    /// When the credentials end that it is signed with, and so the key, whatever it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_ends_at: Option<Timestamp>,
    /// When another value took its place; `None` while none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
    /// Since it was replaced: it was made inactive here, or the user was reminded to revoke it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_seen_to: bool,
}

impl KnownKey {
    /// One that is seen for the first time.
    pub fn new(fingerprint: Fingerprint, issued: Issued, anatomy: Arc<Anatomy>, now: Timestamp) -> Self {
        Self {
            fingerprint,
            first_seen: now,
            last_seen: now,
            issued,
            anatomy,
            alerts: Vec::new(),
            probe: None,
            rejection: None,
            credential: None,
            session_ends_at: None,
            replaced_at: None,
            is_seen_to: false,
        }
    }

    /// When it ends, by whoever knows best: the key itself, then IAM, then what the user says of its lifetime.
    pub fn expires_at(&self, lifetime: Option<SignedDuration>) -> Option<Timestamp> {
        let by_lifetime = || lifetime.and_then(|lifetime| self.issued.at.checked_add(lifetime).ok());
        let by_issuer = match &self.credential {
            _ if self.anatomy.expires_at.is_some() => self.anatomy.expires_at,
            Some(credential) => credential.expires_at,
            None => by_lifetime(),
        };
        [by_issuer, self.session_ends_at].into_iter().flatten().min()
    }
}

/// Why an env file has no value for a key that could be gone by, in words for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// No such assignment, an empty one, or no file.
    Missing(String),
    /// Only running the file could tell, and where.
    Dynamic(String),
    /// The file can't be read.
    Unreadable(String),
}

impl Lack {
    /// The words.
    pub fn why(&self) -> &str {
        match self {
            Self::Missing(why) | Self::Dynamic(why) | Self::Unreadable(why) => why,
        }
    }
}

/// How many earlier values of a variable are remembered, so that restoring one keeps its date.
pub const REMEMBERED_VALUES: usize = 64;
/// How many reminders of one key are kept in its record; the history has all.
const REMEMBERED_REMINDERS: usize = 8;

/// What is remembered of one of `[[keys]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The value the file held when it was last believed.
    pub current: Option<Fingerprint>,
    /// Why it has none since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack: Option<Box<Lack>>,
    /// In which file, and of which variable: in another that is another matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack_of: Option<Box<str>>,
    /// Reminders are quiet until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// The popup that is up, or was when the daemon ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popup: Option<PopupRecord>,
    /// All values seen, in order of arrival.
    #[serde(default)]
    pub known: Vec<KnownKey>,
    /// The renewal that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Box<Renewal>>,
    /// Credentials that were replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retiring>,
    /// The short-term key that was minted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted: Option<Box<Minted>>,
    /// What the user is told besides alerts about its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<Box<News>>,
    /// Alerts that reached the user, by reason; of all its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Box<Tally>>,
}

/// Something to tell the user once: what was done, or is left to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// In one sentence.
    pub detail: String,
    /// The next step, if any.
    pub fix: String,
    /// Its telling.
    pub alert: AlertSent,
    /// Its popup.
    pub popup: PopupRecord,
}

impl KeyRecord {
    /// An alert has reached the user.
    pub fn count_alert(&mut self, reason: Reason) {
        self.told.get_or_insert_default().count(&reason.to_string());
    }

    /// The value that counts.
    pub fn known_now(&self) -> Option<&KnownKey> {
        self.current.and_then(|print| self.known.iter().find(|known| known.fingerprint == print))
    }

    /// The value that counts, to be changed.
    pub fn known_now_mut(&mut self) -> Option<&mut KnownKey> {
        let print = self.current?;
        self.known.iter_mut().find(|known| known.fingerprint == print)
    }

    /// Drops what is too old to be worth its place.
    pub fn trim(&mut self) {
        while self.known.len() > REMEMBERED_VALUES {
            let oldest =
                (0..self.known.len()).filter(|&i| Some(self.known[i].fingerprint) != self.current).min_by_key(|&i| self.known[i].last_seen);
            let Some(oldest) = oldest else { break };
            self.known.remove(oldest);
        }
        for known in &mut self.known {
            let reminders = known.alerts.iter().filter(|alert| alert.reason == Reason::Reminder).count();
            let mut surplus = reminders.saturating_sub(REMEMBERED_REMINDERS);
            known.alerts.retain(|alert| {
                let drop = surplus > 0 && alert.reason == Reason::Reminder && alert.pending.is_empty();
                surplus -= usize::from(drop);
                !drop
            });
        }
    }
}

/// An apply that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastApply {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// One sentence for people.
    pub detail: String,
}

/// An apply that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Why it waits, in words for people.
    pub reason: String,
    /// When it is tried again.
    pub retry_at: Timestamp,
    /// How often it was tried for these keys.
    pub attempts: u32,
    /// The keys it is about: others start afresh.
    pub targets: BTreeMap<KeyName, Fingerprint>,
}

/// Keys that a consumer was not given, for their issuer's sake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldBack {
    /// All that it should have run with.
    pub targets: BTreeMap<KeyName, Fingerprint>,
    /// The issuer rejects what it lacks, and that was told; else the issuer is yet to be asked.
    pub refused: bool,
}

/// What is remembered of one of `[[consumers]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsumerRecord {
    /// The keys of an apply that was begun and of which no end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applying: Option<BTreeMap<KeyName, Fingerprint>>,
    /// When it was restarted lately: counted against the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Timestamp>,
    /// How the last apply ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_apply: Option<LastApply>,
    /// An apply that waits for its next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// What it was not given while its issuer is asked, or since it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
    /// The alert about it, if its last apply went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertSent>,
    /// The popup of that alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popup: Option<PopupRecord>,
    /// Applies that ended, by outcome.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub applies: Tally,
    /// Alerts that reached the user, by reason.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub told: Tally,
}

impl ConsumerRecord {
    /// When the limit allows the next restart; `None` if it does now.
    pub fn limited_until(&self, now: Timestamp) -> Option<Timestamp> {
        let counted = self.restarts.iter().map(|at| (*at).min(now)).filter(|at| now.duration_since(*at) < RESTART_WINDOW);
        counted.rev().nth(MAX_RESTARTS - 1)?.checked_add(RESTART_WINDOW).ok()
    }

    /// An apply has ended.
    pub fn applied(&mut self, last: LastApply) {
        self.applies.count(last.outcome.as_str());
        self.last_apply = Some(last);
    }
}

/// One entry of the state: each replaces the earlier one of its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // made to be saved and dropped
pub enum Record {
    /// Of a key.
    Key(KeyName, KeyRecord),
    /// Of a consumer.
    Consumer(ConsumerName, ConsumerRecord),
    /// The latest time ever seen: a clock that shows less has gone back.
    Clock(Timestamp),
}

/// The whole state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By key; keys that are no longer configured stay, so that their dates do.
    pub keys: BTreeMap<KeyName, KeyRecord>,
    /// By consumer.
    pub consumers: BTreeMap<ConsumerName, ConsumerRecord>,
    /// The latest time ever seen.
    pub clock: Option<Timestamp>,
}

impl Ledger {
    /// Takes an entry in.
    pub fn absorb(&mut self, record: Record) {
        match record {
            Record::Key(name, mut record) => {
                // Reading made room for more.
                record.known.shrink_to_fit();
                self.keys.insert(name, record);
            }
            Record::Consumer(name, record) => drop(self.consumers.insert(name, record)),
            Record::Clock(time) => self.clock = Some(time),
        }
    }

    /// All entries, for writing them anew.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let keys = self.keys.iter().map(|(name, record)| Record::Key(name.clone(), record.clone()));
        let consumers = self.consumers.iter().map(|(name, record)| Record::Consumer(name.clone(), record.clone()));
        keys.chain(consumers).chain(self.clock.map(Record::Clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Channel, KeyKind};

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn known(value: u8, last_seen: i64) -> KnownKey {
        let anatomy = Anatomy { kind: KeyKind::Opaque, issued_at: None, expires_at: None, region: None, account: None, user: None };
        let issued = Issued { at: time(0), source: IssuedSource::File };
        KnownKey::new(Fingerprint::new([value; 16]), issued, Arc::new(anatomy), time(last_seen))
    }

    #[test]
    fn the_values_seen_longest_ago_are_forgotten_but_not_the_one_that_counts() {
        for (count, left) in [(63, 63), (64, 64), (65, 64), (70, 64)] {
            let all = (0..count).map(|value| known(value, i64::from(value)));
            let mut record = KeyRecord { current: Some(Fingerprint::new([0; 16])), known: all.collect(), ..KeyRecord::default() };
            record.trim();
            let kept = [0].into_iter().chain(count - left + 1..count).map(|value| Fingerprint::new([value; 16]));
            assert!(record.known.iter().map(|known| known.fingerprint).eq(kept), "{count}");
        }
    }

    #[test]
    fn the_latest_reminders_are_kept_and_all_other_alerts() {
        let alert = |at, reason, channels: &[_]| AlertSent::new(time(at), reason, channels);
        let mut alerts = vec![alert(0, Reason::Day(25), &[]), alert(1, Reason::Reminder, &[Channel::Desktop])];
        alerts.extend((2..14).map(|at| alert(at, Reason::Reminder, &[])));
        alerts.push(alert(14, Reason::Expired, &[]));
        let mut record = KeyRecord { known: vec![KnownKey { alerts, ..known(1, 0) }], ..KeyRecord::default() };
        record.trim();
        let left: Vec<i64> = record.known[0].alerts.iter().map(|alert| alert.at.as_second()).collect();
        assert_eq!(left, [0, 1, 7, 8, 9, 10, 11, 12, 13, 14], "eight, with the one that is on its way");
        record.trim();
        assert_eq!(record.known[0].alerts.len(), left.len());
    }
}
