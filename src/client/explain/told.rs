//! What became of each alert that was due.

use jiff::{SignedDuration, Timestamp};

use super::{Grounds, dates};
use crate::client::words;
use crate::core::{HistoryEntry, Life, Reason, Threshold};
use crate::protocol::{AlertStatus, KeyStanding, KeyStatus, Problem};

/// An alert that came no later came when it was due.
const LATE: SignedDuration = SignedDuration::from_mins(2);

/// Of each alert that was due, when it came, and why it didn't come then.
pub(super) fn told(key: &KeyStatus, life: &Life, on: &Grounds) -> Vec<String> {
    let now = on.now.timestamp();
    life.thresholds(&on.alerts.days)
        .into_iter()
        .filter(|threshold| threshold.at <= now)
        .map(|threshold| match key.alerts_sent.iter().rfind(|alert| weight(alert) == Some(threshold.reason)) {
            Some(alert) if alert.delivered => came(key, life, threshold, alert, on),
            Some(_) => {
                let (name, at, why) = (named(threshold.reason, life), when(threshold.at, on), in_the_way(threshold.reason, key, on));
                format!("The {name} is due since {at}: {why}.")
            }
            None => passed_over(key, life, threshold, on),
        })
        .collect()
}

/// That its issuer rejects it, in the issuer's words, and whether that was told.
pub(super) fn rejection(key: &KeyStatus, on: &Grounds) -> Vec<String> {
    let detail = key.detail.as_ref().filter(|_| key.state == KeyStanding::Rejected);
    let detail = detail.map(|detail| format!("It is rejected: {}.", detail.trim_end_matches('.')));
    let alert = key.alerts_sent.iter().rfind(|alert| alert.reason == Reason::Rejected.to_string());
    let told = alert.map(|alert| match when(alert.at, on) {
        at if alert.delivered => format!("That its issuer rejects it was told {at}."),
        at => format!("That its issuer rejects it is due to be told since {at}: {}.", in_the_way(Reason::Rejected, key, on)),
    });
    detail.into_iter().chain(told).collect()
}

/// The latest reminder.
pub(super) fn reminders(key: &KeyStatus, on: &Grounds) -> Option<String> {
    let last = key.alerts_sent.iter().rfind(|alert| alert.reason == Reason::Reminder.to_string())?;
    let state = if last.delivered { "came" } else { "is due since" };
    Some(format!("You were reminded of it since; the latest reminder {state} {}.", when(last.at, on)))
}

fn when(at: Timestamp, on: &Grounds) -> String {
    words::moment(at, on.now)
}

fn named(reason: Reason, life: &Life) -> String {
    match reason {
        Reason::Day(day) if dates::is_standard(life) => format!("alert of day {day}"),
        Reason::Day(day) => {
            let at = life.thresholds(&[day]).first().map(|threshold| threshold.at);
            format!("alert {}", at.map_or_else(|| "ahead of its end".into(), |at| dates::before_the_end(at, life)))
        }
        Reason::Rejected => "alert that its issuer rejects it".into(),
        _ => "alert about its end".into(),
    }
}

/// Which threshold an alert spoke of.
fn weight(alert: &AlertStatus) -> Option<Reason> {
    match alert.reason.strip_prefix("day-") {
        Some(day) => day.parse().ok().map(Reason::Day),
        None => (alert.reason == Reason::Expired.to_string()).then_some(Reason::Expired),
    }
}

/// What keeps an alert from being shown now.
fn in_the_way(reason: Reason, key: &KeyStatus, on: &Grounds) -> String {
    // Quiet is for reminders and what comes ahead of its end.
    if let Some(until) = key.snoozed_until.filter(|_| !matches!(reason, Reason::Expired | Reason::Rejected)) {
        return format!("you asked for quiet until {}", when(until, on));
    }
    if !on.status.live {
        return "no daemon runs that could show it; start one with: credd install".into();
    }
    if !on.alerts.desktop && on.alerts.command.is_empty() {
        return "there is no way to tell you".into();
    }
    let fail = |problem: &&Problem| matches!(&*problem.code, "notifications-unavailable" | "alert-command-failed");
    let failures: Vec<&str> = on.status.problems.iter().filter(fail).map(|problem| &*problem.message).collect();
    if failures.is_empty() { "it is being shown now".into() } else { format!("it reached nobody yet: {}", failures.join(", and ")) }
}

