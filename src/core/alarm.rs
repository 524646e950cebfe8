//! Telling the user something once: decided, recorded, sent, recorded, and sent again until a
//! channel took it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::Reason;

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

/// Where the latest alert stands in this run of the daemon (not saved: a new run starts afresh).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivery {
    in_flight: BTreeSet<Channel>,
    failures: u32,
    retry_at: Option<Timestamp>,
    /// Why the desktop didn't take it, if it didn't.
    pub desktop_failure: Option<String>,
}

/// From the first failure to the second try; doubled each time.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Longest wait between tries. The desktop tells when its notification service appears, so this is
/// for the rest: no bus at all, a hung service, a failing command.
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(60);

impl Delivery {
    /// The channels to send `alert` to now.
    pub fn due(&self, alert: &AlertSent, now: Timestamp) -> Vec<Channel> {
        if self.retry_at.is_some_and(|at| at > now) {
            return Vec::new();
        }
        alert.pending.difference(&self.in_flight).copied().collect()
    }

    /// When to ask [`Self::due`] again, if nothing else happens; `None` while all is sent or under way.
    pub fn deadline(&self, alert: &AlertSent) -> Option<Timestamp> {
        if alert.pending.is_subset(&self.in_flight) {
            return None;
        }
        Some(self.retry_at.unwrap_or(Timestamp::MIN))
    }

    /// A channel is being tried.
    pub fn started(&mut self, channel: Channel) {
        self.in_flight.insert(channel);
        self.retry_at = None;
    }

    /// A channel took `alert`.
    pub fn succeeded(&mut self, alert: &mut AlertSent, channel: Channel, now: Timestamp) {
        self.in_flight.remove(&channel);
        if channel == Channel::Desktop {
            self.desktop_failure = None;
        }
        if alert.pending.remove(&channel) && !alert.delivered {
            alert.delivered = true;
            alert.at = now;
        }
    }

    /// A channel didn't take it.
    pub fn failed(&mut self, channel: Channel, why: &str, now: Timestamp) {
        self.in_flight.remove(&channel);
        if channel == Channel::Desktop {
            self.desktop_failure = Some(why.to_owned());
        }
        let factor = 1_i32.checked_shl(self.failures.min(8)).unwrap_or(i32::MAX);
        let wait = FIRST_RETRY.checked_mul(factor).unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY);
        self.failures += 1;
        self.retry_at = now.checked_add(wait).ok();
    }

    /// Something changed for the better: the next try need not wait.
    pub fn hurry(&mut self) {
        self.retry_at = None;
        self.failures = 0;
    }
}

impl AlertSent {
    /// A new alert for `channels`; without any it stands recorded and is not tried.
    pub fn new(now: Timestamp, reason: Reason, channels: &[Channel]) -> Self {
        Self { at: now, reason, covers: BTreeSet::new(), delivered: false, pending: channels.iter().copied().collect() }
    }

    /// Whether this alert spoke for `reason`.
    pub fn covers(&self, reason: Reason) -> bool {
        self.reason == reason || self.covers.contains(&reason)
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
            delivery.started(Channel::Desktop);
            assert!(delivery.due(&alert, now).is_empty(), "one try at a time");
            assert_eq!(delivery.deadline(&alert), None);
            delivery.failed(Channel::Desktop, "nobody there", now);
            let next = delivery.deadline(&alert).unwrap();
            pauses.push(next.duration_since(now).as_secs());
            assert!(delivery.due(&alert, now).is_empty());
            now = next;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        delivery.started(Channel::Desktop);
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
            delivery.started(channel);
        }
        delivery.succeeded(&mut alert, Channel::Command, second(1));
        delivery.failed(Channel::Desktop, "no bus", second(1));
        assert!(alert.delivered);
        assert_eq!(alert.at, second(1));
        assert_eq!(delivery.due(&alert, second(3)), [Channel::Desktop]);
        delivery.started(Channel::Desktop);
        delivery.succeeded(&mut alert, Channel::Desktop, second(3));
        assert_eq!(alert.at, second(1), "the time it first reached the user");
        assert!(alert.pending.is_empty());
    }
}
