//! One tracked key: what the file holds, and since when.

mod alerts;
mod iam;
mod minting;
mod news;
mod renewing;

use std::sync::Arc;

use jiff::Timestamp;

use super::alarm::{AlertSent, Channel, Delivery, PopupRecord};
use super::event::KeySpec;
use super::policy::{Life, Reason, Threshold};
use super::probe::Probing;
use super::rare::Rare;
use super::record::{Issued, IssuedSource, KeyRecord, KnownKey, Lack};
pub use iam::AskingIam;
pub use minting::Minting;
pub use renewing::Renewing;

use super::{ConsumerName, FileBody, Finding, Fingerprint, PresentKey};

/// What the env file says of the key's variable, when last believed.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The file was not looked at yet in this run.
    Unknown,
    /// A value.
    Value(Arc<PresentKey>),
    /// None to go by.
    Lack(Lack),
}

/// Standing of a key (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing is due.
    Ok,
    /// The first alert was reached.
    Due,
    /// It has ended.
    Expired,
    /// Its issuer rejects it.
    Rejected,
    /// No such assignment or no file.
    Missing,
    /// Only running the file could tell.
    Dynamic,
    /// The file can't be read.
    Unreadable,
}

/// A key, as the core follows it.
#[derive(Debug)]
pub struct Key {
    /// What the configuration says of it.
    pub spec: Arc<KeySpec>,
    /// What is saved of it.
    pub record: KeyRecord,
    /// What its file says.
    pub found: Found,
    /// How the sending of its latest alert goes.
    pub delivery: Rare<Delivery>,
    /// When the file was changed to hold the value that counts instead of another, if that was found
    /// out in this run.
    pub replaced_at: Option<Timestamp>,
    /// How asking after it goes.
    pub probing: Rare<Probing>,
    /// Reminders are counted from then, since the latest alert is dated in the future: the clock was
    /// ahead when it was sent.
    remind_from: Option<Timestamp>,
    /// How asking IAM about it goes.
    pub iam: Rare<AskingIam>,
    /// How making the next one goes.
    pub renewing: Rare<Renewing>,
    /// How minting goes.
    pub minting: Rare<Minting>,
    /// How the telling of its news goes.
    pub news_delivery: Rare<Delivery>,
}

/// Who uses a key's value, and who another one.
#[derive(Clone, Debug, Default)]
pub struct Users {
    /// Consumers that run with the value that counts.
    pub running: Vec<ConsumerName>,
    /// Consumers that run with another.
    pub kept: Vec<ConsumerName>,
}

/// A value that arrived in the file.
pub struct Arrival {
    /// It was never seen before.
    pub new: bool,
    /// The popup about the value before it.
    pub popup: Option<PopupRecord>,
}

impl Key {
    /// A key with what was saved of it.
    pub fn new(spec: Arc<KeySpec>, record: KeyRecord) -> Self {
        Self {
            spec,
            record,
            found: Found::Unknown,
            delivery: Rare::default(),
            replaced_at: None,
            probing: Rare::default(),
            remind_from: None,
            iam: Rare::default(),
            renewing: Rare::default(),
            minting: Rare::default(),
            news_delivery: Rare::default(),
        }
    }

    /// The ways to reach the user are others now.
    pub fn reroute_alerts(&mut self, channels: &[Channel]) {
        if let Some(alert) = self.latest_alert_mut() {
            alert.reroute(channels);
        }
        if let Some(news) = &mut self.record.news {
            news.alert.reroute(channels);
        }
        for delivery in [self.delivery.if_set(), self.news_delivery.if_set()].into_iter().flatten() {
            delivery.reroute();
        }
    }

