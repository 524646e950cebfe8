//! Whether a key that was replaced is still needed.

use super::keys::has;
use crate::client::offline::is_unseen;
use crate::core::ProbeVerdict;
use crate::protocol::{ConsumerState, ConsumerStatus, FormerKey, KeyStanding, KeyStatus, Status};

/// What is to come before it may be revoked, as words after "keep it until"; `None` once nothing runs with it but by mistake.
pub(in crate::client) fn needed_until(former: &FormerKey, key: &KeyStatus, status: &Status) -> Option<String> {
    if !is_good(key, status) {
        return Some("a key that works is in the file".into());
    }
    if status.consumers.iter().any(is_unseen) {
        return Some("credd runs, and can tell who has the new one".into());
    }
    let lacks_new = |consumer: &&ConsumerStatus| {
        let runs = !matches!(consumer.state, ConsumerState::Current | ConsumerState::Absent);
        // Of one that was ended in vain it isn't known which keys it is for.
        let is_for_it = consumer.key_fingerprints.contains_key(&key.name) || consumer.key_fingerprints.is_empty();
        runs && is_for_it && !consumer.overruled.contains_key(&key.name) && !has(consumer, key)
    };
    let lacking = || status.consumers.iter().find(lacks_new).map(|consumer| &consumer.name);
    former.consumers.first().or_else(lacking).map(|name| format!("{name} has the new one"))
}

/// For all that is known, its issuer accepts the key that is in the file now.
fn is_good(key: &KeyStatus, status: &Status) -> bool {
    let is_rejected = key.probe.as_ref().is_some_and(|probe| probe.verdict == ProbeVerdict::Rejected);
    let is_spoilt = status.problems.iter().any(|problem| problem.code == "control-character" && problem.about.contains(&key.name));
    matches!(key.state, KeyStanding::Ok | KeyStanding::Due) && !is_rejected && !is_spoilt
}
