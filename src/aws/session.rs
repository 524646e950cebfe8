//! A profile's credentials, and when the user has to sign in anew.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::cli::{Cli, Tries};
use super::trouble::Failure;
use crate::secret::Secret;

/// What requests are signed with.
pub struct Credentials {
    /// Access key id: no secret.
    pub id: String,
    /// Secret access key.
    pub secret: Secret,
    /// Session token, of credentials that end.
    pub token: Option<Secret>,
    /// When they end; `None` where they don't, or it isn't known.
    pub ends_at: Option<Timestamp>,
}

/// Asks the CLI for the credentials of its profile, which it renews itself as long as it can.
pub fn credentials(cli: &Cli<'_>) -> Result<Credentials, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Process {
        access_key_id: String,
        secret_access_key: SecretText,
        #[serde(default)]
        session_token: Option<SecretText>,
        #[serde(default)]
        expiration: Option<Timestamp>,
    }
    let process: Process = cli.ask(&["configure", "export-credentials", "--format", "process"], Tries::Several)?;
    Ok(Credentials {
        id: process.access_key_id,
        secret: process.secret_access_key.0,
        token: process.session_token.map(|token| token.0),
        ends_at: process.expiration,
    })
}

/// The account that the profile belongs to.
pub fn account(cli: &Cli<'_>) -> Result<String, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Caller {
        account: String,
    }
    cli.ask::<Caller>(&["sts", "get-caller-identity"], Tries::Several).map(|caller| caller.account)
}

/// A secret in JSON.
pub(super) struct SecretText(pub(super) Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not borrowed where it has escapes; then it is taken over, and wiped with the secret.
        String::deserialize(deserializer).map(|text| Self(Secret::new(text.into_bytes())))
    }
}

/// Whether the profile signs in through IAM Identity Center, and until when that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// When it ends; `None` where the CLI's cache doesn't say.
    pub ends_at: Option<Timestamp>,
}

/// How the profile signs in; `None` where it doesn't by IAM Identity Center, or nothing can be learnt. Best effort:
/// from the CLI's own configuration and cache.
pub fn sign_in(cli: &Cli<'_>) -> Option<SignIn> {
    let get = |name: &str| {
        let said = cli.run(&["configure", "get", name], Tries::Several).ok()?;
        let text = std::str::from_utf8(said.expose()).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let start_url = get("sso_start_url");
    let session = get("sso_session");
    if start_url.is_none() && session.is_none() {
        return None;
    }
    let home = std::env::home_dir()?;
    Some(SignIn { ends_at: cached(&home.join(".aws/sso/cache"), session.as_deref(), start_url.as_deref(), &home) })
}

/// The end of a sign-in as the CLI remembers it.
fn cached(cache: &Path, session: Option<&str>, start_url: Option<&str>, home: &Path) -> Option<Timestamp> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        start_url: String,
        expires_at: String,
        /// Where there is one, the CLI renews the token by itself, up to an end that isn't told.
        #[serde(default)]
        refresh_token: Option<serde::de::IgnoredAny>,
    }
    let of_session = session.and_then(|name| start_url_of(home, name));
    let wanted = start_url.or(of_session.as_deref())?;
    let ends = fs::read_dir(cache).ok()?.flatten().filter(|entry| entry.path().extension().is_some_and(|ext| ext == "json"));
    ends.filter_map(|entry| {
        let bytes = zeroize::Zeroizing::new(fs::read(entry.path()).ok().filter(|bytes| bytes.len() < 1 << 20)?);
        let Entry { start_url, expires_at, refresh_token } = serde_json::from_slice(&bytes).ok()?;
        if start_url == wanted && refresh_token.is_none() { moment(&expires_at) } else { None }
    })
    .max()
}

/// RFC 3339, or `2026-11-22T09:08:07UTC` as older versions wrote it.
fn moment(text: &str) -> Option<Timestamp> {
    text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}Z")).parse().ok()
}

/// `sso_start_url` of a `[sso-session NAME]`.
fn start_url_of(home: &Path, session: &str) -> Option<String> {
    let file = std::env::var_os("AWS_CONFIG_FILE").map_or_else(|| home.join(".aws/config"), Into::into);
    let text = fs::read_to_string(file).ok()?;
    let header = format!("sso-session {session}");
    let mut is_in = false;
    text.lines().find_map(|line| {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_in = section.split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '\''], "") == header;
        }
        let (name, value) = line.split_once('=').filter(|_| is_in)?;
        (name.trim() == "sso_start_url").then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_sign_in_is_read_from_the_cache() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join(".aws/sso/cache");
        fs::create_dir_all(&cache).unwrap();
        fs::write(
            home.path().join(".aws/config"),
            "[sso-session corp]\nsso_start_url = https://corp/start\n[profile p]\nsso_session=corp\n",
        )
        .unwrap();
        let write = |name: &str, json: &str| fs::write(cache.join(name), json).unwrap();
        write("a.json", r#"{"startUrl":"https://corp/start","expiresAt":"2026-11-22T10:00:00Z","accessToken":"x"}"#);
        write("b.json", r#"{"startUrl":"https://other/start","expiresAt":"2026-11-22T11:00:00UTC","accessToken":"x"}"#);
        write("c.json", r#"{"clientId":"c","expiresAt":"2027-01-01T00:00:00Z"}"#);
        write("d.json", "no JSON");
        write("e.json", r#"{"startUrl":"https://long/start","expiresAt":"2026-11-22T10:00:00Z","accessToken":"x","refreshToken":"y"}"#);
        let at = |text: &str| text.parse().ok();
        assert_eq!(cached(&cache, Some("corp"), None, home.path()), at("2026-11-22T10:00:00Z"));
        assert_eq!(cached(&cache, None, Some("https://other/start"), home.path()), at("2026-11-22T11:00:00Z"));
        assert_eq!(cached(&cache, None, Some("https://none/start"), home.path()), None);
        assert_eq!(cached(&cache, None, Some("https://long/start"), home.path()), None);
        assert_eq!(cached(&cache, Some("none"), None, home.path()), None);
    }
}
