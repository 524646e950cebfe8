//! Telling the user something once: decided, recorded, sent, recorded, and sent again until a
//! channel took it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Reason;
use super::rare::Unset;
use crate::core::order;

/// A way to reach the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// A desktop notification.
    Desktop,
    /// `alerts.command`.
    Command,
}

/// One alert, as it is saved and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertSent {
    /// When it reached the user, or was decided on while it hasn't.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Earlier reasons that this alert speaks for, since they were missed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub covers: BTreeSet<Reason>,
    /// Some channel took it.
    pub delivered: bool,
    /// The end of the key that it spoke of. Should that move, what was told too early is due again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Channels that have not taken it yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pending: BTreeSet<Channel>,
}

/// The popup of an alert, saved before it is sent, so that a daemon that dies in between replaces it
/// rather than showing a second one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopupRecord {
    /// The notification's id: chosen by us, then the one the server gave.
    pub id: u32,
    /// Replacement tag.
    pub tag: String,
}

/// How the sending of the latest alert goes in this run of the daemon (not saved: a new run starts afresh).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivery {
    channels: BTreeMap<Channel, Sending>,
    failures: Failures,
}

/// Why a channel didn't take what it was given last, if it didn't.
#[derive(Clone, Debug, Default, PartialEq)]
struct Failures {
    desktop: Option<Box<str>>,
    command: Option<Box<str>>,
}

/// A channel that doesn't take what is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle<'a> {
    /// The channel.
    pub channel: Channel,
    /// What it says.
    pub why: &'a str,
    /// When it is tried again; `None` while it is.
    pub retry_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Sending {
    under_way: Option<UnderWay>,
    /// The latest alert was tried, so a result that comes late is about it.
    tried: bool,
    failures: u32,
    retry_at: Option<Timestamp>,
}

/// A try whose result is to come. Results don't say what they are about, so there is one at a time.
#[derive(Clone, Debug, PartialEq)]
struct UnderWay {
    /// The result is lost if it hasn't come by then.
    until: Timestamp,
    /// It is of an alert that has since been replaced: its result says nothing of the latest.
    outdated: bool,
}

/// From the first failure to the second try; doubled each time.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Channels answer well within this, or something was lost.
const RESULT_LIMIT: SignedDuration = SignedDuration::from_mins(2);

/// A limit that is noticed so much later than it was set for ran out in a suspend, or the clock was set.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// Longest wait between tries.
///
/// The desktop tells when its notification service appears, so its limit is for the rest: no bus at
/// all, a hung service. A command that fails is likely to be wrong, and may do something each time.
fn longest_retry(channel: Channel) -> SignedDuration {
    match channel {
        Channel::Desktop => SignedDuration::from_secs(60),
        Channel::Command => SignedDuration::from_hours(1),
    }
}

impl Unset for Delivery {
    const UNSET: &'static Self = &Self { channels: BTreeMap::new(), failures: Failures { desktop: None, command: None } };
}

impl Failures {
    fn of(&mut self, channel: Channel) -> &mut Option<Box<str>> {
        match channel {
            Channel::Desktop => &mut self.desktop,
            Channel::Command => &mut self.command,
        }
    }
}

impl Sending {
    /// When it may be tried (again).
    fn ready_at(&self) -> Timestamp {
        self.under_way.as_ref().map(|under_way| under_way.until).or(self.retry_at).unwrap_or(Timestamp::MIN)
    }
}

impl Delivery {
    /// The channels to send `alert` to now.
    pub fn due(&self, alert: &AlertSent, now: Timestamp) -> Vec<Channel> {
        alert.pending.iter().copied().filter(|channel| self.ready_at(*channel) <= now).collect()
    }

    /// Gives results that could not come while the machine slept their time. To be called ahead of
    /// [`Self::due`].
    pub fn wake(&mut self, now: Timestamp) {
        for under_way in self.channels.values_mut().filter_map(|sending| sending.under_way.as_mut()) {
            if now.duration_since(under_way.until) > LATE {
                under_way.until = later(now, RESULT_LIMIT);
            }
        }
    }

