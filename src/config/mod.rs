//! The configuration (contract, section 3): what it holds and its defaults.
//!
//! No file is needed: [`Config::defaults`] tracks the Bedrock key of `~/.backlog-toolkit-env` and the
//! user's `litellm --config …` process. Loading and its errors are in `load`.

mod checks;
mod error;
mod load;
mod show;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::core::{ConsumerName, KeyName};

pub use crate::core::Iam;

pub use checks::parse_duration;
pub use error::{ConfigError, Place};
pub use load::{Surroundings, names_consumers};
pub use show::show;

/// Everything the user can set, validated: names are unique, cron expressions parse, consumers refer
/// to keys that exist, paths are absolute.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[[keys]]`, in the file's order.
    pub keys: Vec<KeyConfig>,
    /// `[[consumers]]`, in the file's order.
    pub consumers: Vec<ConsumerConfig>,
}

impl Config {
    /// Keys that are asked after, with their cron expressions.
    pub fn probes(&self) -> impl Iterator<Item = (&KeyName, &str)> {
        self.keys.iter().filter_map(|key| Some((&key.name, key.probe.as_deref()?)))
    }
}

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// Days of a 30-day key's life, ascending.
    pub days: Vec<u32>,
    /// Cron with seconds, local time.
    pub remind: String,
    /// Show desktop notifications.
    pub desktop: bool,
    /// Argv to run as well, with the alert as JSON on its standard input; empty for none.
    pub command: Vec<String>,
}

/// `[metrics]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Metrics {
    /// A `node_exporter` textfile to keep current.
    pub textfile: Option<PathBuf>,
}

/// One of `[[keys]]`. Of thousands, many say the same: texts are shared among them, and with the core.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyConfig {
    /// Unique.
    pub name: KeyName,
    /// `kind`.
    pub kind: KindChoice,
    /// The environment variable that holds it.
    pub variable: Arc<str>,
    /// Absolute path of the file that assigns it.
    pub env_file: Arc<Path>,
    /// From issue to expiry; `None` for keys that don't expire.
    pub lifetime: Option<SignedDuration>,
    /// AWS region.
    pub region: Arc<str>,
    /// Cron; `None` for never.
    pub probe: Option<Arc<str>>,
    /// Base URL of the probe; `None` for AWS's own.
    pub endpoint: Option<Arc<str>>,
    /// What to ask IAM for.
    pub iam: Iam,
    /// The AWS CLI profile for `iam` and short-term keys.
    pub aws_profile: Option<Arc<str>>,
}

/// Whether credd mints the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindChoice {
    /// By its form.
    Auto,
    /// Minted from `aws_profile`.
    ShortTerm,
}

/// One of `[[consumers]]`. Serialisable, since a worker gets it on its standard input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerConfig {
    /// Unique.
    pub name: ConsumerName,
    /// Keys it uses; empty for all.
    pub keys: Vec<KeyName>,
    /// How it is restarted.
    pub restart: Restart,
    /// Let the new process load beside the old one.
    pub handover: bool,
    /// Words that its argv must have (see `crate::consumers`).
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    /// Base URL it answers at; `None` for where its process listens.
    pub url: Option<String>,
    /// What proves that it works.
    pub verify: Verify,
    /// Model of the proving completion; `None` for the first Bedrock model of LiteLLM's own config.
    pub model: Option<String>,
    /// Variable of its environment that holds the proxy's master key.
    pub master_key_variable: String,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// From start to ready.
    pub ready_timeout: Duration,
    /// A file that holds its pid, to be kept true.
    pub pid_file: Option<PathBuf>,
    /// Its systemd unit or launchd label, where `restart` says so.
    pub unit: Option<String>,
    /// Its docker compose file.
    pub compose_file: Option<PathBuf>,
    /// Its service in that file; `None` for one of the consumer's name.
    #[serde(default)]
    pub service: Option<String>,
    /// Argv of `restart = "command"`.
    pub command: Vec<String>,
}

impl ConsumerConfig {
    /// Whether it uses a key.
    pub fn uses(&self, key: &KeyName) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }
}

/// `restart` of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whatever the process really is.
    Auto,
    /// Stop the process and start it again.
    Process,
    /// Through the user's systemd.
    Systemd,
    /// Through launchd.
    Launchd,
    /// `docker compose up`.
    Compose,
    /// A command of the user's.
    Command,
    /// Never: only report.
    None,
}

impl Restart {
    /// As written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Process => "process",
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Compose => "compose",
            Self::Command => "command",
            Self::None => "none",
        }
    }
}

/// `verify` of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// A tiny completion through it: the only proof of the key.
    Completion,
    /// Its readiness endpoint.
    Readiness,
    /// That it runs.
    None,
}

/// The variable tracked by default.
pub const DEFAULT_VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
/// The env file tracked by default, below the home directory.
pub const DEFAULT_ENV_FILE: &str = ".backlog-toolkit-env";
/// The lifetime that Bedrock's console proposes for a long-term key.
pub const DEFAULT_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
