//! Alerts: when they are due, how they went, and the quiet that the user asks for.

use jiff::Timestamp;

use super::{ConsumerName, Effect, KeyName, Machine, Step, Subject, Topic, Why, subject};
use crate::core::alarm::{AlertSent, Channel, Obstacle};
use crate::core::key::{KeyState, Users};
use crate::core::policy::Reason;

impl Machine {
    pub(super) fn key_due(&mut self, name: &KeyName, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        let news = key.take_news(step.now);
        if !news.is_empty() {
            step.save.insert(Subject::Key(name.clone()));
            step.effects.extend(news.into_iter().map(|(channel, notice)| Effect::Notify(channel, notice)));
        }
        if key.alerts_held_until(step.now).is_some() {
            return;
        }
        if key.decide(&self.settings.days, &self.settings.channels, step.calendar, step.now) {
            // Saved ahead of all other effects of the step: recorded before it is sent.
            step.save.insert(Subject::Key(name.clone()));
            let reason = key.latest_alert().map(|alert| alert.reason.to_string()).unwrap_or_default();
            step.tell("alert", Some(name), None, key.record.current, format!("an alert is due ({reason})"));
        }
        let popup = key.record.popup.clone();
        let users = if key.tells_of_users() { self.users(name) } else { Users::default() };
        let Some(key) = self.keys.get_mut(name) else { return };
        let notices = key.take_notices(&users, step.now);
        if key.record.popup != popup {
            step.save.insert(Subject::Key(name.clone()));
        }
        step.effects.extend(notices.into_iter().map(|(channel, notice)| Effect::Notify(channel, notice)));
    }

    pub(super) fn consumer_due(&mut self, name: &ConsumerName, step: &mut Step) {
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

    pub(super) fn delivered(&mut self, topic: &Topic, channel: Channel, id: Option<u32>, step: &mut Step) {
        let how = match channel {
            Channel::Desktop => "a desktop notification was shown",
            Channel::Command => "the alert command ran",
        };
        let late = match topic {
            Topic::Key(name) => {
                let Some(key) = self.keys.get_mut(name) else { return };
                let before = reached(key.latest_alert());
                let (ours, late) = key.delivered(channel, id, step.now);
                if let Some(reason) = reached(key.latest_alert()).filter(|_| before.is_none()) {
                    key.record.count_alert(reason);
                }
                if let Some(alert) = key.latest_alert().filter(|_| ours) {
                    step.tell("alert-delivered", Some(name), None, key.record.current, format!("{how} ({})", alert.reason));
                }
                late
            }
            Topic::News(name) => {
                let Some(key) = self.keys.get_mut(name) else { return };
                let before = reached(key.record.news.as_ref().map(|news| &news.alert));
                let (ours, late) = key.news_delivered(channel, id, step.now);
                if let Some(reason) = reached(key.record.news.as_ref().map(|news| &news.alert)).filter(|_| before.is_none()) {
                    key.record.count_alert(reason);
                }
                if let Some(news) = key.record.news.as_ref().filter(|_| ours) {
                    step.tell("alert-delivered", Some(name), None, None, format!("{how} ({})", news.alert.reason));
                }
                late
            }
            Topic::Consumer(name) => {
                let Some(consumer) = self.consumers.get_mut(name) else { return };
                let before = reached(consumer.record.alert.as_ref());
                let (ours, late) = consumer.delivered(channel, id, step.now);
                if let Some(reason) = reached(consumer.record.alert.as_ref()).filter(|_| before.is_none()) {
                    consumer.record.told.count(&reason.to_string());
                }
                if ours {
                    step.tell("alert-delivered", None, Some(name), None, how.into());
                }
                late
            }
        };
        step.close(late);
        step.save.insert(subject(topic));
        self.dirty.insert(subject(topic));
    }

    pub(super) fn not_delivered(&mut self, topic: &Topic, channel: Channel, why: &str, step: &mut Step) {
        // There is one command for all. Of the desktop nothing is said: where there is none, it fails all the time.
        let mut is_news = channel == Channel::Command;
        self.obstacles(step.now, &mut |known| is_news &= known.channel != channel);
        let delivery = match topic {
            Topic::Key(name) => self.keys.get_mut(name).map(|key| &mut *key.delivery),
            Topic::Consumer(name) => self.consumers.get_mut(name).map(|consumer| &mut consumer.delivery),
            Topic::News(name) => self.keys.get_mut(name).map(|key| &mut *key.news_delivery),
        };
        if let Some(delivery) = delivery {
            let is_first = delivery.failed(channel, why, step.now);
            self.dirty.insert(subject(topic));
            if is_first && is_news {
                let (key, consumer) = match topic {
                    Topic::Key(name) | Topic::News(name) => (Some(name), None),
                    Topic::Consumer(name) => (None, Some(name)),
                };
                let message = format!("the alert command failed: {why}; it is tried again until it succeeds");
                step.tell("alert-command-failed", key, consumer, None, message);
            }
        }
    }

    /// What keeps alerts from being told, each as often as alerts wait for it.
    pub fn obstacles<'a>(&'a self, now: Timestamp, found: &mut dyn FnMut(Obstacle<'a>)) {
        self.keys().for_each(|key| key.obstacles(now, found));
        self.consumers().for_each(|consumer| consumer.obstacles(found));
    }

    pub(super) fn notifier_appeared(&mut self) {
        for (name, key) in &mut self.keys {
            if key.latest_alert().is_some_and(|alert| alert.pending.contains(&Channel::Desktop)) {
                key.delivery.hurry(Channel::Desktop);
                self.dirty.insert(Subject::Key(name.clone()));
            }
            if key.record.news.as_ref().is_some_and(|news| news.alert.pending.contains(&Channel::Desktop)) {
                key.news_delivery.hurry(Channel::Desktop);
                self.dirty.insert(Subject::Key(name.clone()));
            }
        }
        for (name, consumer) in &mut self.consumers {
            if consumer.record.alert.as_ref().is_some_and(|alert| alert.pending.contains(&Channel::Desktop)) {
                consumer.delivery.hurry(Channel::Desktop);
                self.dirty.insert(Subject::Consumer(name.clone()));
            }
        }
    }

    /// "Remind me tomorrow" was chosen, perhaps on a popup of a key that is no longer there.
    pub(super) fn remind_tomorrow(&mut self, topic: &Topic, step: &mut Step) {
        let Topic::Key(name) = topic else { return };
        let due = self.keys.get(name).is_some_and(|key| key.state_by_dates(&self.settings.days, step.now) == KeyState::Due);
        if due {
            let until = step.calendar.tomorrow(step.now);
            self.snooze(name, Some(until), step);
        }
    }

    /// Quiets reminders, never past expiry. `None` if no key is known.
    pub(super) fn snooze(&mut self, name: &KeyName, until: Option<Timestamp>, step: &mut Step) -> Option<()> {
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
}

/// The reason of an alert that some channel took.
fn reached(alert: Option<&AlertSent>) -> Option<Reason> {
    alert.filter(|alert| alert.delivered).map(|alert| alert.reason)
}
