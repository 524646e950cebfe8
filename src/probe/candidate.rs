//! Asking after a key that is in no file yet.

use std::thread;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use super::talker::Talker;
use super::{form, patience};
use crate::clock;
use crate::core::{ProbeManner, ProbeReport, ProbeVerdict};
use crate::secret::Secret;

/// Asks whether a key works that was made a moment ago: for up to a minute while it is rejected or nobody can
/// be reached, as one is that was just put into its file. `endpoint` is the configuration's; before each
/// further try, `going_on` is told what was said so far, and ends the asking by `false`.
pub fn candidate(key: &Secret, endpoint: Option<&str>, region: &str, going_on: &mut dyn FnMut(&str) -> bool) -> ProbeReport {
    let environment = |name: &str| std::env::var(name).ok();
    let finding = match form::flaw(key.expose()) {
        Some(flaw) => Finding::new(ProbeVerdict::Rejected, Retry::Useless, flaw.to_string()),
        None => Endpoint::choose(endpoint, region, environment)
            .map_or_else(|why| Finding::new(ProbeVerdict::Unknown, Retry::Useless, why), |endpoint| ask(&endpoint, key, going_on)),
    };
    ProbeReport { verdict: finding.verdict, detail: finding.detail, consumers: Vec::new() }
}

fn ask(endpoint: &Endpoint, key: &Secret, going_on: &mut dyn FnMut(&str) -> bool) -> Finding {
    let start = clock::monotonic();
    let elapsed = || clock::monotonic().saturating_duration_since(start);
    let mut talker = Talker::to(endpoint);
    let mut tries = 0;
    loop {
        tries += 1;
        let most = patience::FRESH.saturating_sub(elapsed()).max(Duration::from_secs(1));
        let finding = talker.ask(key, most);
        let Some(pause) = patience::pause(ProbeManner::Fresh, tries, elapsed(), &finding) else { return finding };
        if !going_on(&finding.detail) {
            return finding;
        }
        thread::sleep(pause);
    }
}
