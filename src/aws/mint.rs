//! Short-term Bedrock keys, made without asking anybody: a request to the service that is signed but never sent, as
//! AWS's own generator makes them (<https://pypi.org/project/aws-bedrock-token-generator/>).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::session::Credentials;
use crate::secret::Secret;

const HOST: &str = "bedrock.amazonaws.com";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Seconds: 12 hours, the longest that AWS signs for.
const LIFETIME: u32 = 43_200;
/// Room for a key with a session token of several kilobytes, so that no smaller buffer is left behind in memory.
const ROOM: usize = 32 * 1024;

/// The key that these credentials give for a region, signed at a moment. It ends 12 hours later, or with the
/// credentials.
pub fn short_term_key(credentials: &Credentials, region: &str, now: Timestamp) -> Secret {
    let utc = now.to_zoned(TimeZone::UTC);
    let time = utc.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = &time[..8];
    let scope = format!("{date}/{region}/bedrock/aws4_request");
    let head = format!(
        "Action=CallWithBearerToken&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={time}&X-Amz-Expires={LIFETIME}",
        escaped(format!("{}/{scope}", credentials.id).as_bytes()).as_str()
    );
    let token = credentials.token.as_ref().map_or_else(Zeroizing::default, |token| {
        let mut parameter = room();
        parameter.push_str("&X-Amz-Security-Token=");
        parameter.push_str(&escaped(token.expose()));
        parameter
    });
    // What is signed has the parameters in the order of their names; the URL has the token last.
    let mut request = room();
    for part in ["POST\n/\n", &head, &token, "&X-Amz-SignedHeaders=host\nhost:", HOST, "\n\nhost\n", &hex(&Sha256::digest(b""))] {
        request.push_str(part);
    }
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let signature = hex(&*hmac(&*signing_key(credentials, date, region), to_sign.as_bytes()));
    let mut url = room();
    for part in [HOST, "/?", &head, "&X-Amz-SignedHeaders=host", &token, "&X-Amz-Signature=", &signature, "&Version=1"] {
        url.push_str(part);
    }
    let mut key = room();
    key.push_str("bedrock-api-key-");
    STANDARD.encode_string(url.as_bytes(), &mut key);
    Secret::copy(key.as_bytes())
}

fn room() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(ROOM))
}

type Hash = Zeroizing<[u8; 32]>;

fn signing_key(credentials: &Credentials, date: &str, region: &str) -> Hash {
    let mut first = Zeroizing::new(Vec::with_capacity(4 + credentials.secret.expose().len()));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(credentials.secret.expose());
    let dated = hmac(&first, date.as_bytes());
    [region, "bedrock", "aws4_request"].iter().fold(dated, |key, part| hmac(&*key, part.as_bytes()))
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn hmac(key: &[u8], message: &[u8]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message);
    let mut hash = Zeroizing::new([0; 32]);
    hash.copy_from_slice(&mac.finalize().into_bytes());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 3986: everything but the unreserved characters.
fn escaped(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(3 * bytes.len()));
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What AWS's generator makes of the same credentials at the same time.
    const RECORDED: &str = include_str!("../../tests/data/short-term-keys.tsv");

    #[test]
    fn is_what_aws_makes_byte_for_byte() {
        let mut count = 0;
        for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
            let [id, secret, token, region, time, key] = <[&str; 6]>::try_from(line.split('\t').collect::<Vec<_>>()).unwrap();
            let credentials = Credentials {
                id: id.to_owned(),
                secret: Secret::copy(secret.as_bytes()),
                token: Some(token).filter(|token| !token.is_empty()).map(|token| Secret::copy(token.as_bytes())),
                ends_at: None,
            };
            let made = short_term_key(&credentials, region, time.parse().unwrap());
            assert_eq!(std::str::from_utf8(made.expose()).unwrap(), key, "{id}");
            count += 1;
        }
        assert_eq!(count, 5);
    }
}
