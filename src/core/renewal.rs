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
    /// It couldn't be done.
    Trouble(Trouble),
}
