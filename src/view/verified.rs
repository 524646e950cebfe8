//! Who could not be asked about a key, in the answer to `credd verify`.

use jiff::Timestamp;

use super::consumers::{consumer_problems, consumer_status};
use crate::config::Config;
use crate::core::consumer::ConsumerState;
use crate::core::{ConsumerProbe, KeyName, Machine};
use crate::protocol::NotAsked;

/// Those that are to have the key, beside `asked`: silence about them would pass for a proof.
pub fn not_asked(machine: &Machine, config: &Config, key: &KeyName, asked: &[ConsumerProbe], now: Timestamp) -> Vec<NotAsked> {
    let others = config.consumers.iter().filter(|spec| !asked.iter().any(|probe| probe.consumer == spec.name));
    let told = others.filter_map(|spec| {
        let consumer = machine.consumer(&spec.name).filter(|consumer| consumer.uses(key))?;
        let status = consumer_status(machine, consumer, spec);
        // What it lacks may be another of its keys.
        let lacks = consumer.lacking(&machine.targets(consumer)).contains_key(key);
        let runs = match status.key_fingerprints.get(key.as_str()) {
            Some(None) => "it runs without the key",
            _ => "it runs with another key",
        };
        let why = match (status.state, &status.detail) {
            _ if status.overruled.contains_key(key.as_str()) => {
                format!("it is given the key {}, for the same variable", status.overruled[key.as_str()])
            }
            (ConsumerState::Failed, _) => "it doesn't serve".to_owned(),
            (ConsumerState::Applying, Some(progress)) => format!("it is {progress}"),
            (ConsumerState::Applying, None) => "it is being restarted".to_owned(),
            (ConsumerState::Pending, Some(reason)) if lacks => format!("{runs} ({reason})"),
            (ConsumerState::Stale | ConsumerState::Pending, _) if lacks => runs.to_owned(),
            // One that has the key, and isn't asked, is one whose `verify` says so.
            (ConsumerState::Stale | ConsumerState::Pending | ConsumerState::Current | ConsumerState::Absent, _) => return None,
        };
        let fix = consumer_problems(machine, consumer, spec, now).into_iter().next().map(|problem| problem.fix);
        Some(NotAsked { consumer: status.name, why, fix })
    });
    told.collect()
}
