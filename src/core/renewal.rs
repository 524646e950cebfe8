//! What IAM knows of keys, and the making of the next one: facts told by a worker, and what is remembered of
//! a renewal that is under way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Fingerprint;

/// A key as IAM knows it: a service-specific credential
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// `ServiceSpecificCredentialId`, `ACCA…`: no secret.
    pub id: String,
    /// The IAM user it belongs to.
    pub user: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Its status.
    pub status: CredentialStatus,
}

/// Whether a credential is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialStatus {
    /// It is.
    Active,
    /// It isn't, and can be made active again.
    Inactive,
    /// It isn't any more.
    Expired,
}

/// What was in the way of asking AWS, and what to do about it. No secret in its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What, in one sentence.
    pub detail: String,
    /// The next step.
    pub fix: String,
    /// The user has to sign in anew; nothing else helps.
    #[serde(default)]
    pub sign_in: bool,
}

/// What IAM said of the key in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IamReport {
    /// This is it.
    Found(Credential),
    /// It couldn't be asked, or none that it knows is certainly this key.
    Trouble(Trouble),
}

/// A key that was made and whose place in a file isn't certain yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeKey {
    /// Its id.
    pub id: String,
    /// Its IAM user.
    pub user: String,
    /// Its value's fingerprint.
    pub fingerprint: Fingerprint,
    /// When it ends; `None` if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How the making of a key ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalReport {
    /// The new key is in the file.
    Written(MadeKey),
    /// It isn't, and there is no new key any more, or never was one.
    Undone(Trouble),
    /// It isn't, and a new key is left that couldn't be removed: it is to be tried again.
    Left(Trouble),
}

/// How a step of retiring a key ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetireReport {
    /// It was done, or was so already.
    Done,
    /// A tracked file holds this key: nothing was done.
    InUse,
    /// It couldn't be done.
    Trouble(Trouble),
}

/// A step of retiring a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetireStep {
    /// No longer accepted; can be made active again.
    Deactivate,
    /// Gone.
    Delete,
}

/// How minting a short-term key ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MintReport {
    /// The new key is in the file.
    Written {
        /// Its value's fingerprint.
        fingerprint: Fingerprint,
        /// When the credentials end that it is signed with, and so the key, whatever it says itself.
        session_ends_at: Option<Timestamp>,
        /// When the user has to sign in anew (SSO).
        sign_in_by: Option<Timestamp>,
    },
    /// The file holds another value than was expected: nothing was done.
    Superseded,
    /// A key wouldn't live longer than the one that is there: nothing was done.
    NotYet,
    /// It couldn't be done.
    Trouble(Trouble),
}

/// A renewal under way, saved before each step that can't be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// When the making of the key was decided.
    pub begun_at: Timestamp,
    /// The IAM user that the key is for.
    pub user: String,
    /// The credential that is replaced; `None` if IAM couldn't tell which that is.
    pub old: Option<Credential>,
    /// The value that is replaced.
    pub old_fingerprint: Fingerprint,
    /// Ids of all credentials that the user had before.
    pub known: Vec<String>,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a renewal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// A key may have been made.
    Making,
    /// One was made; it may be in the file.
    Made(MadeKey),
    /// It is in the file; consumers take it up.
    Written(MadeKey),
}

/// A credential that was replaced and is being retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retiring {
    /// Its id.
    pub id: String,
    /// Its IAM user.
    pub user: String,
    /// Its value's fingerprint.
    pub fingerprint: Fingerprint,
    /// It is inactive, and is deleted then; `None` while it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}

impl Retiring {
    /// The next step.
    pub fn step(&self) -> RetireStep {
        if self.delete_at.is_some() { RetireStep::Delete } else { RetireStep::Deactivate }
    }
}

/// What is known of a short-term key that was minted here, and not from the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// Its value's fingerprint.
    pub fingerprint: Fingerprint,
    /// When the credentials end that it is signed with.
    pub session_ends_at: Option<Timestamp>,
    /// When the user has to sign in anew.
    pub sign_in_by: Option<Timestamp>,
}
