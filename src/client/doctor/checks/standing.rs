//! How keys stand, as far as no problem of the status says it.

use std::path::Path;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::client::status::next_step;
use crate::protocol::{KeyStanding, KeyStatus, Severity};

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    situation.status.keys.iter().filter_map(|key| finding(situation, key)).collect()
}

fn finding(situation: &Situation, key: &KeyStatus) -> Option<Finding> {
    let name = &key.name;
    let place = situation.tilde(Path::new(&key.env_file));
    let detail = key.detail.as_deref().unwrap_or_default();
    let fix = next_step(key, &place).unwrap_or_default();
    match key.state {
        KeyStanding::Expired => Some(Finding::error("key-expired", &format!("the key {name} in {place} has expired"), &fix)),
        KeyStanding::Unreadable => Some(Finding::error("key-unreadable", &format!("the key {name} can't be told: {detail}"), &fix)),
        KeyStanding::Dynamic => {
            Some(Finding::warning("key-dynamic", &format!("the key {name} in {place} can't be followed: {detail}"), &fix))
        }
        KeyStanding::Missing if !is_told(situation, key) => {
            let fix = format!("put the key into {place} with: {fix}");
            Some(Finding::warning("key-missing", &format!("the key {name} is missing: {detail}"), &fix))
        }
        // Rejected is a problem of the status.
        KeyStanding::Missing | KeyStanding::Rejected | KeyStanding::Ok | KeyStanding::Due => None,
    }
}

/// A problem of the status says of this very key why it is missing, and is no mere note.
fn is_told(situation: &Situation, key: &KeyStatus) -> bool {
    let is_known = key.fingerprint.is_some();
    situation.status.problems.iter().any(|problem| match problem.code.as_str() {
        "env-file-missing" => is_known && problem.severity > Severity::Info && problem.about.contains(&key.env_file),
        "empty-assignment" => problem.about.contains(&key.name),
        _ => false,
    })
}
