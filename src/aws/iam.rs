//! Bedrock's long-term keys as IAM keeps them: service-specific credentials
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredential.html>).

use jiff::Timestamp;
use serde::Deserialize;

use super::cli::{Cli, Tries};
use super::session::SecretText;
use super::trouble::{Failure, Kind};
use crate::core::{Credential, CredentialStatus, Trouble};
use crate::secret::Secret;

const SERVICE: &str = "bedrock.amazonaws.com";
/// Of a list of all users: more than an account may have users.
const MOST_PAGES: usize = 100;

/// What IAM says of a credential, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is kept of it.
    pub credential: Credential,
    /// `ServiceCredentialAlias`: the left half of the key.
    pub alias: Option<String>,
    /// `ServiceUserName`: the same, by its older name.
    pub user_name: Option<String>,
}

impl Record {
    /// Whether either of its names is this left half of a key (`USER-at-ACCOUNT`).
    pub fn is_named(&self, identity: &str) -> bool {
        self.alias.as_deref() == Some(identity) || self.user_name.as_deref() == Some(identity)
    }

    /// Whether it has a name to compare with those of keys.
    pub fn has_name(&self) -> bool {
        self.alias.is_some() || self.user_name.is_some()
    }
}

/// Of several records that of the key with this left half: by its alias, where no alias is that by its user name.
/// `None` where none is, or more than one.
pub fn find<'r>(records: &'r [Record], identity: &str) -> Option<&'r Record> {
    let one = |name: fn(&Record) -> Option<&str>| {
        let mut fitting = records.iter().filter(|record| name(record) == Some(identity));
        let first = fitting.next();
        (first, fitting.next().is_some())
    };
    match one(|record| record.alias.as_deref()) {
        (None, _) => match one(|record| record.user_name.as_deref()) {
            (found, false) => found,
            (_, true) => None,
        },
        (found, false) => found,
        (_, true) => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    user_name: String,
    status: String,
    #[serde(default)]
    service_user_name: Option<String>,
    #[serde(default)]
    service_credential_alias: Option<String>,
    create_date: Timestamp,
    #[serde(default)]
    expiration_date: Option<Timestamp>,
    service_specific_credential_id: String,
}

impl From<Metadata> for Record {
    fn from(said: Metadata) -> Self {
        let status = match said.status.as_str() {
            "Active" => CredentialStatus::Active,
            "Expired" => CredentialStatus::Expired,
            _ => CredentialStatus::Inactive,
        };
        let credential = Credential {
            id: said.service_specific_credential_id,
            user: said.user_name,
            created_at: said.create_date,
            expires_at: said.expiration_date,
            status,
        };
        Self { credential, alias: said.service_credential_alias, user_name: said.service_user_name }
    }
}

/// A user's Bedrock keys.
pub fn list(cli: &Cli<'_>, user: &str) -> Result<Vec<Record>, Failure> {
    pages(cli, &["--user-name", user])
}

/// The Bedrock keys of a user as a key names it: where IAM knows none of that name, those of all users, since the name
/// in a second key may have something appended to it.
pub fn list_around(cli: &Cli<'_>, user: &str) -> Result<Vec<Record>, Failure> {
    match list(cli, user) {
        Err(failure) if failure.kind == Kind::NoSuchEntity => pages(cli, &["--all-users"]).map_err(|wider| {
            // Who may not see all users is told of the user that isn't there.
            if wider.kind == Kind::Other { failure } else { wider }
        }),
        other => other,
    }
}

fn pages(cli: &Cli<'_>, whose: &[&str]) -> Result<Vec<Record>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Page {
        #[serde(default)]
        service_specific_credentials: Vec<Metadata>,
        #[serde(default)]
        is_truncated: bool,
        #[serde(default)]
        marker: Option<String>,
    }
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut words = vec!["iam", "list-service-specific-credentials", "--service-name", SERVICE];
        words.extend(whose);
        words.extend(marker.iter().flat_map(|marker| ["--marker", marker.as_str()]));
        let page: Page = cli.ask(&words, Tries::Several)?;
        all.extend(page.service_specific_credentials.into_iter().map(Record::from));
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            break;
        }
    }
    if !all.is_empty() && !all.iter().any(Record::has_name) {
        return Err(too_old());
    }
    Ok(all)
}

