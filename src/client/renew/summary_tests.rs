use super::super::form::tests::{key, print};
use super::*;
use crate::core::{Credential, CredentialStatus};
use crate::protocol::IamStatus;

const CONSOLE: &str = "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/api-keys";

fn now() -> Zoned {
    "2026-11-22T12:00:00[UTC]".parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The key before and after: 30 days each, the old one with five to go.
fn keys() -> (KeyStatus, KeyStatus) {
    let mut old = key(Some(KeyKind::BedrockLongTerm));
    old.user = Some("BedrockAPIKey-abcd".into());
    old.expires_at = Some(time("2026-11-27T12:00:00Z"));
    let mut new = old.clone();
    new.fingerprint = Some(print(3));
    new.expires_at = Some(time("2026-12-22T12:00:00Z"));
    new.former[0].fingerprint = print(1);
    (old, new)
}

fn said(old: &KeyStatus, new: &KeyStatus, serving: &[&str], yours: &[&str]) -> String {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let taken = Taken { serving: names(serving), yours: names(yours), ..Taken::default() };
    line(&Renewed { new, old, file: "~/.backlog-toolkit-env", taken: &taken, region: "us-east-1", profile: None })
}

/// As it is off a terminal.
fn line(renewed: &Renewed) -> String {
    let (line, way) = told(renewed, &now());
    line + &way.map(|way| format!(": {way}")).unwrap_or_default()
}

#[test]
fn says_who_serves_until_when_and_what_to_revoke() {
    let (old, mut new) = keys();
    assert_eq!(
        said(&old, &new, &["litellm"], &[]),
        format!(
            "bedrock: litellm serves with the new key until 22 December 2026 (30 days); revoke the old one \
             (user BedrockAPIKey-abcd, account 123456789012): {CONSOLE}"
        )
    );
    new.former[0].credential_id = Some("ACCAEXAMPLE".into());
    let said = said(&old, &new, &["a", "b", "c"], &["d"]);
    assert!(
        said.starts_with("bedrock: a, b and c serve with the new key until 22 December 2026 (30 days); restart d yourself; "),
        "{said}"
    );
    let command = "aws iam delete-service-specific-credential --user-name BedrockAPIKey-abcd --service-specific-credential-id ACCAEXAMPLE";
    assert!(said.ends_with(command), "{said}");
}

#[test]
fn iam_names_its_user_better_than_the_key() {
    let (mut old, new) = keys();
    let credential = Credential {
        id: "ACCAEXAMPLE".into(),
        user: "it's".into(),
        created_at: time("2026-10-28T12:00:00Z"),
        expires_at: None,
        status: CredentialStatus::Active,
    };
    old.iam = Some(IamStatus { credential: Some(credential), at: None, trouble: None });
    let said = said(&old, &new, &["litellm"], &[]);
    assert!(said.ends_with("--user-name 'it'\\''s' --service-specific-credential-id ACCAEXAMPLE"), "{said}");
}

#[test]
fn says_where_nothing_is_to_be_revoked() {
    let (old, new) = keys();
    let ends = |old: &KeyStatus, new: &KeyStatus, expected: &str| {
        let said = said(old, new, &["litellm"], &[]);
        assert!(said.ends_with(expected), "{said}");
    };
    let expired = KeyStatus { expires_at: Some(time("2026-11-20T12:00:00Z")), ..old.clone() };
    ends(&expired, &new, "; the old one has ended, so there is nothing to revoke");
    let short = KeyStatus { kind: Some(KeyKind::BedrockShortTerm), expires_at: Some(time("2026-11-22T20:00:00Z")), ..old.clone() };
    ends(&short, &new, "; the old one can't be revoked and ends by itself, today 20:00");
    let missing = KeyStatus { fingerprint: None, ..old.clone() };
    ends(&missing, &new, "until 22 December 2026 (30 days)");
    let mut retired = new.clone();
    retired.former[0].delete_at = Some(time("2026-11-29T12:00:00Z"));
    ends(&old, &retired, "; the old one is inactive, and credd deletes it on 29 November 2026");
}

#[test]
fn says_where_nobody_serves_and_where_there_is_no_end() {
    let (old, mut new) = keys();
    let some = said(&old, &new, &[], &[]);
    assert!(some.starts_with("bedrock: the new key is in ~/.backlog-toolkit-env until 22 December 2026 (30 days); "), "{some}");
    new.expires_at = None;
    assert!(said(&old, &new, &["litellm"], &[]).starts_with("bedrock: litellm serves with the new key, which has no end; "));
    new.expires_at = Some(time("2026-11-23T00:00:00Z"));
    assert!(said(&old, &new, &["litellm"], &[]).contains(" until tomorrow 00:00 (12 hours); "));
}

#[test]
fn says_who_has_the_variable_from_another_key() {
    let (old, new) = keys();
    let taken = Taken { elsewhere: vec![("litellm".into(), "home".into())], ..Taken::default() };
    let line = line(&Renewed { new: &new, old: &old, file: "~/a.env", taken: &taken, region: "us-east-1", profile: None });
    let begin =
        "bedrock: the new key is in ~/a.env until 22 December 2026 (30 days); litellm has its AWS_BEARER_TOKEN_BEDROCK from home; revoke";
    assert!(line.starts_with(begin), "{line}");
}