    /// When to ask [`Self::due`] again, if nothing else happens; `None` if all channels took it.
    pub fn deadline(&self, alert: &AlertSent) -> Option<Timestamp> {
        alert.pending.iter().map(|channel| self.ready_at(*channel)).min()
    }

    fn ready_at(&self, channel: Channel) -> Timestamp {
        self.channels.get(&channel).map_or(Timestamp::MIN, Sending::ready_at)
    }

    /// A channel is being tried.
    pub fn started(&mut self, channel: Channel, now: Timestamp) {
        let sending = self.channels.entry(channel).or_default();
        sending.tried = true;
        sending.retry_at = None;
        sending.under_way = Some(UnderWay { until: later(now, RESULT_LIMIT), outdated: false });
    }

    /// A channel took something. Returns whether that was `alert`, which is then marked.
    pub fn succeeded(&mut self, alert: &mut AlertSent, channel: Channel, now: Timestamp) -> bool {
        let sending = self.channels.entry(channel).or_default();
        let ours = match sending.under_way.take() {
            Some(under_way) => !under_way.outdated,
            None => sending.tried,
        };
        if !ours {
            return false;
        }
        *self.failures.of(channel) = None;
        if alert.pending.remove(&channel) && !alert.delivered {
            alert.delivered = true;
            alert.at = now;
        }
        true
    }

    /// As [`Self::succeeded`], where the alert may be gone.
    pub fn ended(&mut self, alert: Option<&mut AlertSent>, channel: Channel, now: Timestamp) -> bool {
        if let Some(alert) = alert {
            return self.succeeded(alert, channel, now);
        }
        self.channels.remove(&channel);
        *self.failures.of(channel) = None;
        false
    }

    /// A channel didn't take it. Returns whether it was well before, as far as is known.
    pub fn failed(&mut self, channel: Channel, why: &str, now: Timestamp) -> bool {
        let sending = self.channels.entry(channel).or_default();
        if sending.under_way.take().is_none() {
            return false;
        }
        let before = self.failures.of(channel).replace(why.into());
        let limit = longest_retry(channel);
        let factor = 1_i32.checked_shl(sending.failures.min(16)).unwrap_or(i32::MAX);
        let wait = FIRST_RETRY.checked_mul(factor).unwrap_or(limit).min(limit);
        sending.failures = sending.failures.saturating_add(1);
        sending.retry_at = Some(later(now, wait));
        before.is_none()
    }

    /// Whether a channel has failed since it last took anything.
    pub fn has_failed(&self) -> bool {
        self.failures.desktop.is_some() || self.failures.command.is_some()
    }

    /// What keeps `alert` from being told by all its channels.
    pub fn obstacles<'a>(&'a self, alert: &AlertSent, found: &mut dyn FnMut(Obstacle<'a>)) {
        for (channel, why) in [(Channel::Desktop, &self.failures.desktop), (Channel::Command, &self.failures.command)] {
            if let Some(why) = why.as_deref().filter(|_| alert.pending.contains(&channel)) {
                let retry_at = self.channels.get(&channel).and_then(|sending| sending.retry_at);
                found(Obstacle { channel, why, retry_at });
            }
        }
    }

    /// The configuration was read anew, and with it perhaps another command, of which no failure is known.
    pub fn reroute(&mut self) {
        self.hurry(Channel::Command);
        self.failures.command = None;
    }

    /// Something changed for the better: the next try by this channel need not wait.
    pub fn hurry(&mut self, channel: Channel) {
        if let Some(sending) = self.channels.get_mut(&channel) {
            sending.retry_at = None;
            sending.failures = 0;
        }
    }

