//! What a consumer's processes are and which keys they hold.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};

use super::compose;
use super::environment::{self, Environ};
use super::litellm::{LiteLlm, config_path};
use super::lookup::Lookup;
use super::sys::{self, Held};
use crate::config::{ConsumerConfig, Restart};
use crate::core::{ConsumerReport, KeyName, ProcessReport, RunBy, order};
use crate::salt::Salt;
use crate::worker::job::{Answer, KeyVariable};

/// A consumer and the keys to look for in its environment.
pub(super) struct Query<'a> {
    pub(super) config: &'a ConsumerConfig,
    pub(super) keys: Vec<&'a KeyVariable>,
}

/// Looks at consumers' processes; each gives one [`Answer::Consumer`]. One that can't be looked at has no answer,
/// which isn't the same as having no process: the error says why, or is of the salt.
pub fn inspect(state_dir: &Path, keys: &[KeyVariable], consumers: Vec<ConsumerConfig>, answer: &dyn Fn(&Answer)) -> io::Result<()> {
    inspect_with(&Salt::load(state_dir)?, keys, consumers, answer)
}

/// The same with a salt at hand.
pub fn inspect_with(salt: &Salt, keys: &[KeyVariable], consumers: Vec<ConsumerConfig>, answer: &dyn Fn(&Answer)) -> io::Result<()> {
    let by_name: HashMap<&KeyName, &KeyVariable> = keys.iter().map(|key| (&key.name, key)).collect();
    let mut lookup = Lookup::new(consumers.iter().map(|consumer| consumer.matches.as_slice()));
    let mut result = Ok(());
    for config in consumers {
        let keys = match &config.keys[..] {
            [] => keys.iter().collect(),
            names => names.iter().filter_map(|name| by_name.get(name).copied()).collect(),
        };
        match look_at(&Query { config: &config, keys }, &mut lookup, salt) {
            Ok(report) => answer(&Answer::Consumer { name: config.name, report }),
            Err(why) => result = Err(io::Error::other(format!("{}: {why}", config.name))),
        }
    }
    result
}

/// One whose environment can't be read (it ended meanwhile, or hides it) is left out: nothing could be told of it, or
/// done. The error says why processes, or containers, can't be looked at at all.
fn look_at(query: &Query<'_>, lookup: &mut Lookup, salt: &Salt) -> Result<ConsumerReport, String> {
    if query.config.restart == Restart::Compose {
        return Ok(ConsumerReport { processes: compose::inspect(query, salt)? });
    }
    let held = lookup.find(&query.config.matches).map_err(|error| error.to_string())?;
    let mut processes: Vec<ProcessReport> = held.iter().filter_map(|process| report(process, query, salt)).collect();
    if processes.is_empty() && query.config.restart == Restart::Auto {
        processes = compose::inspect_contained(query, lookup, salt);
    }
    Ok(ConsumerReport { processes })
}

fn report(process: &Held, query: &Query<'_>, salt: &Salt) -> Option<ProcessReport> {
    let environ = process.environ().ok()?;
    let litellm = settled_configuration(process, &environ);
    let held = environ.by_name();
    let keys = query.keys.iter().map(|key| {
        let rereads = litellm.as_ref().is_some_and(|litellm| litellm.rereads(&key.variable, &key.env_file, &environ));
        let print = if rereads {
            environment::assigned(key).map(|value| salt.fingerprint(value.expose()))
        } else {
            held.get(key.variable.as_bytes()).map(|value| salt.fingerprint(value))
        };
        (key.name.clone(), print)
    });
    let keys = order::gathered(keys);
    // The user's systemd is asked only where the answer matters.
    let run_by = match query.config.restart {
        Restart::Process => RunBy::Process,
        _ => sys::run_by(process),
    };
    Some(ProcessReport {
        pid: process.pid(),
        start_ticks: process.start_ticks(),
        started_at: process.started_at(),
        keys,
        run_by,
        regions: litellm.map(|litellm| litellm.regions(&environ)).unwrap_or_default(),
    })
}

/// The configuration that a LiteLLM was started with; `None` if there is none or it was changed since.
fn settled_configuration(process: &Held, environ: &Environ) -> Option<LiteLlm> {
    let argv = process.argv().ok()?;
    let dir = sys::traits(process, environ).ok()?.dir;
    let changed_at = fs::metadata(dir.join(config_path(&argv)?)).ok()?.modified().ok()?;
    // It is read some seconds after the start.
    let is_settled = Timestamp::try_from(changed_at).is_ok_and(|changed| changed <= process.started_at() + SignedDuration::from_secs(1));
    is_settled.then(|| LiteLlm::of(&argv, &dir, environ))
}
