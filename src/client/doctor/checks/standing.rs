//! How keys stand, as far as no problem of the status says it.

use std::path::Path;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::client::status::next_step;
use crate::protocol::{KeyStanding, KeyStatus};

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    situation.status.keys.iter().filter_map(|key| finding(situation, key)).collect()
}

fn finding(situation: &Situation, key: &KeyStatus) -> Option<Finding> {
    let name = &key.name;
    let place = situation.tilde(Path::new(&key.env_file));
    let detail = key.detail.as_deref().unwrap_or_default();
    let fix = next_step(key, &place).unwrap_or_default();
    let told = |code: &str| situation.status.problems.iter().any(|problem| problem.code == code);
    match key.state {
        KeyStanding::Expired => Some(Finding::error("key-expired", &format!("the key {name} in {place} has expired"), &fix)),
        KeyStanding::Unreadable => Some(Finding::error("key-unreadable", &format!("the key {name} can't be told: {detail}"), &fix)),
        KeyStanding::Dynamic => {
            Some(Finding::warning("key-dynamic", &format!("the key {name} in {place} can't be followed: {detail}"), &fix))
        }
        // Without a daemon nobody has looked.
        KeyStanding::Missing if situation.status.live && !told("env-file-missing") && !told("empty-assignment") => {
            let fix = format!("put the key into {place}: export {}='…'", key.variable);
            Some(Finding::warning("key-missing", &format!("the key {name} is missing: {detail}"), &fix))
        }
        // Rejected is a problem of the status.
        KeyStanding::Missing | KeyStanding::Rejected | KeyStanding::Ok | KeyStanding::Due => None,
    }
}