    /// There is another alert to send, or none: results of what was sent before don't count for it.
    pub fn start_over(&mut self) {
        for sending in self.channels.values_mut() {
            sending.tried = false;
            sending.failures = 0;
            sending.retry_at = None;
            if let Some(under_way) = &mut sending.under_way {
                under_way.outdated = true;
            }
        }
    }

    /// The alert is no longer of interest.
    pub fn forget(&mut self) {
        self.start_over();
        self.failures = Failures::default();
    }

    /// The clock was set back: what was to be done at a time that is now far away is done soon.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        for sending in self.channels.values_mut() {
            sending.retry_at = None;
            if let Some(under_way) = &mut sending.under_way {
                under_way.until = under_way.until.min(later(now, RESULT_LIMIT));
            }
        }
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

impl AlertSent {
    /// A new alert for `channels`; without any it stands recorded and is not tried.
    pub fn new(now: Timestamp, reason: Reason, channels: &[Channel]) -> Self {
        Self {
            at: now,
            reason,
            covers: BTreeSet::new(),
            delivered: false,
            expires_at: None,
            pending: order::gathered(channels.iter().copied()),
        }
    }

    /// The weightiest reason that it speaks for.
    pub fn weight(&self) -> Reason {
        self.covers.last().map_or(self.reason, |covered| self.reason.max(*covered))
    }

    /// The ways to reach the user are others now: one that reached nobody goes by those.
    pub fn reroute(&mut self, channels: &[Channel]) {
        if self.delivered {
            self.pending.retain(|channel| channels.contains(channel));
        } else {
            self.pending = order::gathered(channels.iter().copied());
        }
    }

