//! Consumers in the status document, and what is wrong with them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::problem;
use crate::config::{ConsumerConfig, Restart};
use crate::core::consumer::{Consumer, ConsumerState, Phase, lacks};
use crate::core::key::Key;
use crate::core::{KeyName, Machine, RunBy, order};
use crate::protocol::{ApplyStatus, ConsumerStatus, Problem, Severity};

/// So many names are said in a sentence.
const SOME: usize = 4;

/// One consumer's part of the document.
pub fn consumer_status(machine: &Machine, consumer: &Consumer, spec: &ConsumerConfig) -> ConsumerStatus {
    let state = machine.consumer_state(consumer);
    let process = consumer.processes.as_ref().and_then(|processes| processes.first());
    let restart = match (spec.restart, process.map(|process| &process.run_by)) {
        (Restart::Auto, Some(RunBy::Process)) => "process",
        (Restart::Auto, Some(RunBy::Systemd { .. })) => "systemd",
        (Restart::Auto, Some(RunBy::Launchd { .. })) => "launchd",
        (Restart::Auto, Some(RunBy::Compose { .. })) => "compose",
        (configured, _) => configured.as_str(),
    };
    let waits = matches!(state, ConsumerState::Pending | ConsumerState::Failed);
    let pending = consumer.record.pending.as_ref().filter(|_| waits && !consumer.waits_for_issuer());
    let detail = match &consumer.phase {
        Phase::Applying { progress, .. } => Some(progress.clone()),
        _ if state == ConsumerState::Pending && consumer.waits_for_issuer() => {
            Some("waiting until Bedrock has been asked about the new key".into())
        }
        _ => pending.map(|pending| pending.reason.clone()),
    };
    ConsumerStatus {
        name: consumer.spec.name.to_string(),
        state,
        pid: process.map(|process| process.pid).filter(|pid| *pid > 0),
        restart: restart.into(),
        key_fingerprints: process
            .map(|process| order::gathered(process.keys.iter().map(|(key, print)| (key.to_string(), *print))))
            .unwrap_or_default(),
        last_apply: consumer.record.last_apply.as_ref().map(|last| ApplyStatus {
            at: last.at,
            outcome: last.outcome,
            seconds: (last.seconds * 10.0).round() / 10.0,
            detail: last.detail.clone(),
        }),
        detail,
        retry_at: pending.map(|pending| pending.retry_at),
        overruled: overruled(machine, consumer),
    }
}

/// The keys that a running consumer isn't given, since another is for the same variable, and which that is.
fn overruled(machine: &Machine, consumer: &Consumer) -> BTreeMap<String, String> {
    if !consumer.runs() {
        return BTreeMap::new();
    }
    let counts = machine.counts_for(consumer);
    let other = |key: &Key| counts.get(&*key.spec.variable).map(|other| &other.spec.name).filter(|other| **other != key.spec.name);
    order::gathered(machine.keys_of(consumer).filter_map(|key| Some((key.spec.name.to_string(), other(key)?.to_string()))))
}

/// What is wrong with a consumer.
pub(super) fn consumer_problems(machine: &Machine, consumer: &Consumer, spec: &ConsumerConfig, now: Timestamp) -> Vec<Problem> {
    let status = consumer_status(machine, consumer, spec);
    let mut problems = shared_variables(machine, consumer, &status);
    problems.extend(standing(machine, consumer, &status, now));
    problems
}

