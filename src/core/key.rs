//! One tracked key: what the file holds, since when, and which alert is next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::alarm::{AlertSent, Channel, Delivery, PopupRecord};
use super::event::{Calendar, Facts, KeySpec, Notice, Topic};
use super::policy::{Life, Reason, Threshold};
use super::probe::Probing;
use super::record::{Issued, IssuedSource, KeyRecord, KnownKey};
use super::{ConsumerName, FileBody, Finding, Fingerprint, PresentKey, VariableReport};

/// What the env file says of the key's variable, when last believed.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The file was not looked at yet in this run.
    Unknown,
    /// A value.
    Value(VariableReport),
    /// No such assignment, an empty one, or no file; why, in words for people.
    Missing(String),
    /// Only running the file could tell; why, and where.
    Dynamic(String),
    /// The file can't be read; why.
    Unreadable(String),
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
    pub spec: KeySpec,
    /// What is saved of it.
    pub record: KeyRecord,
    /// What its file says.
    pub found: Found,
    /// How the sending of its latest alert goes.
    pub delivery: Delivery,
    /// When the file was changed to hold the value that counts instead of another, if that was found
    /// out in this run.
    pub replaced_at: Option<Timestamp>,
    /// How asking after it goes.
    pub probing: Probing,
    /// Reminders are counted from then, since the latest alert is dated in the future: the clock was
    /// ahead when it was sent.
    remind_from: Option<Timestamp>,
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
    pub fn new(spec: KeySpec, record: KeyRecord) -> Self {
        Self {
            spec,
            record,
            found: Found::Unknown,
            delivery: Delivery::default(),
            replaced_at: None,
            probing: Probing::default(),
            remind_from: None,
        }
    }

    /// The ways to reach the user are others now.
    pub fn reroute_alerts(&mut self, channels: &[Channel]) {
        if let Some(alert) = self.latest_alert_mut() {
            alert.reroute(channels);
        }
    }

    /// Takes in what a believed look at its file found. Returns the value that is there, if any.
    pub fn look(&mut self, body: &FileBody) -> Option<PresentKey> {
        let report = match body {
            FileBody::Read(contents) => contents.variables.iter().find(|report| report.variable == *self.spec.variable),
            _ => None,
        };
        self.found = match (body, report.map(|report| (report, &report.finding))) {
            (FileBody::Missing, _) => Found::Missing(format!("{} doesn't exist", self.spec.env_file.display())),
            (FileBody::Unreadable(why), _) => Found::Unreadable(why.clone()),
            (_, Some((report, Finding::Present(_)))) => Found::Value(report.clone()),
            (_, Some((_, Finding::Empty { line }))) => Found::Missing(format!("line {line} assigns the empty value")),
            (_, Some((_, Finding::Dynamic { reason, line }))) => Found::Dynamic(format!("line {line}: {reason}")),
            (_, Some((_, Finding::Unset { hint: Some(hint) }))) => Found::Missing(hint.clone()),
            (_, _) => Found::Missing(format!("{} doesn't set {}", self.spec.env_file.display(), self.spec.variable)),
        };
        self.present().cloned()
    }

    /// The value that is in the file now.
    pub fn present(&self) -> Option<&PresentKey> {
        match &self.found {
            Found::Value(VariableReport { finding: Finding::Present(key), .. }) => Some(key),
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
        self.record.current = Some(key.fingerprint);
        self.record.snoozed_until = None;
        self.delivery.forget();
        self.probing.start_over();
        self.remind_from = None;
        let known = self.record.known_now_mut();
        let new = known.is_none();
        if let Some(known) = known {
            known.last_seen = now;
            known.anatomy = key.anatomy.clone();
            known.issued = known.issued.better(issued);
            // Much may have happened to it meanwhile.
            known.probe = None;
        } else {
            self.record.known.push(KnownKey {
                fingerprint: key.fingerprint,
                first_seen: now,
                last_seen: now,
                issued,
                anatomy: key.anatomy.clone(),
                alerts: Vec::new(),
                probe: None,
                rejection: None,
            });
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
        match &self.found {
            Found::Missing(_) => return KeyState::Missing,
            Found::Dynamic(_) => return KeyState::Dynamic,
            Found::Unreadable(_) => return KeyState::Unreadable,
            Found::Unknown | Found::Value(_) => {}
        }
        let Some(life) = self.life() else { return KeyState::Missing };
        match life.thresholds(days).iter().rev().find(|threshold| threshold.at <= now) {
            Some(Threshold { reason: Reason::Expired, .. }) => KeyState::Expired,
            Some(_) => KeyState::Due,
            None => KeyState::Ok,
        }
    }

    /// The alert about the value that counts that was sent last, or is being sent.
    pub fn latest_alert(&self) -> Option<&AlertSent> {
        self.record.known_now()?.alerts.last()
    }

    fn latest_alert_mut(&mut self) -> Option<&mut AlertSent> {
        self.record.known_now_mut()?.alerts.last_mut()
    }

    /// Whether alerts make sense: there is a value, or there was one and the file can't be read now.
    /// While it wasn't looked at yet, the value may have been replaced.
    fn alertable(&self) -> bool {
        matches!(self.found, Found::Value(_) | Found::Unreadable(_))
    }

    /// Thresholds that no alert spoke for yet, ascending. Once a later one was told, earlier ones have
    /// nothing to add.
    fn open_thresholds(&self, days: &[u32]) -> Vec<Threshold> {
        let Some(known) = self.record.known_now() else { return Vec::new() };
        let told = known.alerts.iter().map(AlertSent::weight).max().unwrap_or(Reason::Reminder);
        let mut open = life_of(known, self.spec.lifetime).thresholds(days);
        open.retain(|threshold| threshold.reason > told);
        open
    }

    /// Whether its issuer rejects it and nobody was told; where the user knows that it has ended, that says
    /// it all.
    fn has_untold_rejection(&self) -> bool {
        let knows_worse =
            || self.record.known_now().is_some_and(|known| known.alerts.iter().any(|alert| alert.weight() == Reason::Expired));
        self.alertable() && self.rejection().is_some_and(|rejection| !rejection.told) && !knows_worse()
    }

    /// The end of the quiet that the user asked for, if that is to come.
    fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.record.snoozed_until.filter(|until| *until > now)
    }

    /// When the next alert is, if the key stays: a threshold, or a reminder. May lie in the past,
    /// which means now.
    pub fn next_alert_at(&self, days: &[u32], calendar: &dyn Calendar, now: Timestamp) -> Option<Timestamp> {
        if !self.alertable() {
            return None;
        }
        let quiet_until = self.quiet_until(now);
        let threshold = self
            .open_thresholds(days)
            .iter()
            .map(|threshold| match quiet_until {
                Some(until) if threshold.reason != Reason::Expired => threshold.at.max(until),
                _ => threshold.at,
            })
            .min();
        [threshold, self.next_reminder_at(days, calendar)].into_iter().flatten().min()
    }

    fn next_reminder_at(&self, days: &[u32], calendar: &dyn Calendar) -> Option<Timestamp> {
        let life = self.life()?;
        let expires_at = life.expires_at?;
        let first_due = life.thresholds(days).first()?.at;
        let latest = self.latest_alert().filter(|alert| alert.delivered)?;
        let last = self.remind_from.unwrap_or(latest.at).max(first_due);
        let at = match self.record.snoozed_until {
            Some(until) if until > last => until,
            _ => calendar.next_reminder(last)?,
        };
        // Close to the end, the last alert says it all.
        (at < expires_at).then_some(at)
    }

    /// The clock was set back to `now`. An alert from what is now the future stays told, and must not
    /// silence reminders until then.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        self.delivery.clock_went_back(now);
        self.probe_clock_went_back(now);
        if self.latest_alert().is_some_and(|alert| alert.at > now) {
            self.remind_from = Some(now);
        }
    }

    /// Records the alert that is due, if any. The caller saves, then sends.
    pub fn decide(&mut self, days: &[u32], channels: &[Channel], calendar: &dyn Calendar, now: Timestamp) -> bool {
        let is_due = self.next_alert_at(days, calendar, now).is_some_and(|at| at <= now);
        let is_rejected = self.has_untold_rejection();
        if !is_due && !is_rejected {
            return false;
        }
        let mut reasons: BTreeSet<Reason> = is_rejected.then_some(Reason::Rejected).into_iter().collect();
        // Thresholds that are put off, since the user asked for quiet, stay so.
        reasons
            .extend(self.open_thresholds(days).iter().filter(|threshold| is_due && threshold.at <= now).map(|threshold| threshold.reason));
        let rejection_counts = self.rejection().is_some();
        let Some(known) = self.record.known_now_mut() else { return false };
        // One that never reached anybody becomes part of this one.
        if let Some(unheard) = known.alerts.pop_if(|last| !last.delivered) {
            reasons.extend(unheard.covers);
            reasons.insert(unheard.reason);
            reasons.remove(&Reason::Reminder);
        }
        if let Some(rejection) = &mut known.rejection {
            rejection.told |= is_rejected;
        }
        let reason = match reasons.last() {
            // That calls fail now matters more than that they will one day.
            Some(last) if *last != Reason::Expired && rejection_counts && reasons.contains(&Reason::Rejected) => Reason::Rejected,
            Some(last) => *last,
            None => Reason::Reminder,
        };
        reasons.remove(&reason);
        if self.record.snoozed_until.is_some_and(|until| until <= now) || reason == Reason::Expired {
            self.record.snoozed_until = None;
        }
        self.delivery.start_over();
        self.remind_from = None;
        let expires_at = self.life().and_then(|life| life.expires_at);
        let mut alert = AlertSent::new(now, reason, channels);
        alert.expires_at = expires_at;
        alert.covers = reasons;
        let Some(known) = self.record.known_now_mut() else { return false };
        known.alerts.push(alert);
        let tag = tag_of(&self.spec);
        self.record.popup.get_or_insert_with(|| PopupRecord { id: popup_id(&tag), tag });
        self.record.trim();
        true
    }

    /// Whether the alert that is to be told speaks of who uses the key.
    pub fn tells_of_users(&self) -> bool {
        self.unsent_alert().is_some_and(|alert| alert.reason == Reason::Rejected)
    }

    /// The alert to be sent now, and the channels to send it by. They are taken to be under way.
    pub fn take_notices(&mut self, users: &Users, now: Timestamp) -> Vec<(Channel, Notice)> {
        self.delivery.wake(now);
        let Some(alert) = self.unsent_alert() else { return Vec::new() };
        if self.held_back_until(alert, now).is_some() {
            return Vec::new();
        }
        let due = self.delivery.due(alert, now);
        let reason = alert.reason;
        let Some(notice) = self.notice(reason, users).filter(|_| !due.is_empty()) else { return Vec::new() };
        due.into_iter()
            .map(|channel| {
                self.delivery.started(channel, now);
                (channel, notice.clone())
            })
            .collect()
    }

    /// Until when an alert that reached nobody yet waits, since the user asked for quiet meanwhile.
    fn held_back_until(&self, alert: &AlertSent, now: Timestamp) -> Option<Timestamp> {
        self.quiet_until(now).filter(|_| !matches!(alert.reason, Reason::Expired | Reason::Rejected))
    }

    /// The latest alert, if there is still something to tell by it.
    fn unsent_alert(&self) -> Option<&AlertSent> {
        let ends = self.life()?.expires_at.is_some();
        self.latest_alert().filter(|alert| {
            let is_true = if alert.reason == Reason::Rejected { self.rejection().is_some() } else { ends };
            self.alertable() && is_true && !alert.pending.is_empty()
        })
    }

    fn notice(&mut self, reason: Reason, users: &Users) -> Option<Notice> {
        let known = self.record.known_now()?;
        let (variable, env_file) = (self.spec.variable.clone(), self.spec.env_file.clone());
        let facts = if reason == Reason::Rejected {
            let detail = self.rejection()?.detail.clone();
            Facts::Rejected { variable, env_file, detail, running: users.running.clone(), kept: users.kept.clone() }
        } else {
            let expires_at = life_of(known, self.spec.lifetime).expires_at?;
            Facts::Expiry { variable, env_file, expires_at, source: known.issued.source }
        };
        let tag = tag_of(&self.spec);
        let popup = self.record.popup.get_or_insert_with(|| PopupRecord { id: popup_id(&tag), tag });
        Some(Notice { topic: Topic::Key(self.spec.name.clone()), reason, popup: popup.clone(), facts })
    }

    /// A channel took an alert; `id` is what the notification service calls it. Returns whether it was
    /// the latest, and a popup that came up too late: what it says is no longer true.
    pub fn delivered(&mut self, channel: Channel, id: Option<u32>, now: Timestamp) -> (bool, Option<PopupRecord>) {
        let mut delivery = std::mem::take(&mut self.delivery);
        let ours = delivery.ended(self.latest_alert_mut(), channel, now);
        self.delivery = delivery;
        if ours {
            self.remind_from = None;
        }
        match (id, &mut self.record.popup) {
            (Some(id), Some(popup)) => popup.id = id,
            (Some(id), None) => return (ours, Some(PopupRecord { id, tag: tag_of(&self.spec) })),
            (None, _) => {}
        }
        (ours, None)
    }

    /// When something is to be done about it.
    pub fn deadline(&self, days: &[u32], calendar: &dyn Calendar, now: Timestamp) -> Option<Timestamp> {
        if !self.alertable() {
            return None;
        }
        if self.has_untold_rejection() {
            return Some(Timestamp::MIN);
        }
        let delivery = self.unsent_alert().and_then(|alert| self.delivery.deadline(alert).max(self.held_back_until(alert, now)));
        [self.next_alert_at(days, calendar, now), delivery].into_iter().flatten().min()
    }
}

fn tag_of(spec: &KeySpec) -> String {
    format!("credd-key-{}", spec.name)
}

fn life_of(known: &KnownKey, lifetime: Option<jiff::SignedDuration>) -> Life {
    let issued_at = known.issued.at;
    let by_lifetime = lifetime.and_then(|lifetime| issued_at.checked_add(lifetime).ok());
    Life { issued_at, expires_at: known.anatomy.expires_at.or(by_lifetime) }
}

/// An id for a popup that was never shown. It is sent as the id to replace, so that a second sending
/// after a crash replaces the first. Servers count theirs up from 1, so ours start at 2^30; they end
/// below 2^31 because dunst keeps ids in a C `int`.
pub fn popup_id(tag: &str) -> u32 {
    // FNV-1a: the same on every run and every machine, unlike std's hashers.
    let hash = tag.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (1 << 30) | (hash >> 2)
}
