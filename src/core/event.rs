//! What goes into the core and what comes out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alarm::Channel;
use super::policy::Reason;
use super::record::Record;
use super::renewal::{Credential, IamReport, MadeKey, MintReport, Renewal, RenewalReport, RetireReport, Retiring};
use super::{ApplyReport, ConsumerName, ConsumerReport, FileReport, Fingerprint, KeyName, Outcome, ProbeManner, ProbeReport};

/// What the core must know of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Days of a 30-day key's life, ascending.
    pub days: Vec<u32>,
    /// Ways to reach the user.
    pub channels: Vec<Channel>,
    /// The keys.
    pub keys: Vec<Arc<KeySpec>>,
    /// Their consumers.
    pub consumers: Vec<ConsumerSpec>,
}

/// A key to be tracked.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySpec {
    /// Unique.
    pub name: KeyName,
    /// The variable that holds it.
    pub variable: Arc<str>,
    /// The file that assigns it.
    pub env_file: Arc<std::path::Path>,
    /// From issue to expiry; `None` for keys that don't expire.
    pub lifetime: Option<SignedDuration>,
    /// Its issuer may be asked whether it accepts it.
    pub probed: bool,
    /// Who is to be asked, where the user has named somebody.
    pub endpoint: Option<Arc<str>>,
    /// Where to ask.
    pub region: Arc<str>,
    /// What IAM is asked for.
    pub iam: Iam,
    /// It is minted here, from a profile's credentials.
    pub minted: bool,
}

/// What IAM is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Iam {
    /// Nothing.
    Off,
    /// The key's true dates.
    Read,
    /// Also the next key, at the first alert.
    Renew,
}

/// A consumer to be looked after.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSpec {
    /// Unique.
    pub name: ConsumerName,
    /// Keys it uses; empty for all.
    pub keys: Vec<KeyName>,
    /// `false` for `restart = "none"`: only reported.
    pub restartable: bool,
}

/// Times on the user's cron expressions, in local time.
pub trait Calendar {
    /// The first reminder after `time`.
    fn next_reminder(&self, time: Timestamp) -> Option<Timestamp>;
    /// The first reminder of tomorrow, or this time tomorrow if there is none.
    fn tomorrow(&self, now: Timestamp) -> Timestamp;
    /// When a key is to be asked after that was last asked after at `time`.
    fn next_probe(&self, key: &KeyName, time: Timestamp) -> Option<Timestamp>;
}

/// Names an answer that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The daemon starts.
    Start,
    /// [`super::Machine::next_deadline`] was reached, or the clock was set, or nothing in particular:
    /// always safe.
    Tick,
    /// Something touched these env files, or may have.
    FileHint(Vec<PathBuf>),
    /// A file was looked at.
    FileRead(FileReport),
    /// A look at files came to nothing (the worker could not be run).
    ReadFailed(Vec<PathBuf>),
    /// A consumer's processes were looked at; `None` if that failed.
    Inspected(ConsumerName, Option<ConsumerReport>),
    /// A process of a consumer ended.
    ConsumerGone(ConsumerName),
    /// A key was asked after, with the value it had then; `None` if the file has another by now.
    Probed(KeyName, Fingerprint, Option<ProbeReport>),
    /// IAM was asked about a key, with the value it had then; `None` if the file has another by now.
    IamSaid(KeyName, Fingerprint, Option<IamReport>),
    /// A renewal waits for leave to make a key.
    RenewalBegins(KeyName, RenewalPlan),
    /// A renewal has made a key and waits for leave to go on.
    RenewalMade(KeyName, MadeKey),
    /// A renewal ended; `None` if how it ended is not known.
    RenewalEnded(KeyName, Option<RenewalReport>),
    /// A step of retiring a credential ended; `None` if how it ended is not known.
    Retired(KeyName, String, Option<RetireReport>),
    /// A key was minted, or not; `None` if how that ended is not known.
    Minted(KeyName, Option<MintReport>),
    /// An apply is now at this phase.
    ApplyProgress(ConsumerName, String),
    /// An apply ended; `None` if how it ended is not known.
    Applied(ConsumerName, Option<ApplyReport>),
    /// An alert reached the user, with the id the notification service gave.
    Delivered(Topic, Channel, Option<u32>),
    /// An alert didn't reach the user.
    NotDelivered(Topic, Channel, String),
    /// A notification service appeared.
    NotifierAppeared,
    /// "Remind me tomorrow" was chosen.
    RemindTomorrow(Topic),
    /// The configuration was read anew.
    Reconfigured(Settings),
    /// Somebody asks.
    Request(Ticket, Request),
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Look at what may have changed unseen, then answer.
    Refresh,
    /// Record the true issue date.
    Issued(KeyName, Timestamp),
    /// Quiet reminders until then; `None` ends the quiet.
    Snooze(KeyName, Option<Timestamp>),
    /// Have a consumer take up the keys; `force` restarts it even if it has them.
    Apply(ConsumerName, bool),
    /// Ask whether a key works now.
    Verify(KeyName),
    /// This value was put into the file by `credd renew`.
    Renewed(KeyName, Fingerprint),
    /// Have the next key made.
    Renew(KeyName),
}

