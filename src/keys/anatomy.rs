//! What can be read off a key without asking anybody.
//!
//! Nothing here is verified: a date in a key is what its maker wrote, and what the issuer goes by.
//! Whatever isn't exactly as expected is taken as opaque, without dates.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::core::{Anatomy, KeyKind};

/// AWS doesn't sign for longer.
const LONGEST_SHORT_TERM: i64 = 43_200;

/// With or without `=`, as makers differ; everything else strict.
const LENIENT_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Takes a key's value apart. Never fails: what isn't known is opaque.
pub fn anatomy(value: &[u8]) -> Anatomy {
    long_term(value).or_else(|| short_term(value)).or_else(|| jwt(value)).unwrap_or_else(|| plain(KeyKind::Opaque))
}

fn plain(kind: KeyKind) -> Anatomy {
    Anatomy { kind, issued_at: None, expires_at: None, region: None, account: None, user: None }
}

/// `ABSK` and base64 of `USER-at-ACCOUNT:SECRET`.
fn long_term(value: &[u8]) -> Option<Anatomy> {
    let decoded = decode(value.strip_prefix(b"ABSK")?, &STANDARD)?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (identity, secret) = decoded.split_at(colon);
    if secret.len() < 2 {
        return None;
    }
    let identity = std::str::from_utf8(identity).ok()?;
    // A user's name may hold "-at-" itself.
    let (user, account) = identity.rsplit_once("-at-")?;
    let user_fits = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_graphic());
    let account_fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (user_fits && account_fits).then(|| Anatomy {
        account: Some(account.into()),
        user: Some(user.into()),
        ..plain(KeyKind::BedrockLongTerm)
    })
}

/// `bedrock-api-key-` and base64 of a presigned URL without its scheme.
fn short_term(value: &[u8]) -> Option<Anatomy> {
    let decoded = decode(value.strip_prefix(b"bedrock-api-key-")?, &STANDARD)?;
    let (place, query) = std::str::from_utf8(&decoded).ok()?.split_once('?')?;
    if !place.starts_with("bedrock.amazonaws.com") {
        return None;
    }
    let one = |name: &str| {
        let mut values = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        });
        values.next().filter(|_| values.next().is_none())
    };
    if one("Action")? != "CallWithBearerToken" {
        return None;
    }
    let issued_at = basic_time(one("X-Amz-Date")?)?;
    let seconds: i64 = digits(one("X-Amz-Expires")?)?;
    if !(1..=LONGEST_SHORT_TERM).contains(&seconds) {
        return None;
    }
    let expires_at = issued_at.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    Some(Anatomy {
        issued_at: Some(issued_at),
        expires_at: Some(expires_at),
        region: Some(scope_region(one("X-Amz-Credential")?)?.into()),
        ..plain(KeyKind::BedrockShortTerm)
    })
}

/// The region of `ID/DATE/REGION/bedrock/aws4_request`, its slashes escaped or not.
fn scope_region(credential: &str) -> Option<&str> {
    let mut parts = credential.split("%2F").flat_map(|part| part.split("%2f")).flat_map(|part| part.split('/'));
    let (_id, date) = (parts.next()?, parts.next()?);
    let (region, service, end) = (parts.next()?, parts.next()?, parts.next()?);
    let _: i64 = digits(date)?;
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (3..=32).contains(&region.len()) && region.bytes().all(letters);
    (fits && service == "bedrock" && end == "aws4_request" && parts.next().is_none()).then_some(region)
}

/// `20261028T090000Z`.
fn basic_time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z';
    if !shape || !text.is_ascii() {
        return None;
    }
    let _: i64 = digits(&text[..8])?;
    let _: i64 = digits(&text[9..15])?;
    text.parse().ok()
}

/// A JSON Web Token (RFC 7519), as far as its dates go.
fn jwt(value: &[u8]) -> Option<Anatomy> {
    #[derive(Deserialize)]
    struct Header {
        alg: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Claims {
        iat: Option<f64>,
        exp: Option<f64>,
    }
    let mut parts = value.split(|&byte| byte == b'.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let header: Header = serde_json::from_slice(&decode(header, &URL_SAFE)?).ok()?;
    header.alg?;
    let claims: Claims = serde_json::from_slice(&decode(claims, &URL_SAFE)?).ok()?;
    let time = |seconds: Option<f64>| match seconds {
        None => Some(None),
        Some(seconds) => moment(seconds).map(Some),
    };
    let (issued_at, expires_at) = (time(claims.iat)?, time(claims.exp)?);
    if let (Some(issued), Some(expires)) = (issued_at, expires_at)
        && expires <= issued
    {
        return None;
    }
    Some(Anatomy { issued_at, expires_at, ..plain(KeyKind::Jwt) })
}

/// Seconds since 1970, a number with a fraction at most.
fn moment(seconds: f64) -> Option<Timestamp> {
    // Year 9999, which is also where whole seconds are exact for long.
    if !(0.0..253_402_000_000.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, see above")]
    Timestamp::from_second(seconds.floor() as i64).ok()
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn decode(text: &[u8], alphabet: &base64::alphabet::Alphabet) -> Option<Zeroizing<Vec<u8>>> {
    let engine = GeneralPurpose::new(alphabet, LENIENT_PADDING);
    // One allocation, wiped as a whole.
    let mut decoded = Zeroizing::new(vec![0; text.len()]);
    let length = engine.decode_slice(text, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

#[cfg(test)]
#[path = "anatomy_tests.rs"]
mod tests;