    /// Takes in what a believed look at its file found. Returns the value that is there, if any.
    pub fn look(&mut self, body: &FileBody) -> Option<Arc<PresentKey>> {
        let report = match body {
            FileBody::Read(contents) => contents.variables.iter().find(|report| *report.variable == *self.spec.variable),
            _ => None,
        };
        let file = self.spec.env_file.display();
        let lack = match (body, report.map(|report| &report.finding)) {
            (_, Some(Finding::Present(key))) => {
                self.found = Found::Value(key.clone());
                return Some(key.clone());
            }
            (FileBody::Missing, _) => Lack::Missing(format!("{file} doesn't exist")),
            (FileBody::Unreadable(why), _) => Lack::Unreadable(why.clone()),
            (_, Some(Finding::Empty { line })) => Lack::Missing(format!("line {line} assigns the empty value")),
            (_, Some(Finding::Dynamic { reason, line })) => Lack::Dynamic(format!("line {line}: {reason}")),
            (_, Some(Finding::Unset { hint: Some(hint) })) => Lack::Missing(hint.clone()),
            (_, _) => Lack::Missing(format!("{file} doesn't set {}", self.spec.variable)),
        };
        self.found = Found::Lack(lack);
        None
    }

    /// Why there is no value to go by: as of now, or until its file was looked at, as of the last run.
    pub fn lack(&self) -> Option<&Lack> {
        match &self.found {
            Found::Lack(lack) => Some(lack),
            Found::Unknown => self.record.lack.as_deref().filter(|_| self.record.lack_of == Some(self.place())),
            Found::Value(_) => None,
        }
    }

    /// The file and the variable in it.
    fn place(&self) -> Box<str> {
        format!("{} {}", self.spec.env_file.display(), self.spec.variable).into()
    }

    /// Saves what is lacking now. Returns what was before, and whether that is another.
    pub fn save_lack(&mut self) -> (Option<Lack>, bool) {
        let before_of = self.record.lack_of.take();
        let before = self.record.lack.take().filter(|_| before_of == Some(self.place()));
        if let Found::Lack(lack) = &self.found {
            self.record.lack = Some(Box::new(lack.clone()));
            self.record.lack_of = Some(self.place());
        }
        let is_another = before != self.record.lack;
        (before.map(|lack| *lack), is_another)
    }

    /// The value that is in the file now.
    pub fn present(&self) -> Option<&PresentKey> {
        match &self.found {
            Found::Value(key) => Some(key),
            _ => None,
        }
    }

    /// The value to be rolled out: a control character in it is never accepted by an issuer.
    pub fn target(&self) -> Option<Fingerprint> {
        self.present().filter(|key| !key.control_character).map(|key| key.fingerprint)
    }

    /// Makes `key` the value that counts. `guess` is its issue date if nothing better is known.
    pub fn arrive(&mut self, key: &PresentKey, guess: Issued, now: Timestamp) -> Arrival {
        let issued = match key.anatomy.issued_at {
            Some(at) => Issued { at, source: IssuedSource::Key },
            None => guess,
        };
        if let Some(before) = self.record.known_now_mut() {
            before.replaced_at = Some(now);
        }
        self.record.current = Some(key.fingerprint);
        self.record.snoozed_until = None;
        if let Some(iam) = self.iam.if_set() {
            iam.start_over();
        }
        if let Some(minting) = self.minting.if_set() {
            minting.trouble = None;
            minting.told_to_sign_in = false;
        }
        self.renewal_starts_over();
        if let Some(delivery) = self.delivery.if_set() {
            delivery.forget();
        }
        if let Some(probing) = self.probing.if_set() {
            probing.start_over();
        }
        self.remind_from = None;
        // What values say of themselves is mostly the same: nothing, or one account and user.
        for known in self.record.known.iter_mut().filter(|known| known.anatomy == key.anatomy) {
            known.anatomy = key.anatomy.clone();
        }
        let known = self.record.known_now_mut();
        let new = known.is_none();
        if let Some(known) = known {
            known.last_seen = now;
            known.anatomy = key.anatomy.clone();
            known.issued = known.issued.better(issued);
            // Much may have happened to it meanwhile.
            known.probe = None;
            known.replaced_at = None;
            known.is_seen_to = false;
        } else {
            // Most keys have one value for long: no room is made for more.
            self.record.known.reserve_exact(1);
            self.record.known.push(KnownKey::new(key.fingerprint, issued, key.anatomy.clone(), now));
        }
        self.record.trim();
        Arrival { new, popup: self.record.popup.take() }
    }

