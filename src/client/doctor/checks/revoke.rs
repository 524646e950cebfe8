//! Keys that were replaced and that their issuer still accepts.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::client::status::needed_until;
use crate::core::KeyKind;
use crate::desktop::console_url;
use crate::protocol::{FormerKey, KeyStatus, Severity};

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let all = situation.status.keys.iter().flat_map(|key| key.former.iter().map(move |former| (key, former)));
    all.filter_map(|(key, former)| finding(situation, key, former)).collect()
}

fn finding(situation: &Situation, key: &KeyStatus, former: &FormerKey) -> Option<Finding> {
    // credd is about to do it itself, or the key ends within hours and can't be revoked alone.
    let is_brief = former.credential_id.is_none() && former.user.is_none() && key.kind == Some(KeyKind::BedrockShortTerm);
    if former.delete_at.is_some() || is_brief {
        return None;
    }
    let (_, name) = situation.named(former.fingerprint)?;
    let mut users: Vec<String> = former.consumers.clone();
    let sightings = &situation.sightings;
    let processes = sightings.processes.iter().filter(|seen| seen.print == former.fingerprint).map(|seen| 1 + seen.below).sum();
    let files = sightings.files.iter().filter(|seen| seen.print == former.fingerprint).count();
    users.extend(count(processes, "process", "processes"));
    users.extend(count(files, "file", "files"));
    let whose = former.user.as_ref().map(|user| format!(", of the IAM user {user},")).unwrap_or_default();
    let severity = if users.is_empty() { Severity::Info } else { Severity::Warning };
    let fix = match needed_until(former, key, &situation.status) {
        Some(until) => format!("keep it until {until}"),
        None if users.is_empty() => fix(situation, key, former),
        None => format!("see to those that have it ({}), then {}", users.join(", "), fix(situation, key, former)),
    };
    let message = format!("{name}{whose} may still be accepted until {}", until(situation, former));
    Some(Finding::new("old-key-not-revoked", severity, &message, &fix))
}

fn until(situation: &Situation, former: &FormerKey) -> String {
    former.expires_at.map_or_else(|| "it is revoked".to_owned(), |at| crate::client::words::moment(at, &situation.now))
}

fn count(number: usize, one: &str, many: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("one {one}")),
        _ => Some(format!("{number} {many}")),
    }
}

fn fix(situation: &Situation, key: &KeyStatus, former: &FormerKey) -> String {
    let configured = situation.configured(key);
    if let Some(id) = &former.credential_id {
        let profile = configured.and_then(|key| key.aws_profile.as_deref()).map(|name| format!(" --profile {}", quoted(name)));
        let user = iam_user(key, former).map(|name| format!(" --user-name {}", quoted(name)));
        let named = format!("{} --service-specific-credential-id {}{}", user.unwrap_or_default(), quoted(id), profile.unwrap_or_default());
        return format!(
            "make it inactive: aws iam update-service-specific-credential{named} --status Inactive; once nothing misses it, delete it: aws iam delete-service-specific-credential{named}"
        );
    }
    let region = configured.map(|key| &*key.region);
    let page = region.filter(|_| former.user.is_some()).and_then(|region| console_url(region).ok());
    page.map_or_else(|| "revoke it where it was made".to_owned(), |url| format!("revoke it on {url}"))
}

/// A key names its user with something behind it, if it isn't the user's first; IAM knows better.
fn iam_user<'k>(key: &'k KeyStatus, former: &'k FormerKey) -> Option<&'k str> {
    let theirs = former.user.as_deref();
    let known = key.iam.as_ref().and_then(|iam| iam.credential.as_ref()).map(|credential| credential.user.as_str());
    match (theirs, known) {
        (Some(theirs), Some(known)) if theirs.starts_with(known) => Some(known),
        (Some(theirs), _) => Some(theirs),
        (None, known) => known,
    }
}

/// For a shell, whatever a key says of itself.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iam_knows_the_user_better_than_the_key() {
        let key = |iam: serde_json::Value| -> KeyStatus {
            serde_json::from_value(serde_json::json!({
                "name": "bedrock", "variable": "K", "env_file": "/e", "state": "ok", "alerts_sent": [], "iam": iam
            }))
            .unwrap()
        };
        let former = |user: Option<&str>| -> FormerKey {
            serde_json::from_value(serde_json::json!({
                "fingerprint": "30313233343536373839616263646566", "replaced_at": "2026-11-22T15:00:00Z", "expires_at": null,
                "user": user, "consumers": [], "env_files": []
            }))
            .unwrap()
        };
        let known = serde_json::json!({"credential": {
            "id": "ACCA1", "user": "ops", "created_at": "2026-11-22T15:00:00Z", "status": "active"
        }});
        assert_eq!(iam_user(&key(known.clone()), &former(Some("ops-second"))), Some("ops"));
        assert_eq!(iam_user(&key(known.clone()), &former(Some("others"))), Some("others"));
        assert_eq!(iam_user(&key(known), &former(None)), Some("ops"));
        assert_eq!(iam_user(&key(serde_json::Value::Null), &former(None)), None);
    }

    #[test]
    fn what_a_key_says_is_no_command() {
        assert_eq!(quoted("BedrockAPIKey-ab12"), "BedrockAPIKey-ab12");
        assert_eq!(quoted("$(reboot)'x"), r"'$(reboot)'\''x'");
        assert_eq!(quoted(""), "''");
    }
}
