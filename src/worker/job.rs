//! What the daemon and its workers say to each other: one [`Job`] on standard input, [`Answer`]s as
//! JSON lines on standard output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::ConsumerConfig;
use crate::core::{ApplyReport, ConsumerName, ConsumerReport, FileReport, Fingerprint, KeyName, ProbeManner, ProbeReport};

/// Work that touches secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
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
        /// Which, and which variables to look for in each.
        consumers: Vec<ConsumerQuery>,
    },
    /// Have one consumer take up the keys that are in the env files now.
    Apply(Box<ApplyOrder>),
    /// Ask after keys; those of one endpoint one after another.
    Probe {
        /// Holds the salt.
        state_dir: PathBuf,
        /// Which, and how.
        probes: Vec<ProbeOrder>,
    },
    /// Wait until no worker is at this consumer.
    AwaitApply {
        /// Holds the lock.
        state_dir: PathBuf,
        /// Which.
        consumer: ConsumerName,
    },
}

/// One env file and the variables to look for in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileQuery {
    /// The file.
    pub path: PathBuf,
    /// Names of variables.
    pub variables: Vec<String>,
}

/// One consumer and the keys to look for in its environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsumerQuery {
    /// The consumer.
    pub config: ConsumerConfig,
    /// Its keys and their variables.
    pub keys: Vec<KeyVariable>,
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
    /// Consumers to be asked for a completion, where the manner wants that and they hold the key.
    pub consumers: Vec<ConsumerConfig>,
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
#[serde(tag = "answer", rename_all = "kebab-case")]
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
    /// To [`Job::Apply`]: what it is at now, as words after "is".
    Progress {
        /// `"stopping"`, `"starting"`, …
        phase: String,
    },
    /// To [`Job::Apply`], last.
    Applied(ApplyReport),
}