/// The CLI drops what its own description of IAM doesn't have: names of keys, and the key itself of a new one.
fn too_old() -> Failure {
    Failure {
        kind: Kind::Other,
        trouble: Trouble {
            detail: "the AWS CLI is too old to tell Bedrock's keys apart".to_owned(),
            fix: "install the AWS CLI's version 2 of today (https://aws.amazon.com/cli/)".to_owned(),
            sign_in: false,
        },
    }
}

/// Whether the CLI keeps all that AWS answers in a file of its own, a new key as well (`cli_history`).
pub fn is_history_kept(cli: &Cli<'_>) -> bool {
    // Where it isn't set, that is the exit status.
    cli.run(&["configure", "get", "cli_history"], Tries::Several).is_ok_and(|said| said.expose().trim_ascii() == b"enabled")
}

/// A key that was just made.
pub struct Created {
    /// What IAM says of it.
    pub record: Record,
    /// The key.
    pub key: Secret,
}

/// Makes a key for a user that ends after so many days, or never.
///
/// A failure of the kind [`Kind::Unclear`] may have made one all the same.
pub fn create(cli: &Cli<'_>, user: &str, days: Option<u32>) -> Result<Created, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer<T> {
        service_specific_credential: T,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Key {
        service_credential_secret: SecretText,
    }
    let days = days.map(|days| days.to_string());
    let mut words = vec!["iam", "create-service-specific-credential", "--service-name", SERVICE, "--user-name", user];
    words.extend(days.iter().flat_map(|days| ["--credential-age-days", days.as_str()]));
    let said = cli.run(&words, Tries::One)?;
    let metadata: Answer<Metadata> = cli.understand(&words, &said)?;
    let key: Answer<Key> = cli.understand(&words, &said)?;
    Ok(Created { record: metadata.service_specific_credential.into(), key: key.service_specific_credential.service_credential_secret.0 })
}

/// Makes a key inactive, which can be undone.
pub fn deactivate(cli: &Cli<'_>, user: &str, id: &str) -> Result<(), Failure> {
    let action = "update-service-specific-credential";
    cli.run(&["iam", action, "--user-name", user, "--service-specific-credential-id", id, "--status", "Inactive"], Tries::Several).map(drop)
}

/// Removes a key.
pub fn delete(cli: &Cli<'_>, user: &str, id: &str) -> Result<(), Failure> {
    cli.run(&deletion(user, id), Tries::Several).map(drop)
}

/// The command that removes a key, for the user to run.
pub fn deletion_line(cli: &Cli<'_>, user: &str, id: &str) -> String {
    cli.line(&deletion(user, id))
}

/// The command that lists a user's keys, for the user to run.
pub fn list_line(cli: &Cli<'_>, user: &str) -> String {
    cli.line(&["iam", "list-service-specific-credentials", "--service-name", SERVICE, "--user-name", user])
}

fn deletion<'a>(user: &'a str, id: &'a str) -> [&'a str; 6] {
    ["iam", "delete-service-specific-credential", "--user-name", user, "--service-specific-credential-id", id]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, alias: Option<&str>, user_name: Option<&str>) -> Record {
        let credential = Credential {
            id: id.to_owned(),
            user: "u".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            status: CredentialStatus::Active,
        };
        Record { credential, alias: alias.map(str::to_owned), user_name: user_name.map(str::to_owned) }
    }

    #[test]
    fn a_key_is_known_by_its_whole_left_half_alone() {
        let records = [record("first", Some("u-at-1"), None), record("second", Some("u+1-at-1"), None)];
        let id = |records: &[Record], identity| find(records, identity).map(|record| record.credential.id.clone());
        assert_eq!(id(&records, "u-at-1").as_deref(), Some("first"));
        assert_eq!(id(&records, "u+1-at-1").as_deref(), Some("second"));
        assert_eq!(id(&records, "u"), None);
        // The only one isn't taken for it.
        assert_eq!(id(&records[..1], "u+2-at-1"), None);
        // By the other name where no alias fits; never where two fit.
        assert_eq!(id(&[record("old", None, Some("u-at-1"))], "u-at-1").as_deref(), Some("old"));
        assert_eq!(id(&[records[0].clone(), records[0].clone()], "u-at-1"), None);
    }
}
