//! When the next alert is, and why then.

use jiff::Timestamp;

use super::{Grounds, dates, is_alerted, life, unheard};
use crate::client::words;
use crate::config::KindChoice;
use crate::core::{Iam, Life, Reason};
use crate::protocol::{AlertStatus, KeyStanding, KeyStatus};

const END_WAS_TOLD: &str = "Its end was told, and nothing is left to say until another key takes its place.";

/// What comes next, and what is done about it.
pub(super) fn next(key: &KeyStatus, on: &Grounds) -> Vec<String> {
    let first = life(key).filter(|_| is_alerted(key));
    let first = first.map(|life| if on.status.live { with_one(key, &life, on) } else { without_a_daemon(key, &life, on) });
    let mut said: Vec<String> = first.into_iter().collect();
    if !on.alerts.desktop && on.alerts.command.is_empty() {
        said.push("Nobody is told of any alert: desktop is false in the configuration, and there is no command.".into());
    }
    match on.spec {
        Some(spec) if spec.kind == KindChoice::ShortTerm => {
            said.push("credd makes its successor with a third of its life left; an alert comes only if it can't.".into());
        }
        Some(spec) if spec.iam == Iam::Renew => {
            said.push("credd makes its successor through IAM when its first alert is due; the alert comes only if it can't.".into());
        }
        _ => {}
    }
    said
}

/// Why a key isn't there, or can't be told, and that what is known of it is of the last one.
pub(super) fn without_a_value(key: &KeyStatus) -> Option<String> {
    let what = match key.state {
        KeyStanding::Missing => "No alert is due while there is no key",
        KeyStanding::Dynamic => "No alert is due while its value can't be told",
        KeyStanding::Unreadable => "Its file can't be read now",
        _ => return None,
    };
    let why = key.detail.as_deref().unwrap_or("its value can't be told");
    let last = if key.issued_at.is_some() { " What follows is of the last one." } else { "" };
    Some(format!("{what}: {why}.{last}"))
}

fn with_one(key: &KeyStatus, life: &Life, on: &Grounds) -> String {
    let now = on.now.timestamp();
    let quiet_until = |until: Timestamp| {
        let when = words::moment(until, on.now);
        format!("The next alert comes {when}: you asked for quiet until then. To be reminded again: credd snooze {} --clear", key.name)
    };
    match unheard(key) {
        // Its end is told in any case, and that alert with it.
        Some((_, Some(until))) if life.expires_at.is_none_or(|end| until < end) => return quiet_until(until),
        Some((alert, None)) => return until_it_is_shown(key, alert, life, on),
        _ => {}
    }
    let Some(at) = key.next_alert_at else {
        return if is_told(key, Reason::Expired) { END_WAS_TOLD.into() } else { "No further alert is planned.".into() };
    };
    let when = words::moment(at, on.now);
    if at <= now {
        return "The next alert is due now.".into();
    }
    let threshold = life.thresholds(&on.alerts.days).into_iter().find(|threshold| threshold.at == at);
    if key.snoozed_until == Some(at) && threshold.is_none_or(|threshold| threshold.reason != Reason::Expired) {
        return quiet_until(at);
    }
    let quiet = key.snoozed_until.map_or("", |_| " You asked for quiet, but its end is told in any case.");
    match threshold.map(|threshold| threshold.reason) {
        Some(Reason::Day(day)) if dates::is_standard(life) => format!("The next alert comes {when}: that of day {day}."),
        Some(Reason::Day(_)) => format!("The next alert comes {when}, {}.", dates::before_the_end(at, life)),
        Some(_) => format!("The next alert comes {when}, when it ends: no reminder is planned before.{quiet}"),
        None => {
            format!("The next reminder comes {when}: they follow remind = {:?} until another key takes its place.{quiet}", on.alerts.remind)
        }
    }
}

/// What follows an alert that has reached nobody yet.
fn until_it_is_shown(key: &KeyStatus, alert: &AlertStatus, life: &Life, on: &Grounds) -> String {
    let now = on.now.timestamp();
    if alert.reason == Reason::Expired.to_string() {
        return "Once that has been shown, nothing is left to say until another key takes its place.".into();
    }
    let next = key.next_alert_at.filter(|at| *at > now).map(|at| words::moment(at, on.now));
    let is_due = life.thresholds(&on.alerts.days).first().is_some_and(|threshold| threshold.at <= now);
    match next {
        Some(next) if is_due => format!("Reminders go on from when that alert has been shown; the next alert comes {next} in any case."),
        Some(next) => format!("The next alert after that comes {next}."),
        None => "Reminders go on from when that alert has been shown.".into(),
    }
}

fn is_told(key: &KeyStatus, reason: Reason) -> bool {
    key.alerts_sent.iter().any(|alert| alert.delivered && alert.reason == reason.to_string())
}

/// Without a daemon nothing is planned; what would be is told by its dates.
fn without_a_daemon(key: &KeyStatus, life: &Life, on: &Grounds) -> String {
    let now = on.now.timestamp();
    if unheard(key).is_some_and(|(_, quiet_until)| quiet_until.is_none()) {
        return "With a daemon, the next alert comes at once.".into();
    }
    let mut open = life.thresholds(&on.alerts.days).into_iter().filter(|threshold| !is_told(key, threshold.reason));
    if let Some(until) = key.snoozed_until.filter(|_| !is_told(key, Reason::Expired)) {
        return format!("You asked for quiet until {}; with a daemon, alerts come from then on.", words::moment(until, on.now));
    }
    match open.next() {
        _ if is_told(key, Reason::Expired) => END_WAS_TOLD.into(),
        Some(threshold) if threshold.at > now && key.alerts_sent.iter().all(|alert| alert.reason == Reason::Rejected.to_string()) => {
            format!("With a daemon, the next alert comes {}.", words::moment(threshold.at, on.now))
        }
        Some(threshold) if threshold.at <= now => "With a daemon, the next alert comes at once.".into(),
        _ => format!("With a daemon, reminders follow remind = {:?}, up to its end.", on.alerts.remind),
    }
}
