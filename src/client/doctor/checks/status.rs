//! Everything that `credd status` lists.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::protocol::{Problem, Severity};

/// Looked at here and now, where they can be repaired: the daemon takes a moment to see that they were.
const LOOKED_AT_HERE: &[&str] = &["env-file-mode", "duplicate-assignment", "env-file-tracked"];

/// Said better elsewhere: a note about a file that isn't there yet is a warning about each key that belongs into it.
fn is_left_to_others(problem: &Problem) -> bool {
    let is_note = problem.code == "env-file-missing" && problem.severity == Severity::Info;
    is_note || LOOKED_AT_HERE.contains(&problem.code.as_str())
}

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let problems = situation.status.problems.iter().filter(|problem| !is_left_to_others(problem));
    problems.map(|problem| Finding::new(&problem.code, problem.severity, &problem.message, &problem.fix)).collect()
}
