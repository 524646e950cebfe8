//! When a key is to be renewed: pure arithmetic over its dates.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::core::order;

/// The lifetime that `alerts.days` speaks of.
const STANDARD_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why an alert was sent. Ordered by weight: of several missed ones, the greatest is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A repetition, on the `remind` cron or at the end of a snooze.
    Reminder,
    /// The issuer rejects the key. Weighs less than any date: each of those is told all the same.
    Rejected,
    /// A day of `alerts.days`.
    Day(u32),
    /// The key has ended.
    Expired,
    /// A consumer could not take up a key, and serves with its old environment.
    RolledBack,
    /// A consumer could not take up a key, and doesn't serve.
    ApplyFailed,
    /// A consumer was restarted too often.
    TooManyRestarts,
    /// The next key was made and is in use.
    Renewed,
    /// The user has to sign in before the next key can be made.
    SignIn,
    /// A key that was replaced is still accepted.
    Revoke,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reminder => f.write_str("reminder"),
            Self::Rejected => f.write_str("rejected"),
            Self::Day(day) => write!(f, "day-{day}"),
            Self::Expired => f.write_str("expired"),
            Self::RolledBack => f.write_str("rolled-back"),
            Self::ApplyFailed => f.write_str("apply-failed"),
            Self::TooManyRestarts => f.write_str("too-many-restarts"),
            Self::Renewed => f.write_str("renewed"),
            Self::SignIn => f.write_str("sign-in"),
            Self::Revoke => f.write_str("revoke"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "reminder" => Self::Reminder,
            "rejected" => Self::Rejected,
            "expired" => Self::Expired,
            "rolled-back" => Self::RolledBack,
            "apply-failed" => Self::ApplyFailed,
            "too-many-restarts" => Self::TooManyRestarts,
            "renewed" => Self::Renewed,
            "sign-in" => Self::SignIn,
            "revoke" => Self::Revoke,
            day => day
                .strip_prefix("day-")
                .and_then(|day| day.parse().ok())
                .map(Self::Day)
                .ok_or_else(|| de::Error::custom(format_args!("unknown reason {day:?}")))?,
        })
    }
}

/// A moment from which on an alert is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold {
    /// The moment.
    pub at: Timestamp,
    /// What it is.
    pub reason: Reason,
}

/// The dates of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends; `None` if never.
    pub expires_at: Option<Timestamp>,
}

impl Life {
    /// The thresholds of a key, ascending; none for a key that doesn't expire.
    ///
    /// A day of `days` counts on a key of 30 days. Another key is alerted as long before its end, at
    /// most the same share of its life (contract, section 3).
    pub fn thresholds(&self, days: &[u32]) -> Vec<Threshold> {
        let Some(expires_at) = self.expires_at else { return Vec::new() };
        let lifetime = expires_at.duration_since(self.issued_at).max(SignedDuration::ZERO);
        let mut thresholds: Vec<_> = days
            .iter()
            .map(|&day| Threshold { at: minus(expires_at, lead(lifetime, day)), reason: Reason::Day(day) })
            .chain([Threshold { at: expires_at, reason: Reason::Expired }])
            .collect();
        order::sort_by(&mut thresholds, Ord::cmp);
        thresholds
    }

    /// When its first alert is, if it has any before its end.
    pub fn first_alert_at(&self, days: &[u32]) -> Option<Timestamp> {
        let (expires_at, first) = (self.expires_at?, days.iter().min()?);
        let lifetime = expires_at.duration_since(self.issued_at).max(SignedDuration::ZERO);
        Some(minus(expires_at, lead(lifetime, *first)))
    }

    /// How old it is, in days; never negative, whatever the clock says.
    pub fn age_days(&self, now: Timestamp) -> f64 {
        days(now.duration_since(self.issued_at)).max(0.0)
    }

    /// How long it lives on, in days; negative once expired.
    pub fn days_left(&self, now: Timestamp) -> Option<f64> {
        self.expires_at.map(|end| days(end.duration_since(now)))
    }
}

/// How long before the end of a key of `lifetime` the threshold `day` (of a 30-day key) stands.
fn lead(lifetime: SignedDuration, day: u32) -> SignedDuration {
    let standard = STANDARD_LIFETIME - SignedDuration::from_hours(24) * i32::try_from(day.min(30)).unwrap_or(30);
    let share = lifetime.as_secs().saturating_mul(standard.as_secs()) / STANDARD_LIFETIME.as_secs();
    standard.min(SignedDuration::from_secs(share))
}

fn minus(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

fn days(duration: SignedDuration) -> f64 {
    duration.as_secs_f64() / 86_400.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(issued: &str, lifetime: SignedDuration) -> Life {
        let issued_at: Timestamp = issued.parse().unwrap();
        Life { issued_at, expires_at: Some(issued_at + lifetime) }
    }

    fn at(life: &Life, days: &[u32]) -> Vec<(String, String)> {
        life.thresholds(days).iter().map(|t| (t.at.to_string(), t.reason.to_string())).collect()
    }

    #[test]
    fn a_standard_key_is_alerted_at_day_25_and_at_its_end() {
        let life = life("2026-10-01T08:00:00Z", SignedDuration::from_hours(720));
        assert_eq!(at(&life, &[25]), [("2026-10-26T08:00:00Z".into(), "day-25".into()), ("2026-10-31T08:00:00Z".into(), "expired".into())]);
    }

    #[test]
    fn a_longer_key_is_alerted_as_long_before_its_end() {
        let life = life("2026-01-01T00:00:00Z", SignedDuration::from_hours(90 * 24));
        assert_eq!(at(&life, &[25])[0].0, "2026-03-27T00:00:00Z");
    }

    #[test]
    fn a_shorter_key_is_alerted_at_the_same_share_of_its_life() {
        let life = life("2026-01-01T00:00:00Z", SignedDuration::from_hours(12));
        assert_eq!(at(&life, &[25])[0].0, "2026-01-01T10:00:00Z");
    }

    #[test]
    fn a_key_without_an_end_has_no_thresholds() {
        let life = Life { issued_at: Timestamp::UNIX_EPOCH, expires_at: None };
        assert!(life.thresholds(&[25]).is_empty());
        assert_eq!(life.days_left(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn ages_and_remainders() {
        let life = life("2026-10-01T00:00:00Z", SignedDuration::from_hours(720));
        let now: Timestamp = "2026-10-04T12:00:00Z".parse().unwrap();
        assert!((life.age_days(now) - 3.5).abs() < 1e-9);
        assert!((life.days_left(now).unwrap() - 26.5).abs() < 1e-9);
        assert!(life.age_days(Timestamp::UNIX_EPOCH).abs() < 1e-9);
    }

    #[test]
    fn reasons_survive_the_way_through_json() {
        use Reason::*;
        for reason in [Reminder, Rejected, Day(25), Expired, RolledBack, ApplyFailed, TooManyRestarts, Renewed, SignIn, Revoke] {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), reason);
        }
    }
}
