//! The key anatomy: the first byte chooses what is made around the rest, so that what is inside a key's encoding is
//! reached. Whatever the value, what is said of it is exactly what its form allows.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use credd::core::{Anatomy, KeyKind};
use credd::keys::anatomy;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else { return };
    let value = match how {
        b'L' => [b"ABSK", STANDARD.encode(rest).as_bytes()].concat(),
        b'l' => [b"ABSK", STANDARD_NO_PAD.encode(rest).as_bytes()].concat(),
        b'S' => [b"bedrock-api-key-", STANDARD.encode(rest).as_bytes()].concat(),
        b'J' => {
            let parts: Vec<_> = rest.split(|byte| *byte == b'\n').map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            parts.join(".").into_bytes()
        }
        _ => rest.to_vec(),
    };
    let found = anatomy(&value);
    assert_eq!(found, anatomy(&value), "the same each time");
    check(&found, &value);
    if matches!(how, b'L' | b'l') && is_long_term(rest) {
        assert_eq!(found.kind, KeyKind::BedrockLongTerm, "made by the rules");
    }
    if found.kind == KeyKind::BedrockLongTerm && matches!(how, b'L' | b'l') {
        assert!(is_long_term(rest), "only what is made by the rules");
    }
    let json = serde_json::to_string(&found).expect("it goes into the state");
    assert_eq!(serde_json::from_str::<Anatomy>(&json).expect("and comes back"), found);
});

fn check(found: &Anatomy, value: &[u8]) {
    let graphic = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match found.kind {
        KeyKind::BedrockLongTerm => {
            assert!(value.starts_with(b"ABSK"));
            let account = found.account.as_deref().expect("an account");
            assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
            assert!(found.user.as_deref().is_some_and(graphic), "a name that can be shown");
            assert!(found.issued_at.is_none() && found.expires_at.is_none() && found.region.is_none());
        }
        KeyKind::BedrockShortTerm => {
            assert!(value.starts_with(b"bedrock-api-key-"));
            let (issued, expires) = (found.issued_at.expect("a date"), found.expires_at.expect("an end"));
            assert!((1..=12 * 3600).contains(&expires.duration_since(issued).as_secs()));
            assert!(found.region.as_deref().is_some_and(|region| graphic(region) && region.len() <= 32));
            assert!(found.account.is_none() && found.user.is_none());
        }
        KeyKind::Jwt => {
            assert!(found.issued_at.zip(found.expires_at).is_none_or(|(issued, expires)| issued < expires));
            assert!(found.account.is_none() && found.user.is_none() && found.region.is_none());
        }
        KeyKind::Opaque => assert!(
            found.issued_at.is_none()
                && found.expires_at.is_none()
                && found.region.is_none()
                && found.account.is_none()
                && found.user.is_none()
        ),
    }
}

/// `USER-at-ACCOUNT:SECRET`, told another way than the program does.
fn is_long_term(decoded: &[u8]) -> bool {
    let Some(colon) = decoded.iter().position(|byte| *byte == b':') else { return false };
    let (identity, secret) = (&decoded[..colon], &decoded[colon + 1..]);
    let Some((user, account)) = identity.len().checked_sub(16).map(|at| identity.split_at(at)) else { return false };
    let in_account = account.strip_prefix(b"-at-").is_some_and(|account| account.iter().all(u8::is_ascii_digit));
    in_account && !secret.is_empty() && !user.is_empty() && user.iter().all(u8::is_ascii_graphic)
}
