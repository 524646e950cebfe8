//! What goes over the socket (contract, section 4), as the daemon writes it and the client reads it.
//!
//! Prose is the client's; here are facts. Fields are added, never renamed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::core::consumer::ConsumerState;
use crate::core::{ConsumerProbe, Credential, Fingerprint, KeyKind, Outcome, ProbeVerdict, Trouble};

/// `GET /v1/status`, `credd status --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of this document.
    pub schema: u32,
    /// `false` if this is the last saved state, shown without a daemon.
    pub live: bool,
    /// The daemon that answers.
    pub daemon: Option<DaemonStatus>,
    /// All keys, in the configuration's order.
    pub keys: Vec<KeyStatus>,
    /// All consumers, in the configuration's order.
    pub consumers: Vec<ConsumerStatus>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
}

/// The `detail` of a key that no daemon has looked for yet.
pub const NEVER_SEEN: &str = "it was never seen";

/// Of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// As configured.
    pub name: String,
    /// As configured.
    pub variable: String,
    /// As configured, absolute.
    pub env_file: String,
    /// By its form.
    pub kind: Option<KeyKind>,
    /// Its standing.
    pub state: KeyStanding,
    /// Why, where that needs words.
    pub detail: Option<String>,
    /// Of the value that counts.
    pub fingerprint: Option<Fingerprint>,
    /// When it was issued.
    pub issued_at: Option<Timestamp>,
    /// Who says so.
    pub issued_source: Option<crate::core::IssuedSource>,
    /// When it ends; `null` also for keys that never do.
    pub expires_at: Option<Timestamp>,
    /// How old it is.
    pub age_days: Option<f64>,
    /// How long it lives on; negative once expired.
    pub days_left: Option<f64>,
    /// When the next alert is.
    pub next_alert_at: Option<Timestamp>,
    /// When the first alert of its end is, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_alert_at: Option<Timestamp>,
    /// Reminders are quiet until then.
    pub snoozed_until: Option<Timestamp>,
    /// Alerts about the key that is there now.
    pub alerts_sent: Vec<AlertStatus>,
    /// The last probe.
    pub probe: Option<ProbeStatus>,
    /// What a key says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What a key says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What a key says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What IAM says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<IamStatus>,
    /// A renewal that is under way: what it is at, as words after "is".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<String>,
    /// Keys that it replaced and that may still be accepted by their issuer, latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerKey>,
    /// In the answer to a [`VerifyRequest`] alone: what each consumer said that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Vec<ConsumerProbe>>,
    /// There too: who is to have the key, runs or should, and could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_asked: Option<Vec<NotAsked>>,
}

/// A consumer that could not be asked to prove a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAsked {
    /// Which.
    pub consumer: String,
    /// Why, in words.
    pub why: String,
    /// The next step, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What IAM says of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IamStatus {
    /// What it says; `None` while that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// When it was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What was in the way the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// A key that was replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormerKey {
    /// Of its value.
    pub fingerprint: Fingerprint,
    /// When it was replaced.
    pub replaced_at: Timestamp,
    /// When it ends; `null` if never, or unknown.
    pub expires_at: Option<Timestamp>,
    /// What it said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its id in IAM, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// Consumers that still run with it.
    pub consumers: Vec<String>,
    /// Env files that still hold it, `FILE: VARIABLE`.
    pub env_files: Vec<String>,
    /// credd has made it inactive and deletes it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}

/// Standing of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStanding {
    /// Nothing is due.
    Ok,
    /// The first alert was reached.
    Due,
    /// It has ended.
    Expired,
    /// The issuer refuses it.
    Rejected,
    /// No such assignment or no file.
    Missing,
    /// Only running the file could tell.
    Dynamic,
    /// The file can't be read.
    Unreadable,
}

/// An alert that was sent, or is being sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// When.
    pub at: Timestamp,
    /// `day-25`, `reminder`, `expired`, …
    pub reason: String,
    /// Some channel took it.
    pub delivered: bool,
}

/// A probe of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// What was said.
    pub verdict: ProbeVerdict,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub detail: String,
}