/// Variables for which a running consumer is tracked to have one value and another.
fn shared_variables(machine: &Machine, consumer: &Consumer, status: &ConsumerStatus) -> Vec<Problem> {
    if status.overruled.is_empty() {
        return Vec::new();
    }
    let name = &consumer.spec.name;
    let wanted = machine.keys_of(consumer).map(|key| key.spec.name.as_str()).filter(|name| !status.overruled.contains_key(*name));
    let mut wanted: Vec<String> = wanted.take(SOME + 1).map(|name| format!("\"{name}\"")).collect();
    if wanted.len() > SOME {
        wanted[SOME] = "…".into();
    }
    let mut keys: Vec<&Key> = machine.keys_of(consumer).filter(|key| key.target().is_some()).collect();
    order::sort_by(&mut keys, |one, two| one.spec.variable.cmp(&two.spec.variable));
    let clash = |alike: &[&Key]| {
        let key = alike.iter().find(|key| !status.overruled.contains_key(key.spec.name.as_str()))?;
        let target = key.target()?;
        // One value in two places is a problem of the two keys, and none of whoever has it.
        if alike.iter().all(|other| other.target() == Some(target)) {
            return None;
        }
        let names: Vec<&str> = alike.iter().map(|key| key.spec.name.as_str()).collect();
        let holds = consumer.holds(&[(key.spec.name.clone(), target)].into()) == Some(true);
        let has = if holds { "it runs with" } else { "it is to have" };
        let both = if names.len() == 2 { "both" } else { "all" };
        let variable = &key.spec.variable;
        let message = format!("{} {both} give {name} {variable}; {has} that of {}", listed(&names), key.spec.name);
        let fix = format!("choose, for {name} in the configuration, as in: keys = [{}]", wanted.join(", "));
        let about = names.into_iter().chain([name.as_str()]);
        Some(problem("shared-variable", Severity::Warning, message, fix).about(about))
    };
    keys.chunk_by(|one, two| one.spec.variable == two.spec.variable).filter_map(clash).collect()
}

fn standing(machine: &Machine, consumer: &Consumer, status: &ConsumerStatus, now: Timestamp) -> Option<Problem> {
    let name = &status.name;
    let apply = if status.restart == Restart::None.as_str() { format!("restart {name} yourself") } else { format!("credd apply {name}") };
    let targets = machine.targets(consumer);
    let lacking = consumer.lacking(&targets);
    let lacking: Vec<&str> = lacking.keys().map(KeyName::as_str).collect();
    let told = match status.state {
        // The key's own problem says what to do.
        ConsumerState::Stale if lacking.is_empty() || machine.lacks_what_is_rejected(consumer) => return None,
        ConsumerState::Stale => {
            let mut processes = consumer.processes.iter().flatten();
            let has_other = processes.any(|process| lacks(process, &targets).any(|key| process.keys.get(key).copied().flatten().is_some()));
            let what = match &lacking[..] {
                _ if has_other => "runs with another key than the env file holds".into(),
                [one] => format!("lacks the key {one}"),
                several => format!("lacks the keys {}", listed(several)),
            };
            problem("stale-consumer", Severity::Warning, format!("{name} {what}"), apply)
        }
        ConsumerState::Pending => {
            // Without a time, it waits for Bedrock's answer, a minute at most.
            let retry_at = status.retry_at?;
            let message = format!("{name} has not taken up the new key: {}", status.detail.as_deref().unwrap_or("it waits"));
            let fix = match consumer.record.limited_until(now) {
                // A try that is due before puts it off until then.
                Some(until) => format!("nothing to do: it is tried again at {:.0}", until.max(retry_at)),
                None => apply,
            };
            problem("pending-consumer", Severity::Warning, message, fix)
        }
        ConsumerState::Failed => {
            // "it doesn't serve, since …", as whoever restarted it says.
            let why = status.detail.as_deref().unwrap_or("it doesn't serve: its last restart failed");
            let message = why.strip_prefix("it ").map_or_else(|| format!("{name} doesn't serve: {why}"), |does| format!("{name} {does}"));
            problem("failed-consumer", Severity::Error, message, format!("start {name} by hand, then: credd status"))
        }
        ConsumerState::Current | ConsumerState::Applying | ConsumerState::Absent => return None,
    };
    Some(told.about(lacking.into_iter().chain([&**name])))
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 7 more`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] if names.len() <= SOME => format!("{} and {last}", rest.join(", ")),
        many => format!("{} and {} more", many[..SOME - 1].join(", "), many.len() - (SOME - 1)),
    }
}

#[cfg(test)]
#[path = "consumers_tests.rs"]
mod tests;
