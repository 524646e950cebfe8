//! What the daemon and its workers say to each other: one [`Job`] on standard input, [`Answer`]s as
//! JSON lines on standard output.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::ConsumerConfig;
use crate::core::{
    ApplyReport, ConsumerName, ConsumerReport, Credential, FileReport, Fingerprint, IamReport, KeyName, MadeKey, MintReport, ProbeManner,
    ProbeReport, RenewalReport, RetireReport, RetireStep,
};

/// Work that touches secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Read env files.
    Read {
        /// Holds the salt.
        state_dir: PathBuf,
        /// Which, and what to look for in each.
        files: Vec<FileQuery>,
    },
    /// Look at consumers' processes.
    Inspect {
        /// Holds the salt.
        state_dir: PathBuf,
        /// The keys to look for. They are many and shared: which of them a consumer uses, its configuration says.
        keys: Vec<KeyVariable>,
        /// Which.
        consumers: Vec<ConsumerConfig>,
    },
    /// Have one consumer take up the keys that are in the env files now.
    Apply(Box<ApplyOrder>),
    /// Ask after keys; those of one endpoint one after another.
    Probe {
        /// Holds the salt.
        state_dir: PathBuf,
        /// Those to be asked for a completion, where the manner wants that: each about the keys that it uses by its
        /// configuration and holds.
        consumers: Vec<ConsumerConfig>,
        /// Which, and how.
        probes: Vec<ProbeOrder>,
    },
    /// For another worker: ask one endpoint after keys, which come after the job, and do nothing else ([`crate::probe`]).
    Talk {
        /// Its URL.
        base: String,
    },
    /// Ask IAM for the true dates of keys.
    AskIam {
        /// Holds the salt.
        state_dir: PathBuf,
        /// Which.
        orders: Vec<IamOrder>,
    },
    /// Make the next key for a key's IAM user and put it into the file.
    ///
    /// Twice it waits for a line (any; the job itself isn't ended by one) on standard input before it goes on: after [`Answer::RenewalBegins`] and
    /// [`Answer::RenewalMade`], so that what it is about to do, and what it has made, is durable first. Where
    /// the input ends instead, it undoes what it did. It holds the key's renewal lock all the time.
    Renew(Box<RenewOrder>),
    /// Finish or undo what a [`Job::Renew`] left that ended unseen, once no worker is at it.
    SettleRenewal(Box<SettleOrder>),
    /// Retire a credential that was replaced.
    Retire(Box<RetireOrder>),
    /// Mint a short-term key from a profile's credentials and put it into the file.
    Mint(Box<MintOrder>),
    /// Wait until no worker is at this consumer.
    AwaitApply {
        /// Holds the lock.
        state_dir: PathBuf,
        /// Which.
        consumer: ConsumerName,
    },
}

impl Job {
    /// What it is, in a word, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Inspect { .. } => "inspect",
            Self::Apply(_) => "apply",
            Self::Probe { .. } => "probe",
            Self::Talk { .. } => "talk",
            Self::AskIam { .. } => "ask-iam",
            Self::Renew(_) => "renew",
            Self::SettleRenewal(_) => "settle-renewal",
            Self::Retire(_) => "retire",
            Self::Mint(_) => "mint",
            Self::AwaitApply { .. } => "await-apply",
        }
    }
}

/// One env file and the variables to look for in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileQuery {
    /// The file.
    pub path: PathBuf,
    /// Names of variables.
    pub variables: Vec<String>,
}

/// A key and the variable that holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyVariable {
    /// The key.
    pub name: KeyName,
    /// Its variable.
    pub variable: String,
    /// The file that assigns it, which a consumer may read itself.
    pub env_file: PathBuf,
}

/// An order to ask after a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeOrder {
    /// The key. A worker that finds another value in the file asks nobody.
    pub key: KeyTarget,
    /// How.
    pub manner: ProbeManner,
    /// `endpoint` of the configuration; `None` for what the environment says, else AWS's own.
    pub endpoint: Option<String>,
    /// The AWS region it is for.
    pub region: String,
}

/// An order to have a consumer take up keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplyOrder {
    /// Holds the salt, and the lock that keeps two workers from one consumer.
    pub state_dir: PathBuf,
    /// The consumer.
    pub consumer: ConsumerConfig,
    /// The keys decided on. A worker that finds another value in the file touches nothing.
    pub keys: Vec<KeyTarget>,
    /// Variables that keep their old value in the consumer, whatever the files say: keys that their
    /// issuer rejects.
    pub withheld: Vec<String>,
    /// The daemon runs as a service, whose children would end with it and inherit its sandbox: the
    /// consumer is to be started outside of it.
    pub from_service: bool,
}

