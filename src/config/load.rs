//! Reading the configuration file: one error, with file, line and a caret.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, place};
use super::{
    Alerts, Config, ConsumerConfig, DEFAULT_ENV_FILE, DEFAULT_LIFETIME, DEFAULT_VARIABLE, Iam, KeyConfig, KindChoice, Metrics, Restart,
    Verify,
};
use crate::core::{ConsumerName, KeyName};
use crate::cron;

/// The surroundings that a configuration refers to.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Stands for `~`.
    pub home: PathBuf,
}

impl Config {
    /// The configuration of somebody who has no file.
    pub fn defaults(surroundings: &Surroundings) -> Self {
        let mut reader = Reader { path: Path::new(""), text: "", surroundings, texts: Shared::default(), paths: Shared::default() };
        // The defaults are valid whatever the home directory is: a unit test holds that.
        reader.config(Raw::default()).unwrap_or_else(|_| Self {
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
                let next = if named { "check the path given by --config or CREDD_CONFIG" } else { "mend the file, or remove it" };
                return Err(ConfigError { path: path.into(), place: None, message: format!("can't be read ({error}); {next}") });
            }
        };
        Self::parse(path, &text, surroundings)
    }

    /// Reads the text of a configuration; `path` is for messages.
    pub fn parse(path: &Path, text: &str, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let mut reader = Reader { path, text, surroundings, texts: Shared::default(), paths: Shared::default() };
        let raw: Raw = toml::from_str(text).map_err(|error| reader.error(error.span(), one_line(error.message())))?;
        reader.config(raw)
    }
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
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

/// Lengths of time as people write them: `30d`, `12h`, `1d 12h`, `30s`. Days are 24 hours.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is not a length of time; write it like \"30d\", \"12h\" or \"90s\"");
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if duration.is_positive() { Ok(duration) } else { Err(format!("{text:?} is not a length of time greater than nothing")) }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    alerts: RawAlerts,
    #[serde(default)]
    metrics: RawMetrics,
    keys: Option<Vec<Spanned<RawKey>>>,
    consumers: Option<Vec<Spanned<RawConsumer>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawAlerts {
    days: Option<Vec<Spanned<u32>>>,
    remind: Option<Spanned<String>>,
    desktop: Option<bool>,
    command: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawMetrics {
    textfile: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    name: Option<Spanned<String>>,
    kind: Option<KindChoice>,
    variable: Option<Spanned<String>>,
    env_file: Option<Spanned<String>>,
    lifetime: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    probe: Option<Spanned<String>>,
    endpoint: Option<Spanned<String>>,
    iam: Option<Spanned<Iam>>,
    aws_profile: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsumer {
    name: Option<Spanned<String>>,
    keys: Option<Vec<Spanned<String>>>,
    restart: Option<Spanned<Restart>>,
    handover: Option<bool>,
    #[serde(rename = "match")]
    matches: Option<Spanned<Vec<String>>>,
    url: Option<Spanned<String>>,
    verify: Option<Verify>,
    model: Option<String>,
    master_key_variable: Option<Spanned<String>>,
    stop_timeout: Option<Spanned<String>>,
    ready_timeout: Option<Spanned<String>>,
    pid_file: Option<Spanned<String>>,
    unit: Option<String>,
    compose_file: Option<Spanned<String>>,
    service: Option<Spanned<String>>,
    command: Option<Vec<String>>,
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
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

type Result<T, E = ConfigError> = std::result::Result<T, E>;

impl Reader<'_> {
    fn config(&mut self, raw: Raw) -> Result<Config> {
        let alerts = self.alerts(raw.alerts)?;
        let metrics =
            Metrics { textfile: raw.metrics.textfile.filter(|path| !path.get_ref().is_empty()).map(|path| self.file(&path)).transpose()? };
        let keys = match raw.keys {
            None => vec![(self.default_key(), 0..0)],
            Some(keys) => keys.into_iter().map(|key| self.key(key)).collect::<Result<Vec<_>>>()?,
        };
        let known: BTreeSet<_> = keys.iter().map(|key| key.0.name.clone()).collect();
        let consumers = match raw.consumers {
            None => vec![default_consumer()],
            Some(consumers) => {
                let consumers = consumers.into_iter().map(|consumer| self.consumer(consumer, &known)).collect::<Result<Vec<_>>>()?;
                self.unique("consumer", consumers.iter().map(|(consumer, span)| (consumer.name.as_str(), span)))?;
                consumers.into_iter().map(|(consumer, _)| consumer).collect()
            }
        };
        self.unique("key", keys.iter().map(|(key, span)| (key.name.as_str(), span)))?;
        // Collecting would keep the room that the places in the text took.
        let mut exact = Vec::with_capacity(keys.len());
        exact.extend(keys.into_iter().map(|(key, _)| key));
        Ok(Config { alerts, metrics, keys: exact, consumers })
    }

    fn alerts(&self, raw: RawAlerts) -> Result<Alerts> {
        let mut days = Vec::new();
        for day in raw.days.unwrap_or_else(|| vec![Spanned::new(0..0, 25)]) {
            if !(1..=30).contains(day.get_ref()) {
                return Err(self.error(Some(day.span()), "a day of a 30-day key's life is from 1 to 30"));
            }
            days.push(day.into_inner());
        }
        days.sort_unstable();
        days.dedup();
        let remind = self.cron(raw.remind, "0 0 10 * * *")?;
        let command = match raw.command {
            Some(argv) => self.argv(argv)?,
            None => Vec::new(),
        };
        Ok(Alerts { days, remind, desktop: raw.desktop.unwrap_or(true), command })
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

    fn key(&mut self, raw: Spanned<RawKey>) -> Result<(KeyConfig, Range<usize>)> {
        let table = raw.span();
        let raw = raw.into_inner();
        let default = self.default_key();
        let name = self.name(raw.name, default.name.as_str(), &table)?;
        let variable = match raw.variable {
            None => default.variable,
            Some(variable) if is_variable(variable.get_ref()) => self.texts.get(variable.get_ref()),
            Some(variable) => {
                return Err(self.error(Some(variable.span()), "a variable's name is letters, digits and _, not starting with a digit"));
            }
        };
        let lifetime = match raw.lifetime {
            None => default.lifetime,
            Some(text) if text.get_ref() == "never" => None,
            Some(text) => Some(self.duration(&text)?),
        };
        let region = match raw.region {
            None => default.region,
            Some(region) if is_region(region.get_ref()) => self.texts.get(region.get_ref()),
            Some(region) => return Err(self.error(Some(region.span()), "an AWS region looks like \"us-east-1\"")),
        };
        let probe = match raw.probe {
            Some(text) if text.get_ref() == "off" => None,
            None => default.probe,
            other => {
                let expression = self.cron(other, "")?;
                Some(self.texts.get(&expression))
            }
        };
        let kind = raw.kind.unwrap_or(default.kind);
        let iam = raw.iam.as_ref().map_or(default.iam, |iam| *iam.get_ref());
        let aws_profile = raw.aws_profile.filter(|profile| !profile.is_empty()).map(|profile| self.texts.get(&profile));
        if kind == KindChoice::ShortTerm && aws_profile.is_none() {
            return Err(self.error(Some(table), "kind = \"short-term\" needs aws_profile, the AWS CLI profile to mint keys from"));
        }
        let env_file = match raw.env_file {
            None => default.env_file,
            Some(path) => {
                let path = self.file(&path)?;
                self.paths.get(&path)
            }
        };
        let endpoint = raw.endpoint.filter(|url| !url.get_ref().is_empty()).map(|url| self.url(&url)).transpose()?;
        let endpoint = endpoint.map(|url| self.texts.get(&url));
        Ok((
            KeyConfig { name: KeyName(name.0.into()), kind, variable, env_file, lifetime, region, probe, endpoint, iam, aws_profile },
            name.1,
        ))
    }

    fn consumer(&self, raw: Spanned<RawConsumer>, known: &BTreeSet<KeyName>) -> Result<(ConsumerConfig, Range<usize>)> {
        let table = raw.span();
        let raw = raw.into_inner();
        let default = default_consumer();
        let name = self.name(raw.name, default.name.as_str(), &table)?;
        let mut keys = Vec::new();
        for key in raw.keys.unwrap_or_default() {
            let key_name = KeyName::from(key.get_ref().as_str());
            if !known.contains(&key_name) {
                let names: Vec<_> = known.iter().map(KeyName::as_str).collect();
                return Err(self.error(
                    Some(key.span()),
                    &format!("no key is named {key_name:?}; there is {}", names.join(", "), key_name = key_name.as_str()),
                ));
            }
            keys.push(key_name);
        }
        let matches = match raw.matches {
            None => default.matches,
            Some(words) => self.argv(words)?,
        };
        if matches.is_empty() {
            return Err(self.error(Some(table), "match needs at least the program's name"));
        }
        let restart = raw.restart.as_ref().map_or(default.restart, |restart| *restart.get_ref());
        let restart_span = raw.restart.as_ref().map_or(table.clone(), Spanned::span);
        let command = raw.command.unwrap_or_default();
        if restart == Restart::Command && command.is_empty() {
            return Err(self.error(Some(restart_span), "restart = \"command\" needs command, the argv to run"));
        }
        let compose_file = raw.compose_file.filter(|path| !path.get_ref().is_empty()).map(|path| self.file(&path)).transpose()?;
        if restart == Restart::Compose && compose_file.is_none() {
            return Err(self.error(Some(restart_span), "restart = \"compose\" needs compose_file"));
        }
        let service = raw.service.filter(|service| !service.get_ref().is_empty());
        if let Some(service) = service.as_ref().filter(|service| !is_service(service.get_ref())) {
            return Err(self.error(Some(service.span()), "a compose service's name is letters, digits, -, _ and ., not starting with -"));
        }
        if restart == Restart::Compose && service.is_none() && !is_service(&name.0) {
            return Err(self.error(Some(restart_span), "this consumer's name is no name of a compose service: set service"));
        }
        let master_key_variable = match raw.master_key_variable {
            None => default.master_key_variable,
            Some(variable) if is_variable(variable.get_ref()) => variable.into_inner(),
            Some(variable) => {
                return Err(self.error(Some(variable.span()), "a variable's name is letters, digits and _, not starting with a digit"));
            }
        };
        let consumer = ConsumerConfig {
            name: ConsumerName(name.0.into()),
            keys,
            restart,
            handover: raw.handover.unwrap_or(default.handover),
            matches,
            url: raw.url.filter(|url| !url.get_ref().is_empty()).map(|url| self.url(&url)).transpose()?,
            verify: raw.verify.unwrap_or(default.verify),
            model: raw.model.filter(|model| !model.is_empty()),
            master_key_variable,
            stop_timeout: self.timeout(raw.stop_timeout, default.stop_timeout)?,
            ready_timeout: self.timeout(raw.ready_timeout, default.ready_timeout)?,
            pid_file: raw.pid_file.filter(|path| !path.get_ref().is_empty()).map(|path| self.file(&path)).transpose()?,
            unit: raw.unit.filter(|unit| !unit.is_empty()),
            compose_file,
            service: service.map(Spanned::into_inner),
            command,
        };
        Ok((consumer, name.1))
    }

    fn name(&self, raw: Option<Spanned<String>>, default: &str, table: &Range<usize>) -> Result<(Box<str>, Range<usize>)> {
        let Some(name) = raw else { return Ok((default.into(), table.clone())) };
        let fine = !name.get_ref().is_empty() && name.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if fine {
            let span = name.span();
            Ok((name.into_inner().into(), span))
        } else {
            Err(self.error(Some(name.span()), "a name is letters, digits, -, _ and ."))
        }
    }

    fn unique<'n>(&self, what: &str, names: impl Iterator<Item = (&'n str, &'n Range<usize>)>) -> Result<()> {
        let mut seen = BTreeSet::new();
        for (name, span) in names {
            if !seen.insert(name) {
                return Err(self.error(Some(span.clone()), &format!("a second {what} is named {name:?}; names are unique")));
            }
        }
        Ok(())
    }

    fn cron(&self, raw: Option<Spanned<String>>, default: &str) -> Result<String> {
        let Some(text) = raw else { return Ok(default.into()) };
        match cron::parse(text.get_ref()) {
            Ok(_) => Ok(text.into_inner()),
            Err(why) => {
                Err(self.error(Some(text.span()), &format!("{why}; a cron expression here is \"second minute hour day month weekday\"")))
            }
        }
    }

    fn argv(&self, words: Spanned<Vec<String>>) -> Result<Vec<String>> {
        if words.get_ref().first().is_some_and(String::is_empty) {
            return Err(self.error(Some(words.span()), "the first word, the program, is empty"));
        }
        Ok(words.into_inner())
    }

    fn duration(&self, text: &Spanned<String>) -> Result<SignedDuration> {
        parse_duration(text.get_ref()).map_err(|why| self.error(Some(text.span()), &why))
    }

    fn timeout(&self, raw: Option<Spanned<String>>, default: Duration) -> Result<Duration> {
        let Some(text) = raw else { return Ok(default) };
        let duration = self.duration(&text)?;
        Duration::try_from(duration).map_err(|_| self.error(Some(text.span()), "this is too long"))
    }

    fn file(&self, path: &Spanned<String>) -> Result<PathBuf> {
        let text = path.get_ref();
        let home = &self.surroundings.home;
        let full = match text.strip_prefix("~/") {
            Some(below) => home.join(below),
            None if text == "~" => home.clone(),
            None => PathBuf::from(text),
        };
        if full.is_absolute() && !text.contains('\0') {
            Ok(full)
        } else {
            Err(self.error(Some(path.span()), "this is not an absolute path; start it with / or ~/"))
        }
    }

    fn url(&self, url: &Spanned<String>) -> Result<String> {
        let text = url.get_ref().trim_end_matches('/');
        let wrong = |why: &str| Err(self.error(Some(url.span()), why));
        let Some((scheme, rest)) = text.split_once("://") else { return wrong("this is not a URL; write it like \"https://host:port\"") };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| if port.parse::<u16>().is_ok() { host } else { authority });
        match scheme {
            _ if host.is_empty() || host.contains('@') => wrong("this has no host name; write it like \"https://host:port\""),
            "https" => Ok(text.into()),
            "http" if matches!(host, "127.0.0.1" | "localhost" | "[::1]") => Ok(text.into()),
            "http" => wrong("this would send the key unencrypted: http is for loopback alone, use https"),
            _ => wrong("this is neither http:// nor https://"),
        }
    }

    fn error(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        let place = span.filter(|_| !self.text.is_empty()).map(|span| place(self.text, span));
        ConfigError { path: self.path.into(), place, message: message.into() }
    }
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

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// As the compose specification has it; with a `-` in front it would be an option to docker.
fn is_service(name: &str) -> bool {
    !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_region(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// toml's messages may span lines; ours are one sentence.
fn one_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