    /// Sets a better issue date. Returns the popup that is no longer true.
    pub fn set_issued(&mut self, issued: Issued, days: &[u32], now: Timestamp) -> Option<PopupRecord> {
        self.record.known_now_mut()?.issued = issued;
        self.rearm(days, now)
    }

    /// Makes alerts due again that spoke of another end of the key and lie ahead now that its end has
    /// moved. Nothing of that depends on what the clock shows alone: one that was set back makes no
    /// alert come twice. Returns the popup that is no longer true.
    pub fn rearm(&mut self, days: &[u32], now: Timestamp) -> Option<PopupRecord> {
        let expires_at = self.life()?.expires_at;
        let thresholds = self.life()?.thresholds(days);
        let known = self.record.known_now_mut()?;
        let moved = |alert: &AlertSent| alert.expires_at.is_some() && alert.expires_at != expires_at;
        if !known.alerts.iter().any(moved) {
            return None;
        }
        let is_ahead = |reason: Reason| {
            reason != Reason::Rejected && !thresholds.iter().any(|threshold| threshold.reason == reason && threshold.at <= now)
        };
        let is_well = thresholds.iter().all(|threshold| threshold.at > now);
        let mut untrue = false;
        known.alerts.retain_mut(|alert| {
            let before = alert.reason;
            let keep = match alert.reason {
                Reason::Reminder => alert.delivered || !is_well,
                _ => !moved(alert) || alert.take_back(is_ahead),
            };
            alert.expires_at = expires_at;
            untrue |= alert.reason != before;
            keep
        });
        self.delivery.start_over();
        if is_well {
            self.delivery.forget();
        }
        let speaks_of_dates = self.latest_alert().is_none_or(|alert| alert.reason != Reason::Rejected);
        if (is_well && speaks_of_dates) || untrue { self.record.popup.take() } else { None }
    }

    /// The dates of the value that counts.
    pub fn life(&self) -> Option<Life> {
        self.record.known_now().map(|known| life_of(known, self.spec.lifetime))
    }

    /// Its standing.
    pub fn state(&self, days: &[u32], now: Timestamp) -> KeyState {
        match self.state_by_dates(days, now) {
            KeyState::Ok | KeyState::Due if self.rejection().is_some() => KeyState::Rejected,
            state => state,
        }
    }

    /// Its standing, whatever its issuer says.
    pub fn state_by_dates(&self, days: &[u32], now: Timestamp) -> KeyState {
        match self.lack() {
            Some(Lack::Missing(_)) => return KeyState::Missing,
            Some(Lack::Dynamic(_)) => return KeyState::Dynamic,
            Some(Lack::Unreadable(_)) => return KeyState::Unreadable,
            None => {}
        }
        let Some(life) = self.life() else { return KeyState::Missing };
        match life.thresholds(days).iter().rev().find(|threshold| threshold.at <= now) {
            Some(Threshold { reason: Reason::Expired, .. }) => KeyState::Expired,
            Some(_) => KeyState::Due,
            None => KeyState::Ok,
        }
    }
}

fn tag_of(spec: &KeySpec) -> String {
    format!("credd-key-{}", spec.name)
}

fn life_of(known: &KnownKey, lifetime: Option<jiff::SignedDuration>) -> Life {
    Life { issued_at: known.issued.at, expires_at: known.expires_at(lifetime) }
}

/// An id for a popup that was never shown. It is sent as the id to replace, so that a second sending
/// after a crash replaces the first. Servers count theirs up from 1, so ours start at 2^30; they end
/// below 2^31 because dunst keeps ids in a C `int`.
pub fn popup_id(tag: &str) -> u32 {
    // FNV-1a: the same on every run and every machine, unlike std's hashers.
    let hash = tag.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (1 << 30) | (hash >> 2)
}
