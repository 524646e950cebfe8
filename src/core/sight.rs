//! What the outside looks like to the core: reports of env files and of consumers' processes.
//!
//! These are facts, told by a worker (a short-lived child process) after looking; deciding is the
//! core's. They carry fingerprints, never values, so that they may cross pipes and be logged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ConsumerName, Fingerprint, KeyName};

/// One careful look at one env file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// The file as configured (before symlinks are followed).
    pub path: PathBuf,
    /// What was there.
    pub body: FileBody,
}

/// What stood at an env file's path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileBody {
    /// Nothing there.
    Missing,
    /// Somebody has it open for writing, or it changed while it was read: look again later.
    Busy,
    /// There is something, but it can't be read as an env file (permission, a directory, too large…).
    Unreadable(String),
    /// It was read whole.
    Read(FileContents),
}

/// An env file that was read whole while nobody was writing to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileContents {
    /// Modification time of the contents.
    pub modified_at: Timestamp,
    /// Inode change time: also moves when an older file is renamed into place.
    pub changed_at: Timestamp,
    /// Permission bits, `0o600` at best.
    pub mode: u32,
    /// No bytes, or white space alone.
    pub empty: bool,
    /// It breaks off in the middle of a construct: its writer may not be done.
    pub unfinished: bool,
    /// It exports some variable, so a tracked one that isn't exported is a likely slip.
    pub exports_others: bool,
    /// Static AWS credentials stand beside the bearer key.
    pub static_aws_keys: bool,
    /// Its place behind all links, if git tracks it.
    pub tracked: Option<Box<str>>,
    /// The repository that does, where it isn't the one around the file but the user's for the home directory.
    pub tracked_in: Option<Box<str>>,
    /// One for each variable asked after, in the order asked.
    pub variables: Box<[VariableReport]>,
}

/// What an env file says of one variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariableReport {
    /// The variable's name.
    pub variable: Box<str>,
    /// What sourcing the file would give it.
    pub finding: Finding,
    /// Lines of all its assignments, where there is more than one; the last counts.
    pub duplicates: Box<[usize]>,
    /// Its value ends where the file ends, without a quote or a newline: perhaps half written.
    pub cut_short: bool,
}

/// The value of a variable after sourcing the file, as far as it can be told without running it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It has this value.
    Present(Arc<PresentKey>),
    /// It is assigned the empty value, which still selects bearer authentication in AWS's SDKs.
    Empty {
        /// Line of the assignment, from 1.
        line: usize,
    },
    /// The file doesn't set it.
    Unset {
        /// A likely slip in the file, in one sentence.
        hint: Option<String>,
    },
    /// Only running the file, or the shell it is sourced in, could tell.
    Dynamic {
        /// Why, in words for people.
        reason: String,
        /// Line of the cause, from 1.
        line: usize,
    },
}

/// A key that is in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresentKey {
    /// Its value's fingerprint.
    pub fingerprint: Fingerprint,
    /// Whether a child of the shell would see it.
    pub exported: bool,
    /// Line of the assignment, from 1.
    pub line: usize,
    /// It holds a control character (a carriage return of a DOS file, say): no issuer accepts that.
    pub control_character: bool,
    /// What the key says of itself.
    pub anatomy: Arc<Anatomy>,
}

/// What can be read off a key without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anatomy {
    /// Its sort.
    pub kind: KeyKind,
    /// When it was made, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    /// When it ends at the latest, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The region it is signed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Box<str>>,
    /// The AWS account (12 digits) it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<str>>,
    /// The IAM user (with AWS's suffix, if any) it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Box<str>>,
}

/// Sorts of keys that credd tells apart by their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// `ABSK…`, made by IAM, carries no date.
    BedrockLongTerm,
    /// `bedrock-api-key-…`, a presigned URL with issue time, expiry and region.
    BedrockShortTerm,
    /// A JSON Web Token, with its `exp`.
    Jwt,
    /// Anything else.
    Opaque,
}

