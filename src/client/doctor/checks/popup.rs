//! Whether popups are shown: one was sent.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::desktop::Failure;

const CODE: &str = "notifications-unavailable";

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let Some(Err(failure)) = &situation.popup else { return Vec::new() };
    let has_command = situation.config.as_ref().is_ok_and(|config| !config.alerts.command.is_empty());
    // The daemon has met the same.
    if situation.status.problems.iter().any(|problem| problem.code == CODE) {
        return Vec::new();
    }
    if let Failure::NoBus(_) = failure {
        let message = format!("no test popup was sent: {failure}");
        let fix = if has_command {
            "nothing, if your alert command tells you; popups need a desktop session"
        } else {
            "run this in your desktop session; where there is none, have [alerts] command tell you"
        };
        return vec![Finding::info("notifications-untried", &message, fix)];
    }
    let fix = match failure {
        Failure::NoService(_) => "start a notification service, such as dunst or mako, with your session",
        _ => "restart your notification service, then: credd doctor",
    };
    vec![Finding::warning(CODE, &format!("a test popup couldn't be shown: {failure}"), fix)]
}
