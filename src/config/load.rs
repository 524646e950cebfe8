//! Reading the configuration file: one error, with file, line and a caret.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use super::error::ConfigError;
use super::table::{Result, Table, Wrong};
use super::{
    Alerts, Config, ConsumerConfig, DEFAULT_ENV_FILE, DEFAULT_LIFETIME, DEFAULT_VARIABLE, Iam, KeyConfig, KindChoice, Metrics, Restart,
    Verify, checks,
};
use crate::core::{KeyName, order};

/// The surroundings that a configuration refers to.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Stands for `~`.
    pub home: PathBuf,
}

impl Config {
    /// The configuration of somebody who has no file.
    pub fn defaults(surroundings: &Surroundings) -> Self {
        // The defaults are valid whatever the home directory is: a unit test holds that.
        Reader::new(surroundings).config(&Table::absent(DOCUMENT)).unwrap_or_else(|_| Self {
            alerts: Alerts { days: Vec::new(), remind: String::new(), desktop: false, command: Vec::new() },
            metrics: Metrics::default(),
            keys: Vec::new(),
            consumers: Vec::new(),
        })
    }

    /// Reads `path`; a file that isn't there means the defaults, unless it was `named` by the user.
    pub fn load(path: &Path, named: bool, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !named => return Ok(Self::defaults(surroundings)),
            Err(error) => {
                let is_found = error.kind() == io::ErrorKind::InvalidData;
                let next =
                    if named && !is_found { "check the path given by --config or CREDD_CONFIG" } else { "mend the file, or remove it" };
                return Err(ConfigError { path: path.into(), place: None, message: format!("can't be read ({error}); {next}") });
            }
        };
        Self::parse(path, &text, surroundings)
    }

    /// Reads the text of a configuration; `path` is for messages.
    pub fn parse(path: &Path, text: &str, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| ConfigError::within(path, text, error.span(), one_line(error.message())))?;
        Table::new(document.get_ref(), document.span(), DOCUMENT)
            .and_then(|document| Reader::new(surroundings).config(&document))
            .map_err(|wrong| ConfigError::within(path, text, Some(wrong.at), &wrong.message))
    }
}

/// Whether the text of a configuration says which consumers there are.
pub fn names_consumers(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|document| document.get_ref().keys().any(|name| &**name.get_ref() == "consumers"))
}

/// More than any configuration: tens of thousands of keys.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a regular file. The daemon reads it in its loop, which a named pipe or a device in its
/// place must not hold up.
fn read_text(path: &Path) -> io::Result<String> {
    let no_wait = i32::try_from((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(no_wait).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8 text"))
    })
}

// The fields of each table, as an unknown one is answered with them.
const DOCUMENT: &[&str] = &["alerts", "metrics", "keys", "consumers"];
const ALERTS: &[&str] = &["days", "remind", "desktop", "command"];
const METRICS: &[&str] = &["textfile"];
const KEY: &[&str] = &["name", "kind", "variable", "env_file", "lifetime", "region", "probe", "endpoint", "iam", "aws_profile"];
const CONSUMER: &[&str] = &[
    "name",
    "keys",
    "restart",
    "handover",
    "match",
    "url",
    "verify",
    "model",
    "master_key_variable",
    "stop_timeout",
    "ready_timeout",
    "pid_file",
    "unit",
    "compose_file",
    "service",
    "command",
];

// The words of fields that know a few.
const KINDS: &[(&str, KindChoice)] = &[("auto", KindChoice::Auto), ("short-term", KindChoice::ShortTerm)];
const IAM: &[(&str, Iam)] = &[("off", Iam::Off), ("read", Iam::Read), ("renew", Iam::Renew)];
const RESTARTS: &[(&str, Restart)] = &[
    ("auto", Restart::Auto),
    ("process", Restart::Process),
    ("systemd", Restart::Systemd),
    ("launchd", Restart::Launchd),
    ("compose", Restart::Compose),
    ("command", Restart::Command),
    ("none", Restart::None),
];
const VERIFIES: &[(&str, Verify)] = &[("completion", Verify::Completion), ("readiness", Verify::Readiness), ("none", Verify::None)];

struct Reader<'a> {
    surroundings: &'a Surroundings,
    /// What was read before, to be shared by keys that say the same.
    texts: Shared<str>,
    paths: Shared<Path>,
}

/// One copy of each of many values.
#[derive(Debug)]
struct Shared<T: ?Sized>(BTreeSet<Arc<T>>);

