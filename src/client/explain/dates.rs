//! Where a key's dates come from, and when its alerts are due.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::Grounds;
use crate::client::status::is_told;
use crate::client::words;
use crate::core::{IssuedSource, Life, Reason};
use crate::paths::tilde;
use crate::protocol::KeyStatus;

/// The lifetime of which `alerts.days` speaks.
const STANDARD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When it was issued, and who says so.
pub(super) fn issued(key: &KeyStatus, on: &Grounds) -> Option<String> {
    let at = words::moment(key.issued_at?, on.now);
    let (name, file) = (&key.name, tilde(Path::new(&key.env_file), on.home));
    // Of a key that doesn't end or isn't there, nothing comes too late.
    let older = || format!(" If it is older, its alerts come too late; tell credd with: credd issued {name} WHEN");
    let better = || key.expires_at.filter(|_| is_told(key)).map(|_| older()).unwrap_or_default();
    Some(match key.issued_source? {
        IssuedSource::Key => format!("It was issued {at}: the key itself says so."),
        IssuedSource::Iam => format!("It was issued {at}: IAM says so."),
        IssuedSource::Declared => format!("It was issued {at}, as you said (credd issued)."),
        IssuedSource::Renewed => format!("It was issued {at}, when credd put it into {file}."),
        IssuedSource::Observed => format!("It was issued {at}, when credd saw it arrive in {file}.{}", better()),
        IssuedSource::File => {
            format!("It was issued {at} at the latest: that is the date of {file}, in which credd found it.{}", better())
        }
    })
}

/// When it ends, and who says so.
pub(super) fn end(key: &KeyStatus, on: &Grounds) -> Option<String> {
    let issued = key.issued_at?;
    let by_iam = key.iam.as_ref().is_some_and(|iam| iam.credential.is_some());
    let Some(at) = key.expires_at else {
        let why = if by_iam { "IAM names no end" } else { "it names no end, and its lifetime is \"never\" in the configuration" };
        return Some(format!("It doesn't expire: {why}. No alert about its end will come."));
    };
    let when = words::moment(at, on.now);
    let verb = if at > on.now.timestamp() { "ends" } else { "ended" };
    let lifetime = on.spec.and_then(|spec| spec.lifetime);
    Some(match lifetime.filter(|lifetime| !by_iam && issued.checked_add(*lifetime).is_ok_and(|end| end == at)) {
        Some(lifetime) => {
            format!("It {verb} {when}: {} after that, its lifetime in the configuration.", words::days(lifetime.as_secs_f64() / 86_400.0))
        }
        None if by_iam => format!("It {verb} {when}: IAM says so."),
        None => format!("It {verb} {when}: the key itself says so, or what it was signed with."),
    })
}

/// Days of its life are those of `alerts.days`.
pub(super) fn is_standard(life: &Life) -> bool {
    life.expires_at.is_none_or(|end| end.duration_since(life.issued_at) == STANDARD)
}

/// "5 days before its end".
pub(super) fn before_the_end(at: Timestamp, life: &Life) -> String {
    let left = life.expires_at.unwrap_or(at).duration_since(at);
    format!("{} before its end", words::days(left.as_secs_f64() / 86_400.0))
}

/// When its alerts are due.
pub(super) fn due(life: &Life, on: &Grounds) -> String {
    let mut parts = Vec::new();
    for threshold in life.thresholds(&on.alerts.days) {
        let Reason::Day(day) = threshold.reason else { continue };
        let when = words::moment(threshold.at, on.now);
        parts.push(if is_standard(life) {
            format!("on day {day} of its life ({when})")
        } else {
            format!("{} ({when}; of a 30-day key that is day {day})", before_the_end(threshold.at, life))
        });
    }
    if parts.is_empty() {
        "Its alert is due at its end alone: days is empty in the configuration.".into()
    } else {
        format!("Its alerts are due {}, and at its end.", parts.join(", "))
    }
}