/// Of a consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerStatus {
    /// As configured.
    pub name: String,
    /// Its state.
    pub state: ConsumerState,
    /// Its (oldest) process.
    pub pid: Option<i32>,
    /// How it is restarted: as configured, or for `auto` what its process really is.
    pub restart: String,
    /// What it runs with, by key.
    pub key_fingerprints: BTreeMap<String, Option<Fingerprint>>,
    /// How the last apply ended.
    pub last_apply: Option<ApplyStatus>,
    /// What is being done, or waited for and until when, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Keys that aren't for it, since it has their variable from another one, and which that is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overruled: BTreeMap<String, String>,
}

/// An apply that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyStatus {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
    /// In words.
    pub detail: String,
}

/// Something wrong, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, kebab-case.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// What and where, in one sentence.
    pub message: String,
    /// The next step.
    pub fix: String,
    /// The names of keys and consumers, and the paths of files, that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
}

impl Problem {
    /// The same about these.
    #[must_use]
    pub fn about<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { about: names.into_iter().map(str::to_owned).collect(), ..self }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Will go wrong.
    Warning,
    /// Is wrong.
    Error,
}

/// The body of an answer that isn't 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// Stable, kebab-case.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// `POST /v1/keys/{name}/issued`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedRequest {
    /// The true issue date.
    pub at: Timestamp,
}

/// `POST /v1/keys/{name}/snooze`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnoozeRequest {
    /// Quiet until then; `null` ends the quiet. Absent: until tomorrow.
    #[serde(default, with = "tomorrow")]
    pub until: SnoozeUntil,
}

/// Until when reminders are to be quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnoozeUntil {
    /// Until the first reminder of tomorrow.
    #[default]
    Tomorrow,
    /// Until then.
    At(Timestamp),
    /// No longer.
    Cleared,
}

mod tomorrow {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::SnoozeUntil;

    pub fn serialize<S: Serializer>(until: &SnoozeUntil, serializer: S) -> Result<S::Ok, S::Error> {
        match until {
            SnoozeUntil::Tomorrow => serializer.serialize_str("tomorrow"),
            SnoozeUntil::At(at) => at.serialize(serializer),
            SnoozeUntil::Cleared => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SnoozeUntil, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(SnoozeUntil::Cleared),
            Some(text) if text == "tomorrow" => Ok(SnoozeUntil::Tomorrow),
            Some(text) => text.parse::<Timestamp>().map(SnoozeUntil::At).map_err(serde::de::Error::custom),
        }
    }
}

/// `POST /v1/keys/{name}/renewed`: this value was put into the file just now, by `credd renew`. The answer,
/// once that is seen there, is the key's new state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewedRequest {
    /// Of the new value.
    pub fingerprint: Fingerprint,
}

/// `POST /v1/keys/{name}/renew`: have IAM make the next key. An empty object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {}

/// The answer to a [`RenewRequest`], once the new key is in the file, or isn't going to be: [`RenewalEnd`] and the
/// key's new state in one object.
#[derive(Clone, Debug, Serialize)]
pub struct RenewAnswer {
    /// The key's new state.
    #[serde(flatten)]
    pub key: KeyStatus,
    /// What came of it.
    #[serde(flatten)]
    pub end: RenewalEnd,
}

/// What came of a renewal by the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewalEnd {
    /// The new key is in the file.
    pub renewed: bool,
    /// In words: what was done, or was in the way.
    pub message: String,
    /// The next step, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// `POST /v1/keys/{name}/verify`: an empty object. The answer is the key's new state, with
/// [`KeyStatus::consumers`] and [`KeyStatus::not_asked`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {}

/// What to say to somebody who asked for a name that there isn't.
pub fn those_there_are<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<_> = names.collect();
    match names.len() {
        0 => "there is none; see: credd config".into(),
        1..=SHOWN => format!("there is: {}", names.join(", ")),
        many => format!("there is: {} and {} more", names[..SHOWN].join(", "), many - SHOWN),
    }
}

/// `POST /v1/consumers/{name}/apply`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// Restart it even if it is current.
    #[serde(default)]
    pub force: bool,
}

/// The answer to an [`ApplyRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// Which.
    pub consumer: String,
    /// How it ended.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
}
