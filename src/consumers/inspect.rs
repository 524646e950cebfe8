//! What a consumer's processes are and which keys they hold.

use super::compose;
use super::find::find;
use super::sys::{self, Held};
use crate::config::Restart;
use crate::core::{ConsumerReport, ProcessReport, RunBy};
use crate::salt::Salt;
use crate::worker::job::ConsumerQuery;

/// Looks at a consumer's processes. One whose environment can't be read (it ended meanwhile, or hides it)
/// is left out: nothing could be told of it, or done. The error says why processes, or containers, can't be
/// looked at at all.
pub fn inspect(query: &ConsumerQuery, salt: &Salt) -> Result<ConsumerReport, String> {
    if query.config.restart == Restart::Compose {
        return Ok(ConsumerReport { processes: compose::inspect(query, salt)? });
    }
    let held = find(&query.config.matches).map_err(|error| error.to_string())?;
    let mut processes: Vec<ProcessReport> = held.iter().filter_map(|process| report(process, query, salt)).collect();
    if processes.is_empty() && query.config.restart == Restart::Auto {
        processes = compose::inspect_contained(query, salt);
    }
    Ok(ConsumerReport { processes })
}

fn report(process: &Held, query: &ConsumerQuery, salt: &Salt) -> Option<ProcessReport> {
    let environ = process.environ().ok()?;
    let keys = query
        .keys
        .iter()
        .map(|key| {
            let value = environ.get(key.variable.as_bytes());
            (key.name.clone(), value.map(|value| salt.fingerprint(value)))
        })
        .collect();
    // The user's systemd is asked only where the answer matters.
    let run_by = match query.config.restart {
        Restart::Process => RunBy::Process,
        _ => sys::run_by(process),
    };
    Some(ProcessReport { pid: process.pid(), start_ticks: process.start_ticks(), started_at: process.started_at(), keys, run_by })
}
