//! Everything that `credd status` lists.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

/// Looked at here and now, where they can be repaired: the daemon takes a moment to see that they were.
const LOOKED_AT_HERE: &[&str] = &["env-file-mode", "duplicate-assignment"];

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let problems = situation.status.problems.iter().filter(|problem| !LOOKED_AT_HERE.contains(&problem.code.as_str()));
    problems.map(|problem| Finding::new(&problem.code, problem.severity, &problem.message, &problem.fix)).collect()
}
