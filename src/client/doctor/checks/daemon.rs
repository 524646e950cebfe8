//! Whether the daemon runs, and knows what to do.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let Some(failure) = &situation.offline else { return Vec::new() };
    let fix = failure.hint.as_deref().unwrap_or("start it with: credd install");
    let stopped = match &situation.config {
        Ok(_) => Finding::error("daemon-not-running", &format!("{}: nothing is watched", failure.message), fix),
        Err(why) => Finding::error("config-invalid", why.lines().next().unwrap_or(why), "correct it; see: credd config --check"),
    };
    vec![stopped]
}
