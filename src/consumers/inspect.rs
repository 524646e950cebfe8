//! What a consumer's processes are and which keys they hold.

use std::fs;

use jiff::{SignedDuration, Timestamp};

use super::compose;
use super::environment::{self, Environ};
use super::find::Table;
use super::litellm::{LiteLlm, config_path};
use super::sys::{self, Held};
use crate::config::Restart;
use crate::core::{ConsumerReport, ProcessReport, RunBy};
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::ConsumerQuery;

/// Looks at a consumer's processes. One whose environment can't be read (it ended meanwhile, or hides it)
/// is left out: nothing could be told of it, or done. The error says why containers can't be looked at at all.
pub fn inspect(query: &ConsumerQuery, table: &Table, salt: &Salt) -> Result<ConsumerReport, String> {
    if query.config.restart == Restart::Compose {
        return Ok(ConsumerReport { processes: compose::inspect(query, salt)? });
    }
    let held = table.find(&query.config.matches);
    let mut processes: Vec<ProcessReport> = held.iter().filter_map(|process| report(process, query, salt)).collect();
    if processes.is_empty() && query.config.restart == Restart::Auto {
        processes = compose::inspect_contained(query, table, salt);
    }
    Ok(ConsumerReport { processes })
}

fn report(process: &Held, query: &ConsumerQuery, salt: &Salt) -> Option<ProcessReport> {
    let environ = process.environ().ok()?;
    let litellm = settled_configuration(process, &environ);
    let keys = query
        .keys
        .iter()
        .map(|key| {
            let rereads = litellm.as_ref().is_some_and(|litellm| litellm.rereads(&key.variable, &key.env_file, &environ));
            let value = if rereads { environment::assigned(key) } else { environ.get(key.variable.as_bytes()).map(Secret::copy) };
            (key.name.clone(), value.map(|value| salt.fingerprint(value.expose())))
        })
        .collect();
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