/// What a renewal is about to do.
#[derive(Clone, Debug, PartialEq)]
pub struct RenewalPlan {
    /// The IAM user for which a key is to be made.
    pub user: String,
    /// The credential that is to be replaced.
    pub old: Option<Credential>,
    /// Ids of all credentials that the user has.
    pub known: Vec<String>,
}

/// Why a request was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No such key.
    UnknownKey(KeyName),
    /// No such consumer.
    UnknownConsumer(ConsumerName),
    /// The request makes no sense now, with the reason and the next step.
    Refused {
        /// What is in the way.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Done.
    Done,
    /// An apply ended so.
    Applied(Outcome, String),
    /// What asking after a key came to.
    Verified(ProbeReport),
    /// The next key is in the file.
    Renewed,
    /// Turned down.
    Denied(Denial),
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A key.
    Key(KeyName),
    /// A consumer.
    Consumer(ConsumerName),
    /// What was done about a key, or is left to do, whatever its dates.
    News(KeyName),
}

/// An alert to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub topic: Topic,
    /// Why.
    pub reason: Reason,
    /// Id and tag that replace an earlier popup about the same.
    pub popup: super::alarm::PopupRecord,
    /// The facts to put into words.
    pub facts: Facts,
}

/// What an alert says, before it is put into words.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// About a key's end.
    Expiry {
        /// The key's variable.
        variable: Arc<str>,
        /// The file that assigns it.
        env_file: Arc<std::path::Path>,
        /// When it ends.
        expires_at: Timestamp,
        /// How sure the date is.
        source: super::record::IssuedSource,
    },
    /// About a key that its issuer rejects.
    Rejected {
        /// The key's variable.
        variable: Arc<str>,
        /// The file that assigns it.
        env_file: Arc<std::path::Path>,
        /// What the issuer says.
        detail: String,
        /// Who runs with this very value.
        running: Vec<ConsumerName>,
        /// Who was left running with another.
        kept: Vec<ConsumerName>,
    },
    /// What was done about a key, or is left to do.
    News {
        /// In one sentence.
        detail: String,
        /// The next step, if any.
        fix: String,
    },
    /// About an apply that went wrong.
    Apply {
        /// What happened and what to do.
        detail: String,
    },
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What, in stable kebab-case.
    pub event: String,
    /// About which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    /// About which consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerName>,
    /// Of which value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// One sentence for people.
    pub message: String,
}

/// Something to be done. Effects of one step are carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make these entries of the state durable before anything that follows.
    Save(Vec<Record>),
    /// Append to the history and the log.
    Tell(HistoryEntry),
    /// Look at these files.
    ReadFiles(Vec<Arc<std::path::Path>>),
    /// Look at these consumers' processes.
    Inspect(Vec<ConsumerName>),
    /// Ask after a key with this value.
    Probe(KeyName, Fingerprint, ProbeManner),
    /// Ask IAM about a key with this value.
    AskIam(KeyName, Fingerprint),
    /// Have the next key made in place of this value.
    Renew(KeyName, Fingerprint),
    /// A renewal that waits may go on: what it waits for is durable.
    RenewalGoOn(KeyName),
    /// A renewal that waits is to undo what it did.
    RenewalStop(KeyName),
    /// Finish or undo a renewal that ended unseen.
    SettleRenewal(KeyName, Renewal),
    /// Take this step of retiring a credential.
    Retire(KeyName, Retiring),
    /// Mint a short-term key in place of this value, if it ends well after that time.
    Mint(KeyName, Option<Fingerprint>, Option<Timestamp>),
    /// Have a consumer take up these keys.
    Apply(ConsumerName, BTreeMap<KeyName, Fingerprint>),
    /// Tell when the apply that an earlier daemon began for this consumer has ended.
    AwaitApply(ConsumerName),
    /// Send an alert by one channel.
    Notify(Channel, Notice),
    /// Close a popup, of this run or an earlier one.
    ClosePopup(super::alarm::PopupRecord),
    /// Answer somebody who waits.
    Reply(Ticket, Reply),
}
