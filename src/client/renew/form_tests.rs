use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::protocol::{FormerKey, KeyStanding};

const NOW: &str = "2026-11-22T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn print(number: u8) -> Fingerprint {
    Fingerprint::new([number; 16])
}

fn long_term(user: &str, account: &str) -> String {
    format!("ABSK{}", BASE64_STANDARD.encode(format!("{user}-at-{account}:a-secret-value")))
}

fn short_term(date: &str) -> String {
    let url = format!(
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=x%2F20261122%2Fus-east-1%2Fbedrock%2Faws4_request\
         &X-Amz-Date={date}&X-Amz-Expires=43200&X-Amz-Signature=x&Version=1"
    );
    format!("bedrock-api-key-{}", BASE64_STANDARD.encode(url))
}

pub fn key(kind: Option<KeyKind>) -> KeyStatus {
    KeyStatus {
        name: "bedrock".into(),
        variable: DEFAULT_VARIABLE.into(),
        env_file: "/home/u/.backlog-toolkit-env".into(),
        kind,
        state: KeyStanding::Due,
        detail: None,
        fingerprint: Some(print(1)),
        issued_at: None,
        issued_source: None,
        expires_at: None,
        age_days: None,
        days_left: None,
        next_alert_at: None,
        first_alert_at: None,
        snoozed_until: None,
        alerts_sent: Vec::new(),
        probe: None,
        region: None,
        account: Some("123456789012".into()),
        user: None,
        iam: None,
        renewal: None,
        consumers: None,
        not_asked: None,
        former: vec![FormerKey {
            fingerprint: print(2),
            replaced_at: "2026-10-23T12:00:00Z".parse().unwrap(),
            expires_at: None,
            user: None,
            account: None,
            credential_id: None,
            consumers: Vec::new(),
            env_files: Vec::new(),
            delete_at: None,
        }],
    }
}

fn refused(value: &str, kind: Option<KeyKind>) -> String {
    check(value.as_bytes(), print(3), &key(kind), now()).unwrap_err()
}

#[test]
fn what_can_be_no_key_of_bedrocks_is_refused_by_name() {
    let good = long_term("BedrockAPIKey-x", "123456789012");
    let cut = &good[..good.len() - 21];
    let no_at = format!("ABSK{}", BASE64_STANDARD.encode("somebody:a-secret-of-some-length"));
    for (value, why) in [
        (String::new(), "is empty"),
        (format!("'{good}'"), "has quotes"),
        (format!("\"{good}\""), "has quotes"),
        (format!("{good}'"), "has quotes"),
        (format!("\u{201c}{good}\u{201d}"), "has quotes"),
        (format!("\u{2018}{good}\u{2019}"), "has quotes"),
        (format!("export AWS_BEARER_TOKEN_BEDROCK='{good}'"), "is a whole line"),
        (format!("AWS_BEARER_TOKEN_BEDROCK={good}"), "has the variable's name"),
        (format!("OTHER_NAME={good}"), "has the variable's name"),
        (format!("{}\n{}", &good[..30], &good[30..]), "has a control character"),
        (format!("{}\u{3}", &good[..30]), "has a control character"),
        (format!("{} {}", &good[..30], &good[30..]), "has white space"),
        (format!("{}\t{}", &good[..30], &good[30..]), "has white space"),
        (format!("{good}\u{a0}"), "has white space"),
        (format!("{good}\u{200b}"), "has a character in it"),
        ("ABSKabc".into(), "is too short"),
        (["AKI", "AIOSFODNN7EXAMPLE"].concat(), "is the id of an AWS access key"),
        (["ASI", "AIOSFODNN7EXAMPLE"].concat(), "is the id of an AWS access key"),
        (["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat(), "looks like the secret"),
        ("https://us-east-1.console.aws.amazon.com/bedrock".into(), "is the address"),
        (cut.into(), "starts like a Bedrock API key"),
        (no_at, "starts like a Bedrock API key"),
        ("ABSK????????????????????".into(), "starts like a Bedrock API key"),
        (short_term("20261122T110000Z")[..120].into(), "starts like a Bedrock API key"),
        ("sk-ant-0123456789012345678901234567890".into(), "is no Bedrock API key"),
        (short_term("20261121T110000Z"), "is a key that ended on"),
    ] {
        for kind in [Some(KeyKind::BedrockLongTerm), None] {
            let said = refused(&value, kind);
            assert!(said.starts_with(why), "{value:?}: {said}");
            assert!(value.len() < 12 || !said.contains(&value[..12.min(value.len())]), "it shows the key: {said}");
        }
    }
}

#[test]
fn a_key_that_was_there_is_not_taken_again() {
    let good = long_term("BedrockAPIKey-x", "123456789012");
    let status = key(Some(KeyKind::BedrockLongTerm));
    let check = |number| check(good.as_bytes(), print(number), &status, now());
    assert!(check(1).unwrap_err().starts_with("is the key that is in the file already"));
    assert!(check(2).unwrap_err().starts_with("is an old key, replaced on 23 October 2026"));
    assert_eq!((check(3).unwrap().doubt, check(3).unwrap().note), (None, None));
}

#[test]
fn doubts_are_told() {
    let fit = |value: &str, kind| check(value.as_bytes(), print(3), &key(Some(kind)), now()).unwrap();
    let short = short_term("20261122T110000Z");
    let doubt = fit(&short, KeyKind::BedrockLongTerm).doubt.unwrap();
    assert!(doubt.starts_with("is a short-term key, which ends on 2"), "{doubt}");
    assert_eq!(fit(&short, KeyKind::BedrockShortTerm).doubt, None);
    let note = fit(&long_term("x", "999999999999"), KeyKind::BedrockLongTerm).note.unwrap();
    assert!(note.contains("999999999999") && note.contains("123456789012"), "{note}");
}

#[test]
fn others_take_any_token() {
    for token in ["sk-1234", "x", "a.b.c", "ghp_012345678901234567890123456789012345", "dG9rZW4=", "dG9r_ZW4==", "T_W=="] {
        assert!(check(token.as_bytes(), print(3), &key(Some(KeyKind::Opaque)), now()).is_ok(), "{token}");
    }
    for (wrong, why) in [
        ("", "is empty"),
        ("'sk-1234'", "has quotes"),
        ("sk 1234", "has white space"),
        ("AWS_BEARER_TOKEN_BEDROCK=sk-1234", "has the variable's name"),
        ("export A=sk", "is a whole line"),
    ] {
        assert!(refused(wrong, Some(KeyKind::Opaque)).starts_with(why), "{wrong}");
    }
}
