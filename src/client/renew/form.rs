//! What can't be the new key, known without asking anybody.

use jiff::Timestamp;

use crate::config::DEFAULT_VARIABLE;
use crate::core::{Anatomy, Fingerprint, KeyKind};
use crate::keys::anatomy;
use crate::protocol::KeyStatus;

/// No key of Bedrock's is shorter.
const SHORTEST: usize = 20;
/// A secret access key has as many characters.
const SECRET_ACCESS_KEY: usize = 40;

/// What is to be said of a value that may be the new key.
#[derive(Debug, PartialEq)]
pub struct Fit {
    /// What it says of itself.
    pub anatomy: Anatomy,
    /// To be asked of the user before it is taken.
    pub doubt: Option<String>,
    /// To be told to the user.
    pub note: Option<String>,
}

/// Whether the key's successor has to be one of Bedrock's.
pub fn is_bedrock_s(key: &KeyStatus) -> bool {
    match key.kind {
        Some(KeyKind::BedrockLongTerm | KeyKind::BedrockShortTerm) => true,
        // A gateway's token in Bedrock's variable is followed by another such.
        Some(KeyKind::Jwt | KeyKind::Opaque) => false,
        None => key.variable == DEFAULT_VARIABLE,
    }
}

/// Why the value isn't the new key: the rest of a sentence that begins with "this", without any of it.
pub fn check(value: &[u8], print: Fingerprint, key: &KeyStatus, now: Timestamp) -> Result<Fit, String> {
    plain(value, &key.variable)?;
    let anatomy = anatomy(value);
    if is_bedrock_s(key) {
        bedrock_s(value, &anatomy)?;
    }
    if key.fingerprint == Some(print) {
        return Err("is the key that is in the file already: make a new one".into());
    }
    if let Some(former) = key.former.iter().find(|former| former.fingerprint == print) {
        return Err(format!("is an old key, replaced on {}: make a new one", day(former.replaced_at)));
    }
    if let Some(end) = anatomy.expires_at.filter(|end| *end <= now) {
        return Err(format!("is a key that ended on {}: make a new one", minute(end)));
    }
    let shrinks = key.kind == Some(KeyKind::BedrockLongTerm) && anatomy.kind == KeyKind::BedrockShortTerm;
    let doubt = shrinks.then(|| {
        let end = anatomy.expires_at.map(minute).unwrap_or_default();
        format!("is a short-term key, which ends on {end} at the latest, and the one in the file is a long-term key")
    });
    let moves = key.account.as_ref().zip(anatomy.account.as_ref()).filter(|(old, new)| **old != ***new);
    let note = moves.map(|(old, new)| format!("the new key is of account {new}, the old one is of account {old}"));
    Ok(Fit { anatomy, doubt, note })
}

/// What no key looks like, whoever made it.
fn plain(value: &[u8], variable: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("is empty".into());
    }
    let text = String::from_utf8_lossy(value);
    let text = zeroize::Zeroizing::new(text.into_owned());
    let quote = |c: char| "'\"`\u{2018}\u{2019}\u{201a}\u{201b}\u{201c}\u{201d}\u{201e}\u{ab}\u{bb}".contains(c);
    if text.starts_with("export ") || text.starts_with("export\t") {
        return Err("is a whole line of a file: leave \"export NAME=\" out, and any quotes".into());
    }
    if names_a_variable(&text, variable) {
        return Err("has the variable's name before it: leave \"NAME=\" out, and any quotes".into());
    }
    if text.starts_with(quote) || text.ends_with(quote) {
        return Err("has quotes around it: leave them out".into());
    }
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err("has a control character in it: copy it again".into());
    }
    if text.contains(char::is_whitespace) {
        return Err("has white space in it: copy it again, from its first character to its last".into());
    }
    if !value.is_ascii() {
        return Err("has a character in it that no key has: copy it again".into());
    }
    Ok(())
}

/// What no key of Bedrock's looks like.
fn bedrock_s(value: &[u8], anatomy: &Anatomy) -> Result<(), String> {
    let is_id = value.len() < 2 * SHORTEST && value.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let known = value.starts_with(b"ABSK") || value.starts_with(b"bedrock-api-key-");
    if is_id && (value.starts_with(b"AKIA") || value.starts_with(b"ASIA")) {
        return Err("is the id of an AWS access key: a Bedrock API key is something else, and starts with ABSK".into());
    }
    if !known && value.len() == SECRET_ACCESS_KEY && value.iter().all(base64) {
        return Err("looks like the secret of an AWS access key: a Bedrock API key is something else, and starts with ABSK".into());
    }
    if value.windows(3).any(|window| window == b"://") {
        return Err("is the address of a page: copy the key that is shown there".into());
    }
    if value.len() < SHORTEST {
        return Err(format!("is too short, with {} characters: copy it again, from its first character to its last", value.len()));
    }
    match anatomy.kind {
        KeyKind::BedrockLongTerm | KeyKind::BedrockShortTerm => Ok(()),
        KeyKind::Jwt | KeyKind::Opaque if known => {
            Err("starts like a Bedrock API key and isn't a whole one: copy it again, from its first character to its last".into())
        }
        KeyKind::Jwt | KeyKind::Opaque => Err("is no Bedrock API key: those start with ABSK, or with bedrock-api-key-".into()),
    }
}

/// `NAME=value`: the variable's own name, or what can be no end of base64.
fn names_a_variable(text: &str, variable: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && name.contains('_');
    name == variable || (is_name(name) && !value.trim_end_matches('=').is_empty())
}

fn day(at: Timestamp) -> String {
    crate::client::words::local(at).strftime("%-d %B %Y").to_string()
}

fn minute(at: Timestamp) -> String {
    crate::client::words::local(at).strftime("%-d %B %Y at %H:%M").to_string()
}

#[cfg(test)]
#[path = "form_tests.rs"]
pub(super) mod tests;
