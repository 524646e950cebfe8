use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn bedrock(text: &str) -> Vec<u8> {
    format!("ABSK{}", STANDARD.encode(text)).into_bytes()
}

fn presigned(url: &str) -> Vec<u8> {
    format!("bedrock-api-key-{}", STANDARD.encode(url)).into_bytes()
}

fn token(header: &str, claims: &str) -> Vec<u8> {
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{header}.{claims}.c2ln").into_bytes()
}

fn at(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

const URL: &str = "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=ASIAEXAMPLE%2F20261028%2Feu-central-1%2Fbedrock%2Faws4_request\
    &X-Amz-Date=20261028T090000Z&X-Amz-Expires=43200&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=0123&Version=1";

#[test]
fn long_term_keys_tell_account_and_user() {
    let table = [
        ("BedrockAPIKey-ab12-at-123456789012:c2VjcmV0", "BedrockAPIKey-ab12"),
        ("ops+1-at-123456789012:a:b", "ops+1"),
        ("look-at-me-at-123456789012:s", "look-at-me"),
    ];
    for (text, user) in table {
        let anatomy = anatomy(&bedrock(text));
        assert_eq!(anatomy.kind, KeyKind::BedrockLongTerm, "{text}");
        assert_eq!(anatomy.account.as_deref(), Some("123456789012"), "{text}");
        assert_eq!(anatomy.user.as_deref(), Some(user), "{text}");
        assert_eq!((anatomy.issued_at, anatomy.expires_at), (None, None));
    }
    // Without padding, as some pass it on.
    let mut bare = bedrock("user-at-123456789012:s");
    while bare.last() == Some(&b'=') {
        bare.pop();
    }
    assert_eq!(anatomy(&bare).kind, KeyKind::BedrockLongTerm);
}

#[test]
fn short_term_keys_tell_their_dates_and_region() {
    let expected = Anatomy {
        issued_at: at("2026-10-28T09:00:00Z"),
        expires_at: at("2026-10-28T21:00:00Z"),
        region: Some("eu-central-1".into()),
        ..plain(KeyKind::BedrockShortTerm)
    };
    assert_eq!(anatomy(&presigned(URL)), expected);
    assert_eq!(anatomy(&presigned(&URL.replace("%2F", "/"))), expected);
    assert_eq!(anatomy(&presigned(&URL.replace("%2F", "%2f"))), expected);
}

#[test]
fn tokens_tell_their_dates() {
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let both = anatomy(&token(header, r#"{"iat":1761642000,"exp":1761685200.5,"sub":"x"}"#));
    assert_eq!(both.kind, KeyKind::Jwt);
    assert_eq!(both.issued_at, at("2025-10-28T09:00:00Z"));
    assert_eq!(both.expires_at, at("2025-10-28T21:00:00Z"));
    let none = anatomy(&token(header, "{}"));
    assert_eq!(none, plain(KeyKind::Jwt));
}

#[test]
fn anything_odd_is_opaque() {
    let header = r#"{"alg":"HS256"}"#;
    let mut table: Vec<Vec<u8>> = [
        &b""[..],
        b"ABSK",
        b"ABSK!!!!",
        b"ABSKAAAA",
        b"bedrock-api-key-",
        b"bedrock-api-key-AAAA",
        b"sk-1234",
        b"a.b.c",
        b"..",
        b"\xff\xfe",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for text in [
        "user-at-12345678901:s",
        "user-at-1234567890123:s",
        "user-at-12345678901x:s",
        "user-at-123456789012:",
        "user-at-123456789012",
        "-at-123456789012:s",
        "us er-at-123456789012:s",
        "user:s",
    ] {
        table.push(bedrock(text));
    }
    let mut spaced = bedrock("user-at-123456789012:s");
    spaced.push(b' ');
    table.push(spaced);
    for (from, to) in [
        ("43200", "43201"),
        ("43200", "0"),
        ("43200", "-5"),
        ("43200", "+5"),
        ("43200", "99999999999999999999"),
        ("20261028T090000Z", "20261328T090000Z"),
        ("20261028T090000Z", "2026-10-28T09:00"),
        ("20261028T090000Z", "20261028T090000é"),
        ("X-Amz-Date=", "X-Amz-Date=20261028T090000Z&X-Amz-Date="),
        ("X-Amz-Expires=", "Expires="),
        ("eu-central-1", "EU"),
        ("%2Fbedrock", "%2Fs3"),
        ("CallWithBearerToken", "ListUsers"),
        ("bedrock.amazonaws.com", "example.com"),
    ] {
        table.push(presigned(&URL.replace(from, to)));
    }
    for claims in [r#"{"exp":"soon"}"#, r#"{"exp":-1}"#, r#"{"exp":1e300}"#, r#"{"iat":20,"exp":10}"#, "[]", "not JSON"] {
        table.push(token(header, claims));
    }
    table.push(token("{}", "{}"));
    table.push([token(header, "{}"), b".more".to_vec()].concat());
    for value in table {
        let shown = String::from_utf8_lossy(&value).into_owned();
        assert_eq!(anatomy(&value), plain(KeyKind::Opaque), "{shown}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in ".{0,80}", url in "[a-zA-Z0-9=&%/?.-]{0,200}") {
        let prefixes = [&b""[..], b"ABSK", b"bedrock-api-key-"];
        for prefix in prefixes {
            anatomy(&[prefix, &bytes].concat());
            anatomy(&[prefix, text.as_bytes()].concat());
        }
        anatomy(&bedrock(&text));
        anatomy(&presigned(&format!("bedrock.amazonaws.com/?{url}")));
        anatomy(&presigned(&URL.replace("20261028T090000Z", &text)));
        anatomy(&token(&text, &url));
        anatomy(&token(r#"{"alg":1}"#, &format!("{{\"exp\":{text}}}")));
    }
}
