//! All that checks go by: what is known, and what was found by looking.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Zoned;
use zeroize::Zeroizing;

use super::look;
use super::sweep::{Sightings, sweep};
use super::walk::Places;
use super::wanted::{Keys, Wanted};
use crate::ask;
use crate::client::status::{self, Current};
use crate::client::trial::Trial;
use crate::client::{Failure, offline, words};
use crate::clock;
use crate::config::{Config, KeyConfig, Surroundings};
use crate::core::Fingerprint;
use crate::desktop;
use crate::paths::{Paths, shell_word, tilde};
use crate::protocol::{KeyStatus, Status};
use crate::salt::Salt;
use crate::service::{self, Standing};
use crate::store::read_ledger;

/// What checks look at. They do no more than a command of git themselves.
pub struct Situation {
    /// Here and now.
    pub now: Zoned,
    /// Where things are.
    pub paths: Paths,
    /// What the daemon says, else what was saved and what is found here and now; empty where nothing could be told.
    pub status: Status,
    /// Why the daemon wasn't asked.
    pub offline: Option<Failure>,
    /// What could not be looked at without it.
    pub left_out: Vec<String>,
    /// The configuration, or what is wrong with it.
    pub config: Result<Config, String>,
    /// The tracked env files that can be read.
    pub env_files: Vec<EnvFile>,
    /// The keys that were looked for.
    pub keys: Arc<Keys>,
    /// Where they were found.
    pub sightings: Sightings,
    /// How the service stands; `None` where that can't be told.
    pub service: Option<Standing>,
    /// What became of a test popup, if one was sent.
    pub popup: Option<Result<(), desktop::Failure>>,
}

/// A tracked env file.
pub struct EnvFile {
    /// As configured.
    pub path: PathBuf,
    /// Behind all links.
    pub real: PathBuf,
    /// The variables that are tracked in it.
    pub variables: Vec<String>,
    /// What is in it.
    pub text: Zeroizing<Vec<u8>>,
    /// Its permissions.
    pub mode: u32,
    /// It belongs to this user.
    pub is_ours: bool,
}

impl Situation {
    /// Looks at everything; a test popup is sent, where popups are wanted, and `popup` is still empty. The error is of a daemon
    /// that answers with one.
    pub fn look(paths: &Paths, popup: &OnceCell<Option<Trial>>) -> Result<Self, Failure> {
        let surroundings = Surroundings { home: paths.home.clone() };
        let config = Config::load(&paths.config, paths.config_named, &surroundings).map_err(|error| error.to_string());
        let (current, left_out) = match status::current(paths) {
            Ok(current) if current.offline.is_some() && config.is_ok() => offline::looked(paths, current)?,
            Ok(current) => (current, Vec::new()),
            // Without a daemon and without a configuration there is nothing to go by.
            Err(failure) if config.is_err() => (nothing(failure), Vec::new()),
            Err(failure) => return Err(failure),
        };
        let Current { status, offline, .. } = current.in_words(&paths.home);
        let wants_popups = config.as_ref().is_ok_and(|config| config.alerts.desktop);
        // It comes up while all else is looked at.
        let trial = popup.get_or_init(|| if wants_popups { Trial::send().ok() } else { None });
        let env_files = env_files(&status, config.as_ref().ok());
        let salt = Salt::load(&paths.state_dir);
        let no_salt = salt.as_ref().err().filter(|error| error.kind() != io::ErrorKind::NotFound).map(ToString::to_string);
        // The daemon may be writing to it: what is damaged is its own business.
        let ledger = read_ledger(&paths.state_dir).ok().map(|(ledger, _)| ledger);
        let keys = Arc::new(Keys::of(&status, ledger.as_ref(), salt.ok()));
        let consumers: Vec<i32> = status.consumers.iter().filter_map(|consumer| consumer.pid).collect();
        let mut sightings = sweep(&keys, places(paths, &env_files, config.as_ref().ok()), &consumers);
        sightings.missed.extend(no_salt.map(|why| format!("copies of keys can't be told: {why}")));
        let options = crate::client::service::options(paths, false, false, &[]).ok();
        Ok(Self {
            now: words::local(clock::now()),
            paths: paths.clone(),
            status,
            offline,
            left_out,
            config,
            env_files,
            keys,
            sightings,
            service: options.map(|options| service::standing(&options, &|words| ask::text(words))),
            popup: trial.as_ref().map(|trial| trial.outcome().clone()),
        })
    }

    /// A path as people read it.
    pub fn tilde(&self, path: &Path) -> String {
        tilde(path, &self.paths.home)
    }

    /// A path as a shell reads it.
    pub fn word(&self, path: &Path) -> String {
        shell_word(path, &self.paths.home)
    }

    /// What the configuration says of a key.
    pub fn configured(&self, key: &KeyStatus) -> Option<&KeyConfig> {
        self.config.as_ref().ok()?.keys.iter().find(|configured| configured.name.as_str() == key.name)
    }

    /// A key that was found, and what to call it.
    pub fn named(&self, print: Fingerprint) -> Option<(&Wanted, String)> {
        let wanted = self.keys.get(print)?;
        let name = match wanted.replaced_at {
            Some(at) => format!("the old key {} (replaced {})", wanted.key, words::moment(at, &self.now)),
            None => format!("the key {}", wanted.key),
        };
        Some((wanted, name))
    }
}

fn nothing(why: Failure) -> Current {
    let status = Status { schema: 1, live: false, daemon: None, keys: Vec::new(), consumers: Vec::new(), problems: Vec::new() };
    Current { status, offline: Some(why), keys: Vec::new(), consumers: Vec::new() }
}

/// By the daemon's word, else by the configuration's.
fn env_files(status: &Status, config: Option<&Config>) -> Vec<EnvFile> {
    let told = status.keys.iter().map(|key| (PathBuf::from(&key.env_file), key.variable.clone()));
    let configured = config.iter().flat_map(|config| &config.keys).map(|key| (key.env_file.to_path_buf(), key.variable.to_string()));
    let mut variables: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (path, variable) in told.chain(configured) {
        let of_file = variables.entry(path).or_default();
        if !of_file.contains(&variable) {
            of_file.push(variable);
        }
    }
    let own = rustix::process::geteuid().as_raw();
    let read = |(path, variables): (PathBuf, Vec<String>)| {
        let real = std::fs::canonicalize(&path).ok()?;
        let (text, stat) = look::read(&real)?;
        #[allow(clippy::useless_conversion, reason = "16 bits on some systems")]
        let mode = u32::from(stat.st_mode) & 0o7777;
        Some(EnvFile { path, real, variables, text, mode, is_ours: stat.st_uid == own })
    };
    variables.into_iter().filter_map(read).collect()
}

fn places(paths: &Paths, env_files: &[EnvFile], config: Option<&Config>) -> Places {
    let config_home = directories::BaseDirs::new().map_or_else(|| paths.home.join(".config"), |base| base.config_dir().to_owned());
    // fish and environment.d go by this on every system.
    let config_home = if cfg!(target_os = "macos") { paths.home.join(".config") } else { config_home };
    let compose_files = config.iter().flat_map(|config| &config.consumers).filter_map(|consumer| consumer.compose_file.as_ref());
    Places {
        home: paths.home.clone(),
        config_home,
        zdotdir: env::var_os("ZDOTDIR").map(PathBuf::from).filter(|dir| dir.is_absolute()),
        env_files: env_files.iter().map(|file| file.path.clone()).collect(),
        // Where their processes run is added once these are looked at.
        working_dirs: compose_files.filter_map(|file| Some(file.parent()?.to_owned())).collect(),
    }
}