/// Nothing was sent for a threshold that has passed.
fn passed_over(key: &KeyStatus, life: &Life, threshold: Threshold, on: &Grounds) -> String {
    let name = named(threshold.reason, life);
    let later = key.alerts_sent.iter().find(|alert| weight(alert).is_some_and(|reason| reason > threshold.reason));
    let rejected = || key.alerts_sent.iter().find(|alert| alert.reason == Reason::Rejected.to_string() && alert.at >= threshold.at);
    if let Some(alert) = later.or_else(rejected) {
        let (due, at) = (when(threshold.at, on), when(alert.at, on));
        return format!(
            "The {name} was due {due} and not sent by itself: of several that were missed one is sent, the {} ({at}).",
            named(weight(alert).unwrap_or(Reason::Rejected), life)
        );
    }
    let why = match &key.renewal {
        Some(renewal) => format!("credd is {renewal}, which may make it needless"),
        None if key.snoozed_until.is_some() || !on.status.live => in_the_way(threshold.reason, key, on),
        None => "it waits until the key can be told, or is about to be sent".into(),
    };
    format!("The {name} is due since {}: {why}.", when(threshold.at, on))
}

/// An alert that came.
fn came(key: &KeyStatus, life: &Life, threshold: Threshold, alert: &AlertStatus, on: &Grounds) -> String {
    let (name, at) = (named(threshold.reason, life), when(alert.at, on));
    if alert.at.duration_since(threshold.at) <= LATE {
        return format!("The {name} came {at}, when it was due.");
    }
    let why = why_late(key, threshold.at, alert.at, on).join(", and ");
    let late = words::days(alert.at.duration_since(threshold.at).as_secs_f64() / 86_400.0);
    format!("The {name} came {at}, {late} late: {why}.")
}

/// The end of a quiet that put off an alert which was due, and came at last.
fn quiet_until(due: Timestamp, came: Timestamp, on: &Grounds) -> Option<Timestamp> {
    let mut quiet: Option<Timestamp> = None;
    for entry in on.history.iter().filter(|entry| entry.at <= came) {
        match &*entry.event {
            // What was asked for goes with the value.
            "key-new" | "key-restored" => quiet = None,
            // "reminders are quiet until …", or are no longer.
            "snoozed" => {
                let until = entry.message.rsplit(' ').next().and_then(|word| word.parse().ok());
                quiet = until.or_else(|| quiet.map(|until| until.min(entry.at)));
            }
            _ => {}
        }
    }
    quiet.filter(|until| due < *until && *until <= came)
}

/// Why an alert that was due came later, from what happened meanwhile.
fn why_late(key: &KeyStatus, due: Timestamp, came: Timestamp, on: &Grounds) -> Vec<String> {
    let of_this_value = |entry: &HistoryEntry| entry.fingerprint.is_none() || entry.fingerprint == key.fingerprint;
    let before = || on.history.iter().rev().filter(|entry| entry.at <= came && of_this_value(entry));
    let mut why = Vec::new();
    let learned =
        |entry: &&&HistoryEntry| matches!(&*entry.event, "issued-declared" | "iam-dates" | "key-new" | "key-restored" | "key-back");
    if let Some(entry) = before().find(learned).filter(|entry| entry.at > due) {
        let what = if entry.event.starts_with("key-") { "the key was seen" } else { "its true date was learned" };
        why.push(format!("{what} only {}", when(entry.at, on)));
    }
    if let Some(until) = quiet_until(due, came, on) {
        why.push(format!("you had asked for quiet until {}", when(until, on)));
    }
    if before().any(|entry| entry.event == "renewal-begun" && entry.at >= due) {
        why.push("credd was making the next key, which would have made it needless".into());
    }
    let decided = on.history.iter().find(|entry| entry.event == "alert" && entry.at >= due && entry.at <= came && of_this_value(entry));
    match decided {
        _ if !why.is_empty() => {}
        Some(entry) if entry.at.duration_since(due) <= LATE => {}
        Some(_) => why.push("no daemon ran, or the machine was off or asleep, when it was due".into()),
        None => why.push("the history no longer says why".into()),
    }
    if let Some(entry) = decided.filter(|entry| came.duration_since(entry.at) > LATE) {
        why.push(format!("nothing took it from {} on: no notification service was there, or the alert command failed", when(entry.at, on)));
    }
    why
}
