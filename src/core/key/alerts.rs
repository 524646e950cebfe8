//! Which alert about a key is due, and how it is told.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Found, Key, Users, life_of, popup_id, tag_of};
use crate::core::alarm::{AlertSent, Channel, Obstacle, PopupRecord};
use crate::core::event::{Calendar, Facts, Notice, Topic};
use crate::core::policy::{Reason, Threshold};
use crate::core::{Lack, order};

impl Key {
    /// The alert about the value that counts that was sent last, or is being sent.
    pub fn latest_alert(&self) -> Option<&AlertSent> {
        self.record.known_now()?.alerts.last()
    }

    pub(super) fn latest_alert_mut(&mut self) -> Option<&mut AlertSent> {
        self.record.known_now_mut()?.alerts.last_mut()
    }

    /// Whether alerts make sense: there is a value, or there was one and the file can't be read now.
    /// While it wasn't looked at yet, the value may have been replaced.
    fn alertable(&self) -> bool {
        matches!(self.found, Found::Value(_) | Found::Lack(Lack::Unreadable(_)))
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
        for delivery in [self.delivery.if_set(), self.news_delivery.if_set()].into_iter().flatten() {
            delivery.clock_went_back(now);
        }
        self.probe_clock_went_back(now);
        self.iam_clock_went_back(now);
        self.mint_clock_went_back();
        self.renewal_clock_went_back();
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
        let mut reasons: BTreeSet<Reason> = order::gathered(is_rejected.then_some(Reason::Rejected).into_iter());
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
        if let Some(delivery) = self.delivery.if_set() {
            delivery.wake(now);
        }
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

    /// What keeps its alert, or its news, from being told by all channels.
    pub fn obstacles<'a>(&'a self, now: Timestamp, found: &mut dyn FnMut(Obstacle<'a>)) {
        // Of ten thousand keys this is asked for each status.
        if self.delivery.has_failed()
            && let Some(alert) = self.unsent_alert()
        {
            // With the quiet that the user asked for, the next try waits too.
            let quiet_until = self.held_back_until(alert, now);
            self.delivery.obstacles(alert, &mut |one| found(Obstacle { retry_at: one.retry_at.max(quiet_until), ..one }));
        }
        if let Some(news) = &self.record.news {
            self.news_delivery.obstacles(&news.alert, found);
        }
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