/// An order to ask IAM about a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IamOrder {
    /// The key. A worker that finds another value in the file asks nobody.
    pub key: KeyTarget,
    /// Profile of the AWS CLI; `None` for its default.
    pub profile: Option<String>,
}

/// An order to make the next key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewOrder {
    /// Holds the salt and the lock.
    pub state_dir: PathBuf,
    /// The key to be replaced. A worker that finds another value in the file does nothing.
    pub key: KeyTarget,
    /// Profile of the AWS CLI; `None` for its default.
    pub profile: Option<String>,
    /// Days from issue to expiry; `None` for a key that doesn't expire.
    pub days: Option<u32>,
    /// `endpoint` of the configuration, for the probe.
    pub endpoint: Option<String>,
    /// Region, for the probe.
    pub region: String,
    /// Every variable that is tracked: what these hold is in use.
    pub tracked: Vec<KeyVariable>,
}

/// An order to finish or undo a renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SettleOrder {
    /// Holds the salt and the lock.
    pub state_dir: PathBuf,
    /// The key.
    pub key: KeyVariable,
    /// Profile of the AWS CLI; `None` for its default.
    pub profile: Option<String>,
    /// The IAM user for which a key may have been made.
    pub user: String,
    /// Ids of the credentials that the user had before.
    pub known: Vec<String>,
    /// When the making was decided.
    pub begun_at: Timestamp,
    /// What was made, where that is known.
    pub made: Option<MadeKey>,
    /// Every variable that is tracked: what these hold is in use.
    pub tracked: Vec<KeyVariable>,
}

/// An order to retire a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RetireOrder {
    /// Holds the salt.
    pub state_dir: PathBuf,
    /// Profile of the AWS CLI; `None` for its default.
    pub profile: Option<String>,
    /// The credential's id.
    pub id: String,
    /// Its IAM user.
    pub user: String,
    /// Its value's fingerprint.
    pub fingerprint: Fingerprint,
    /// What to do.
    pub step: RetireStep,
    /// Every variable that is tracked: what these hold is in use.
    pub tracked: Vec<KeyVariable>,
}

/// An order to mint a short-term key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MintOrder {
    /// Holds the salt.
    pub state_dir: PathBuf,
    /// The key; the file need not exist.
    pub key: KeyVariable,
    /// The value that is to be replaced; `None` where there is none.
    pub old: Option<Fingerprint>,
    /// When that ends, if a key that ends no later isn't wanted.
    pub ends_at: Option<Timestamp>,
    /// Profile of the AWS CLI.
    pub profile: String,
    /// The region it is for.
    pub region: String,
}

/// A key to be taken up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyTarget {
    /// The key.
    pub name: KeyName,
    /// Its variable.
    pub variable: String,
    /// The file that assigns it; everything else that the file exports goes along.
    pub env_file: PathBuf,
    /// What the file must hold for the order to stand.
    pub fingerprint: Fingerprint,
}

/// What a worker found or did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Job::Read`], one for each file, in order.
    File(FileReport),
    /// To [`Job::Inspect`], one for each consumer, in order.
    Consumer {
        /// Which.
        name: ConsumerName,
        /// What it is doing.
        report: ConsumerReport,
    },
    /// To [`Job::Probe`], one for each key, as they come.
    Probed {
        /// Which.
        key: KeyName,
        /// Of which value.
        fingerprint: Fingerprint,
        /// What came of it; `None` if the file no longer has that value.
        report: Option<ProbeReport>,
    },
    /// To [`Job::AskIam`], one for each key, as they come.
    IamSaid {
        /// Which.
        key: KeyName,
        /// Of which value.
        fingerprint: Fingerprint,
        /// What came of it; `None` if the file no longer has that value.
        report: Option<IamReport>,
    },
    /// To [`Job::Renew`], which waits: a key is about to be made.
    RenewalBegins {
        /// For this IAM user.
        user: String,
        /// The credential that is to be replaced.
        old: Option<Credential>,
        /// Ids of all credentials that the user has.
        known: Vec<String>,
    },
    /// To [`Job::Renew`], which waits: a key was made.
    RenewalMade(MadeKey),
    /// To [`Job::Renew`] and [`Job::SettleRenewal`], last.
    RenewalEnded(RenewalReport),
    /// To [`Job::Retire`].
    Retired(RetireReport),
    /// To [`Job::Mint`].
    Minted(MintReport),
    /// To [`Job::Apply`]: what it is at now, as words after "is".
    Progress {
        /// `"stopping"`, `"starting"`, …
        phase: String,
    },
    /// To [`Job::Apply`], last.
    Applied(ApplyReport),
}