impl<T: ?Sized + Ord> Default for Shared<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: ?Sized + Ord> Shared<T> {
    fn get(&mut self, value: &T) -> Arc<T>
    where
        Arc<T>: for<'t> From<&'t T>,
    {
        if let Some(known) = self.0.get(value) {
            return known.clone();
        }
        let new = Arc::from(value);
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl<'a> Reader<'a> {
    fn new(surroundings: &'a Surroundings) -> Self {
        Self { surroundings, texts: Shared::default(), paths: Shared::default() }
    }

    fn config(&mut self, document: &Table<'_>) -> Result<Config> {
        let alerts = alerts(&document.table("alerts", ALERTS)?)?;
        let metrics = Metrics { textfile: self.file(&document.table("metrics", METRICS)?, "textfile")? };
        let keys = match document.tables("keys", KEY)? {
            None => vec![(self.default_key(), 0..0)],
            Some(keys) => keys.map(|key| self.key(&key?)).collect::<Result<Vec<_>>>()?,
        };
        let known: BTreeSet<_> = order::gathered(keys.iter().map(|key| key.0.name.clone()));
        let consumers = match document.tables("consumers", CONSUMER)? {
            None => vec![default_consumer()],
            Some(consumers) => {
                let consumers = consumers.map(|consumer| self.consumer(&consumer?, &known)).collect::<Result<Vec<_>>>()?;
                unique("consumer", consumers.iter().map(|(consumer, span)| (consumer.name.as_str(), span)))?;
                consumers.into_iter().map(|(consumer, _)| consumer).collect()
            }
        };
        unique("key", keys.iter().map(|(key, span)| (key.name.as_str(), span)))?;
        // Collecting would keep the room that the places in the text took.
        let mut exact = Vec::with_capacity(keys.len());
        exact.extend(keys.into_iter().map(|(key, _)| key));
        Ok(Config { alerts, metrics, keys: exact, consumers })
    }

    fn default_key(&mut self) -> KeyConfig {
        KeyConfig {
            name: "bedrock".into(),
            kind: KindChoice::Auto,
            variable: self.texts.get(DEFAULT_VARIABLE),
            env_file: self.paths.get(&self.surroundings.home.join(DEFAULT_ENV_FILE)),
            lifetime: Some(DEFAULT_LIFETIME),
            region: self.texts.get("us-east-1"),
            probe: Some(self.texts.get("0 0 */6 * * *")),
            endpoint: None,
            iam: Iam::Off,
            aws_profile: None,
        }
    }

    fn key(&mut self, table: &Table<'_>) -> Result<(KeyConfig, Range<usize>)> {
        let default = self.default_key();
        let (name, place) = match table.string("name")? {
            None => (default.name, table.place()),
            Some(name) => (checks::name(&name)?.into(), name.span()),
        };
        let variable = match table.string("variable")? {
            None => default.variable,
            Some(variable) => self.texts.get(checks::variable(&variable)?),
        };
        let lifetime = match table.string("lifetime")? {
            None => default.lifetime,
            Some(text) if *text.get_ref() == "never" => None,
            Some(text) => Some(checks::duration(&text)?),
        };
        let region = match table.string("region")? {
            None => default.region,
            Some(region) => self.texts.get(checks::region(&region)?),
        };
        let probe = match table.string("probe")? {
            None => default.probe,
            Some(text) if *text.get_ref() == "off" => None,
            Some(text) => Some(self.texts.get(checks::cron(&text)?)),
        };
        let kind = table.choice("kind", KINDS)?.map_or(default.kind, Spanned::into_inner);
        let iam = table.choice("iam", IAM)?.map_or(default.iam, Spanned::into_inner);
        let aws_profile = table.filled("aws_profile")?.map(|profile| self.texts.get(profile.get_ref()));
        if kind == KindChoice::ShortTerm && aws_profile.is_none() {
            return Err(Wrong::new(table.place(), "kind = \"short-term\" needs aws_profile, the AWS CLI profile to mint keys from"));
        }
        let env_file = match table.string("env_file")? {
            None => default.env_file,
            Some(path) => self.paths.get(&checks::file(&path, &self.surroundings.home)?),
        };
        let endpoint = match table.filled("endpoint")? {
            None => None,
            Some(url) => Some(self.texts.get(checks::url(&url)?)),
        };
        Ok((KeyConfig { name, kind, variable, env_file, lifetime, region, probe, endpoint, iam, aws_profile }, place))
    }

    fn consumer(&self, table: &Table<'_>, known: &BTreeSet<KeyName>) -> Result<(ConsumerConfig, Range<usize>)> {
        let default = default_consumer();
        let (name, place) = match table.string("name")? {
            None => (default.name, table.place()),
            Some(name) => (checks::name(&name)?.into(), name.span()),
        };
        let mut keys = Vec::new();
        for key in table.strings("keys")?.map(Spanned::into_inner).unwrap_or_default() {
            let key_name = KeyName::from(*key.get_ref());
            if !known.contains(&key_name) {
                let names: Vec<_> = known.iter().map(KeyName::as_str).collect();
                return Err(Wrong::new(key.span(), format!("no key is named {:?}; there is {}", key.get_ref(), names.join(", "))));
            }
            keys.push(key_name);
        }
        let matches = match table.strings("match")? {
            None => default.matches,
            Some(words) => checks::argv(&words)?,
        };
        if matches.is_empty() {
            return Err(Wrong::new(table.place(), "match needs at least the program's name"));
        }
        let (restart, restart_place) = match table.choice("restart", RESTARTS)? {
            None => (default.restart, table.place()),
            Some(restart) => (*restart.get_ref(), restart.span()),
        };
        let command = table.strings("command")?.map_or_else(Vec::new, |words| checks::owned(&words));
        if restart == Restart::Command && command.is_empty() {
            return Err(Wrong::new(restart_place, "restart = \"command\" needs command, the argv to run"));
        }
        let compose_file = self.file(table, "compose_file")?;
        if restart == Restart::Compose && compose_file.is_none() {
            return Err(Wrong::new(restart_place, "restart = \"compose\" needs compose_file"));
        }
        let service = table.filled("service")?.map(|service| checks::service(&service)).transpose()?;
        if restart == Restart::Compose && service.is_none() && !checks::is_service(name.as_str()) {
            return Err(Wrong::new(restart_place, "this consumer's name is no name of a compose service: set service"));
        }
        let master_key_variable = match table.string("master_key_variable")? {
            None => default.master_key_variable,
            Some(variable) => checks::variable(&variable)?.into(),
        };
        let consumer = ConsumerConfig {
            name,
            keys,
            restart,
            handover: table.boolean("handover")?.unwrap_or(default.handover),
            matches,
            url: table.filled("url")?.map(|url| checks::url(&url)).transpose()?.map(Into::into),
            verify: table.choice("verify", VERIFIES)?.map_or(default.verify, Spanned::into_inner),
            model: filled(table, "model")?,
            master_key_variable,
            stop_timeout: checks::timeout(table.string("stop_timeout")?, default.stop_timeout)?,
            ready_timeout: checks::timeout(table.string("ready_timeout")?, default.ready_timeout)?,
            pid_file: self.file(table, "pid_file")?,
            unit: filled(table, "unit")?,
            compose_file,
            service: service.map(Into::into),
            command,
        };
        Ok((consumer, place))
    }

    /// The absolute path of a file; `None` for none, or an empty one.
    fn file(&self, table: &Table<'_>, name: &str) -> Result<Option<PathBuf>> {
        table.filled(name)?.map(|path| checks::file(&path, &self.surroundings.home)).transpose()
    }
}

fn alerts(table: &Table<'_>) -> Result<Alerts> {
    let mut days = Vec::new();
    for day in table.integers("days")?.unwrap_or_else(|| vec![Spanned::new(0..0, 25)]) {
        match u32::try_from(*day.get_ref()) {
            Ok(number @ 1..=30) => days.push(number),
            _ => return Err(Wrong::new(day.span(), "a day of a 30-day key's life is from 1 to 30")),
        }
    }
    let days = order::each_once(days.into_iter());
    let remind = match table.string("remind")? {
        None => "0 0 10 * * *",
        Some(text) => checks::cron(&text)?,
    };
    let command = match table.strings("command")? {
        None => Vec::new(),
        Some(words) => checks::argv(&words)?,
    };
    Ok(Alerts { days, remind: remind.into(), desktop: table.boolean("desktop")?.unwrap_or(true), command })
}

fn filled(table: &Table<'_>, name: &str) -> Result<Option<String>> {
    Ok(table.filled(name)?.map(|text| (*text.get_ref()).into()))
}

fn unique<'n>(what: &str, names: impl Iterator<Item = (&'n str, &'n Range<usize>)>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, place) in names {
        if !seen.insert(name) {
            return Err(Wrong::new(place.clone(), format!("a second {what} is named {name:?}; names are unique")));
        }
    }
    Ok(())
}

fn default_consumer() -> ConsumerConfig {
    ConsumerConfig {
        name: "litellm".into(),
        keys: Vec::new(),
        restart: Restart::Auto,
        handover: true,
        matches: vec!["litellm".into(), "--config".into()],
        url: None,
        verify: Verify::Completion,
        model: None,
        master_key_variable: "LITELLM_MASTER_KEY".into(),
        stop_timeout: Duration::from_secs(30),
        ready_timeout: Duration::from_mins(2),
        pid_file: None,
        unit: None,
        compose_file: None,
        service: None,
        command: Vec::new(),
    }
}

/// toml's messages may span lines; ours are one sentence.
fn one_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
