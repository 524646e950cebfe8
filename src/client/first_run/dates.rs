//! When keys were really made: the file's date is only the latest that it can have been.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::{Timestamp, Zoned};

use super::dialogue::{Dialogue, Manner};
use crate::client::doctor::look;
use crate::client::{Failure, http, issued, words};
use crate::clock;
use crate::config::{Config, KeyConfig, KindChoice};
use crate::core::IssuedSource;
use crate::envfile::{self, Answer};
use crate::keys;
use crate::paths::{Paths, tilde};
use crate::protocol::{KeyStanding, KeyStatus, Status};
use crate::renewal;
use crate::secret::Secret;
use crate::store::read_ledger;

/// How the flag is written.
const FLAG: &str = "--issued 2026-10-28";
/// Who has more keys than these isn't asked about each.
const MOST: usize = 3;
/// Until the daemon, which runs, has seen the keys.
const SEEN: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(50);

/// When a key was made.
pub struct Date {
    key: String,
    at: Timestamp,
}

/// The dates to be recorded.
pub fn choose(paths: &Paths, config: &Config, given: &[String], now: &Zoned, dialogue: &Dialogue) -> Result<Vec<Date>, Failure> {
    let mut dates = given.iter().map(|text| read(text, config, now)).collect::<Result<Vec<_>, _>>()?;
    if dialogue.manner == Manner::Silent {
        return Ok(dates);
    }
    let ledger = read_ledger(&paths.state_dir).map(|(ledger, _)| ledger).unwrap_or_default();
    let is_known = |key: &KeyConfig| {
        let source = ledger.keys.get(&key.name).and_then(|record| record.known_now()).map(|known| known.issued.source);
        source.is_some_and(|source| source != IssuedSource::File)
    };
    let open = |key: &&KeyConfig| {
        // A key that credd makes, or that never ends, needs no date.
        let needs = key.kind != KindChoice::ShortTerm && key.lifetime.is_some();
        needs && !is_known(key) && dates.iter().all(|date| date.key != key.name.as_str())
    };
    let open: Vec<&KeyConfig> = config.keys.iter().filter(open).take(MOST + 1).collect();
    if open.len() > MOST {
        dialogue.say("Of keys whose date is only their file's, record the true one with: credd issued NAME WHEN")?;
        return Ok(dates);
    }
    for key in open {
        dates.extend(ask(paths, key, now, dialogue)?);
    }
    Ok(dates)
}

/// `WHEN`, or `NAME=WHEN`.
fn read(text: &str, config: &Config, now: &Zoned) -> Result<Date, Failure> {
    let named = text.split_once('=').filter(|(name, _)| config.keys.iter().any(|key| key.name.as_str() == *name));
    let (key, when) = match (named, &config.keys[..]) {
        (Some((name, when)), _) => (name.to_owned(), when),
        (None, [only]) => (only.name.to_string(), text),
        (None, _) => {
            let names: Vec<_> = config.keys.iter().take(MOST).map(|key| key.name.as_str()).collect();
            let message = format!("--issued {text:?} doesn't say which key is meant");
            return Err(Failure::usage(message).hint(format!("such as: --issued {}=2026-10-28", names.first().unwrap_or(&"NAME"))));
        }
    };
    Ok(Date { key, at: issued::moment(when, now)? })
}

/// Asks about a key, offering the best that is known.
fn ask(paths: &Paths, key: &KeyConfig, now: &Zoned, dialogue: &Dialogue) -> Result<Option<Date>, Failure> {
    let name = key.name.as_str();
    let place = tilde(&key.env_file, &paths.home);
    let Some((text, stat)) = look::read(&key.env_file) else {
        if !key.env_file.exists() {
            dialogue.say(&format!("There is no {place} yet: credd waits for it."))?;
        }
        return Ok(None);
    };
    let Answer::Static { value, .. } = envfile::read(&text, paths.home.as_os_str().as_bytes()).variable(&key.variable) else {
        return Ok(None);
    };
    let value = Secret::new(value);
    let anatomy = keys::anatomy(value.expose());
    if value.expose().is_empty() || anatomy.issued_at.is_some() || anatomy.expires_at.is_some() {
        return Ok(None);
    }
    let by_iam = if is_signed_in(key, &paths.home) {
        dialogue.say(&format!("Asking IAM when the key {name} was made ..."))?;
        renewal::made_at(&value, key.aws_profile.as_deref())
    } else {
        None
    };
    drop(value);
    if let (Some(at), Manner::Takes) = (by_iam, dialogue.manner) {
        return Ok(Some(Date { key: name.into(), at }));
    }
    if dialogue.manner != Manner::Asks {
        // The daemon goes by the file's date itself, and calls it that.
        return Ok(None);
    }
    let by_file = Timestamp::new(stat.st_mtime, 0).unwrap_or_default().min(now.timestamp());
    let (offer, whose) = match by_iam {
        Some(at) => (at, format!("IAM says: {}", words::day(at, now))),
        None => (by_file, format!("{place} was last changed on {}, so not later", words::day(by_file, now))),
    };
    dialogue.say(&format!("When was the key {name} made? {whose}."))?;
    let question = format!("2026-10-28, \"25 days ago\", or Enter for {}: ", words::day(offer, now));
    let at = dialogue.ask(&question, FLAG, &|answer| {
        let answer = answer.trim_matches('"');
        if answer.is_empty() { Ok(offer) } else { issued::moment(answer, now).map_err(|failure| failure.message) }
    })?;
    Ok(Some(Date { key: name.into(), at }))
}

/// Whether there is a profile, or credentials, that the AWS CLI would go by.
fn is_signed_in(key: &KeyConfig, home: &Path) -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    key.aws_profile.is_some()
        || ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].iter().any(set)
        || [".aws/config", ".aws/credentials"].iter().any(|file| home.join(file).is_file())
}

/// Waits until the daemon, which has just started, has looked at the keys: those that aren't there are waited for in vain.
pub fn await_keys(paths: &Paths) {
    let end = clock::monotonic() + SEEN;
    let is_open = |key: &KeyStatus| key.state == KeyStanding::Missing && Path::new(&key.env_file).exists();
    while let Ok(status) = http::get::<Status>(&paths.socket, "/v1/status")
        && status.keys.iter().any(is_open)
        && clock::monotonic() < end
    {
        thread::sleep(LOOK);
    }
}

/// Has the daemon record them.
pub fn record(paths: &Paths, dates: &[Date], now: &Zoned) -> Result<(), Failure> {
    for date in dates {
        issued::record(paths, &date.key, date.at, now).map_err(|failure| Failure {
            message: format!("credd is installed, but the date of {} isn't recorded: {}", date.key, failure.message),
            hint: Some(format!("try again with: {}", date.command(now))),
            ..failure
        })?;
    }
    Ok(())
}

/// What is told where no service could be installed: the dates are lost unless a daemon runs all the same.
pub fn without_service(paths: &Paths, dates: &[Date], now: &Zoned, failure: Failure) -> Failure {
    let is_lost = |date: &&Date| issued::record(paths, &date.key, date.at, now).is_err();
    let commands: Vec<String> = dates.iter().filter(is_lost).map(|date| date.command(now)).collect();
    if commands.is_empty() { failure } else { failure.hint(format!("once a daemon runs, record the date with: {}", commands.join("; "))) }
}

impl Date {
    fn command(&self, now: &Zoned) -> String {
        format!("credd issued {} {}", self.key, self.at.to_zoned(now.time_zone().clone()).strftime("%Y-%m-%d"))
    }
}