    /// The key's end has moved: takes back what is still `ahead`. Returns whether anything is left.
    pub fn take_back(&mut self, ahead: impl Fn(Reason) -> bool) -> bool {
        self.covers.retain(|reason| !ahead(*reason));
        if ahead(self.reason) {
            let Some(rest) = self.covers.pop_last() else { return false };
            self.reason = rest;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    #[test]
    fn is_tried_again_with_growing_pauses_until_taken() {
        let mut alert = AlertSent::new(second(0), Reason::Day(25), &[Channel::Desktop]);
        let mut delivery = Delivery::default();
        let mut now = second(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(delivery.due(&alert, now), [Channel::Desktop]);
            delivery.started(Channel::Desktop, now);
            assert!(delivery.due(&alert, now).is_empty(), "one try at a time");
            delivery.failed(Channel::Desktop, "nobody there", now);
            let next = delivery.deadline(&alert).unwrap();
            pauses.push(next.duration_since(now).as_secs());
            assert!(delivery.due(&alert, now).is_empty());
            now = next;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        delivery.started(Channel::Desktop, now);
        delivery.succeeded(&mut alert, Channel::Desktop, now);
        assert!(alert.delivered);
        assert_eq!(alert.at, now);
        assert_eq!(delivery.deadline(&alert), None);
    }

    #[test]
    fn each_channel_is_served_by_itself() {
        let mut alert = AlertSent::new(second(0), Reason::Expired, &[Channel::Desktop, Channel::Command]);
        let mut delivery = Delivery::default();
        for channel in delivery.due(&alert, second(0)) {
            delivery.started(channel, second(0));
        }
        delivery.succeeded(&mut alert, Channel::Command, second(1));
        delivery.failed(Channel::Desktop, "no bus", second(1));
        assert!(alert.delivered);
        assert_eq!(alert.at, second(1));
        assert_eq!(delivery.due(&alert, second(3)), [Channel::Desktop]);
        delivery.started(Channel::Desktop, second(3));
        delivery.succeeded(&mut alert, Channel::Desktop, second(3));
        assert_eq!(alert.at, second(1), "the time it first reached the user");
        assert!(alert.pending.is_empty());
    }

    #[test]
    fn a_result_that_never_comes_is_not_waited_for_for_ever() {
        let alert = AlertSent::new(second(0), Reason::Day(25), &[Channel::Desktop]);
        let mut delivery = Delivery::default();
        delivery.started(Channel::Desktop, second(0));
        assert!(delivery.due(&alert, second(119)).is_empty());
        assert_eq!(delivery.deadline(&alert), Some(second(120)));
        assert_eq!(delivery.due(&alert, second(120)), [Channel::Desktop]);
    }

    #[test]
    fn the_result_of_an_earlier_alert_says_nothing_of_the_next() {
        let mut delivery = Delivery::default();
        delivery.started(Channel::Desktop, second(0));
        delivery.start_over();
        let mut next = AlertSent::new(second(1), Reason::Expired, &[Channel::Desktop]);
        assert!(delivery.due(&next, second(1)).is_empty(), "the earlier one's result is to come");
        assert!(!delivery.succeeded(&mut next, Channel::Desktop, second(2)));
        assert!(!next.delivered);
        assert_eq!(delivery.due(&next, second(2)), [Channel::Desktop]);
    }

    #[test]
    fn a_popup_that_comes_up_after_all_counts() {
        let mut alert = AlertSent::new(second(0), Reason::Expired, &[Channel::Desktop]);
        let mut delivery = Delivery::default();
        delivery.started(Channel::Desktop, second(0));
        delivery.failed(Channel::Desktop, "no answer", second(5));
        assert!(delivery.succeeded(&mut alert, Channel::Desktop, second(6)));
        assert_eq!(delivery.deadline(&alert), None);
    }

    #[test]
    fn what_fails_is_known_until_it_works_or_is_asked_no_longer() {
        let mut alert = AlertSent::new(second(0), Reason::Expired, &[Channel::Desktop, Channel::Command]);
        let mut delivery = Delivery::default();
        let said = |delivery: &Delivery, alert: &AlertSent| {
            let mut said = Vec::new();
            delivery.obstacles(alert, &mut |found| said.push(format!("{:?}: {} {:?}", found.channel, found.why, found.retry_at)));
            said
        };
        let fail = |delivery: &mut Delivery, n| {
            delivery.started(Channel::Command, second(n));
            delivery.failed(Channel::Command, "exit code 1", second(n))
        };
        assert!(fail(&mut delivery, 0), "the first of a spell");
        assert!(!fail(&mut delivery, 2), "of which there is one");
        delivery.started(Channel::Desktop, second(2));
        delivery.succeeded(&mut alert, Channel::Desktop, second(2));
        assert_eq!(said(&delivery, &alert), [format!("Command: exit code 1 {:?}", Some(second(6)))], "whatever the desktop did");
        delivery.started(Channel::Command, second(6));
        assert_eq!(said(&delivery, &alert), ["Command: exit code 1 None"], "it is being tried");
        let mut rerouted = (alert.clone(), delivery.clone());
        delivery.succeeded(&mut alert, Channel::Command, second(6));
        assert!(said(&delivery, &alert).is_empty());
        alert.pending.insert(Channel::Command);
        assert!(fail(&mut delivery, 9), "another spell");
        rerouted.0.reroute(&[Channel::Desktop]);
        assert!(said(&rerouted.1, &rerouted.0).is_empty(), "there is no command now");
        rerouted.1.reroute();
        assert!(fail(&mut rerouted.1, 9), "nothing was known of another one");
    }

    #[test]
    fn a_failing_command_does_not_hold_up_the_desktop() {
        let alert = AlertSent::new(second(0), Reason::Expired, &[Channel::Desktop, Channel::Command]);
        let mut delivery = Delivery::default();
        for n in 0..20 {
            delivery.started(Channel::Command, second(n));
            delivery.failed(Channel::Command, "exit 1", second(n));
        }
        assert_eq!(delivery.due(&alert, second(20)), [Channel::Desktop]);
        delivery.started(Channel::Desktop, second(20));
        delivery.failed(Channel::Desktop, "no bus", second(20));
        assert_eq!(delivery.due(&alert, second(22)), [Channel::Desktop], "each channel has pauses of its own");
    }
}