/// One look at a consumer's processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerReport {
    /// Every top-level process of the user that matches; oldest first.
    pub processes: Vec<ProcessReport>,
}

/// A process that holds keys in its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Process id; 0 for a container whose process isn't to be seen from here.
    pub pid: i32,
    /// Start time in the kernel's own unit: with the pid it names this process for good.
    pub start_ticks: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// The fingerprint of each tracked variable in its environment; `None` where it isn't set.
    pub keys: BTreeMap<KeyName, Option<Fingerprint>>,
    /// How it is run, told from its control group and parents.
    pub run_by: RunBy,
    /// AWS regions that it calls, as far as it is told any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

/// Who looks after a process, and so how it is to be restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunBy {
    /// Nobody: a plain process.
    Process,
    /// A unit of the user's systemd.
    Systemd {
        /// Full unit name, `litellm.service`.
        unit: String,
    },
    /// A launchd agent.
    Launchd {
        /// Its label.
        label: String,
    },
    /// A service of docker compose.
    Compose {
        /// The service's name.
        service: String,
    },
}

/// How an attempt to have a consumer take up a key ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyReport {
    /// The outcome.
    pub outcome: Outcome,
    /// One sentence for people: what was done, or what went wrong and the next step.
    pub detail: String,
    /// How long it took.
    pub took: SignedDuration,
    /// The consumer's main process afterwards, if it runs.
    pub pid: Option<i32>,
}

/// Outcomes of an apply (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It runs with the new key, proven as far as `verify` asks.
    Applied,
    /// An attempt failed and the consumer serves with its old environment.
    RolledBack,
    /// It doesn't serve.
    Failed,
    /// The issuer rejected the new key: nothing was touched.
    Refused,
    /// The file no longer holds the key that was to be applied: nothing was touched, look again.
    Superseded,
}

impl Outcome {
    /// As in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }
}

/// What the issuer, or a consumer, says of a key (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeVerdict {
    /// It was accepted.
    Works,
    /// It was not accepted: invalid, expired or revoked; or its form is one that no issuer accepts.
    Rejected,
    /// It was accepted and lacks a permission: the key is good.
    Denied,
    /// Nobody answered, or not about the key (429, 5xx, DNS, TLS).
    Unreachable,
    /// An answer that tells nothing.
    Unknown,
}

impl ProbeVerdict {
    /// As in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the issuer knows the key.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Works | Self::Denied)
    }
}

/// How a key is to be asked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeManner {
    /// It has just been put into its file: for up to a minute, while it is rejected (a key takes seconds to be
    /// known everywhere) or nobody can be reached, it is asked again.
    Fresh,
    /// It was issued a while ago, and nothing is known of it yet: as `Fresh`, but a rejection counts at once.
    First,
    /// On its schedule: once. Where that leaves a doubt (anything but works or denied), consumers that hold
    /// the key are asked to prove it.
    Scheduled,
    /// The user wants to know: once, and each consumer that holds the key is asked to prove it.
    Asked,
}

impl ProbeManner {
    /// Whether consumers are asked as well, where the issuer's answer leaves a doubt or doesn't.
    pub fn asks_consumers(self, in_doubt: bool) -> bool {
        match self {
            Self::Fresh | Self::First => false,
            Self::Scheduled => in_doubt,
            Self::Asked => true,
        }
    }
}

/// What asking after a key came to. No secret in its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Of all that was asked.
    pub verdict: ProbeVerdict,
    /// One sentence for people, without a name for the key: `"Bedrock accepts it"`.
    pub detail: String,
    /// What each consumer said that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<ConsumerProbe>,
}

/// What asking one consumer for a completion said of the key that it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerProbe {
    /// Which.
    pub consumer: ConsumerName,
    /// `works`, `rejected`, `unreachable` (it, or Bedrock behind it, doesn't answer) or `unknown`.
    pub verdict: ProbeVerdict,
    /// One sentence for people.
    pub detail: String,
}
