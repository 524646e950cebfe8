//! What is said at the end: what is served now, until when, and what is left to be revoked.

use std::fmt::Write as _;

use jiff::{Timestamp, Zoned};

use super::consumers::Taken;
use crate::client::words;
use crate::core::KeyKind;
use crate::desktop;
use crate::protocol::KeyStatus;

/// What a renewal has come to.
pub struct Renewed<'a> {
    /// The key as it is now.
    pub new: &'a KeyStatus,
    /// As it was before.
    pub old: &'a KeyStatus,
    /// Its file, as people read it.
    pub file: &'a str,
    /// Who has it.
    pub taken: &'a Taken,
    /// Of the console's page.
    pub region: &'a str,
    /// The AWS CLI's, for the command.
    pub profile: Option<&'a str>,
}

/// The line; and by itself the command or the page that ends the old key, to be copied.
pub fn told(renewed: &Renewed, now: &Zoned) -> (String, Option<String>) {
    let until = until(renewed.new, now);
    let mut line = match &renewed.taken.serving[..] {
        [] => format!("{}: the new key is in {}{until}", renewed.new.name, renewed.file),
        [one] => format!("{}: {one} serves with the new key{until}", renewed.new.name),
        several => format!("{}: {} serve with the new key{until}", renewed.new.name, listed(several)),
    };
    if !renewed.taken.yours.is_empty() {
        let _ = write!(line, "; restart {} yourself", listed(&renewed.taken.yours));
    }
    for (name, other) in &renewed.taken.elsewhere {
        let _ = write!(line, "; {name} has its {} from {other}", renewed.new.variable);
    }
    let (rest, way) = old_key(renewed, now).unwrap_or_default();
    if !rest.is_empty() {
        line.push_str("; ");
        line.push_str(&rest);
    }
    (line, way)
}

fn until(key: &KeyStatus, now: &Zoned) -> String {
    let Some(end) = key.expires_at else { return ", which has no end".into() };
    let left = end.duration_since(now.timestamp()).as_secs_f64() / 86_400.0;
    if left < 2.0 {
        format!(" until {} ({})", words::moment(end, now), words::days(left))
    } else {
        format!(" until {} ({})", date(end, now), words::days(left))
    }
}

/// What is to be done about the old key; nothing where there was none.
fn old_key(renewed: &Renewed, now: &Zoned) -> Option<(String, Option<String>)> {
    let old = renewed.old;
    let print = old.fingerprint.filter(|print| renewed.new.fingerprint != Some(*print))?;
    let former = renewed.new.former.iter().find(|former| former.fingerprint == print);
    let end = former.and_then(|former| former.expires_at).or(old.expires_at);
    if end.is_some_and(|end| end <= now.timestamp()) {
        return Some(("the old one has ended, so there is nothing to revoke".into(), None));
    }
    if let Some(at) = former.and_then(|former| former.delete_at) {
        return Some((format!("the old one is inactive, and credd deletes it on {}", date(at, now)), None));
    }
    match old.kind {
        Some(KeyKind::BedrockLongTerm) => {}
        Some(KeyKind::BedrockShortTerm) => {
            let by = end.map(|end| format!(", {}", words::moment(end, now))).unwrap_or_default();
            return Some((format!("the old one can't be revoked and ends by itself{by}"), None));
        }
        _ => return Some(("revoke the old one where it was made".into(), None)),
    }
    let credential = old.iam.as_ref().and_then(|iam| iam.credential.as_ref());
    // IAM's name of the user is the one that its calls take; what stands in the key can have a suffix.
    let user = credential.map(|credential| credential.user.as_str()).or(old.user.as_deref());
    let user = user.or(former.and_then(|former| former.user.as_deref()));
    let account = old.account.as_deref().or(former.and_then(|former| former.account.as_deref()));
    let whose: Vec<_> =
        [user.map(|user| format!("user {user}")), account.map(|account| format!("account {account}"))].into_iter().flatten().collect();
    let whose = if whose.is_empty() { String::new() } else { format!(" ({})", whose.join(", ")) };
    let id = former.and_then(|former| former.credential_id.as_deref()).or(credential.map(|credential| credential.id.as_str()));
    let how = match (id, user) {
        (Some(id), Some(user)) => command(id, user, renewed.profile),
        _ => desktop::console_url(renewed.region).ok()?,
    };
    Some((format!("revoke the old one{whose}"), Some(how)))
}

fn command(id: &str, user: &str, profile: Option<&str>) -> String {
    let profile = profile.map(|profile| format!(" --profile {}", shell_word(profile))).unwrap_or_default();
    let (user, id) = (shell_word(user), shell_word(id));
    format!("aws iam delete-service-specific-credential --user-name {user} --service-specific-credential-id {id}{profile}")
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/:".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn date(at: Timestamp, now: &Zoned) -> String {
    at.to_zoned(now.time_zone().clone()).strftime("%-d %B %Y").to_string()
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
