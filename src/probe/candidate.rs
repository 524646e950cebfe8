//! Asking after a key that is in no file yet.

use std::thread;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use super::{form, patience, request, route};
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
            .map_err(|why| Finding::new(ProbeVerdict::Unknown, Retry::Useless, why))
            .and_then(|endpoint| Ok((route::agent(&endpoint, environment)?, endpoint)))
            .map_or_else(|finding| finding, |(agent, endpoint)| ask(&agent, &endpoint, key, going_on)),
    };
    ProbeReport { verdict: finding.verdict, detail: finding.detail, consumers: Vec::new() }
}

fn ask(agent: &ureq::Agent, endpoint: &Endpoint, key: &Secret, going_on: &mut dyn FnMut(&str) -> bool) -> Finding {
    let start = clock::monotonic();
    let elapsed = || clock::monotonic().saturating_duration_since(start);
    let mut tries = 0;
    loop {
        tries += 1;
        let most = patience::FRESH.saturating_sub(elapsed()).max(Duration::from_secs(1));
        let finding = request::ask(agent, endpoint, key, most);
        let Some(pause) = patience::pause(ProbeManner::Fresh, tries, elapsed(), &finding) else { return finding };
        if !going_on(&finding.detail) {
            return finding;
        }
        thread::sleep(pause);
    }
}
