//! What keeps alerts from being told.

use jiff::Timestamp;

use super::problem;
use crate::core::{Channel, Machine, Obstacle};
use crate::protocol::{Problem, Severity};

/// One for each way to tell alerts that doesn't work, however many wait for it.
pub(super) fn problems(machine: &Machine, now: Timestamp) -> impl Iterator<Item = Problem> {
    let (mut popup, mut command) = (None, None::<Obstacle>);
    machine.obstacles(now, &mut |found| match found.channel {
        Channel::Desktop => popup = popup.or(Some(found)),
        // The one that is tried first.
        Channel::Command if command.is_none_or(|other| found.retry_at < other.retry_at) => command = Some(found),
        Channel::Command => {}
    });
    popup.map(|found| popup_problem(found.why)).into_iter().chain(command.map(|found| command_problem(&found)))
}

fn popup_problem(why: &str) -> Problem {
    let message = format!("a desktop notification couldn't be shown ({why}); it is tried again until it can");
    problem("notifications-unavailable", Severity::Warning, message, "log in to a desktop session with a notification service".into())
}

fn command_problem(found: &Obstacle) -> Problem {
    let again = found.retry_at.map_or_else(|| "it is being tried again".into(), |at| format!("it is tried again at {at:.0}"));
    let message = format!("the alert command failed ({}); {again}", found.why);
    let fix = "correct command of [alerts] in the configuration; what it said is in the daemon's log";
    problem("alert-command-failed", Severity::Warning, message, fix.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_failed_says_when_it_is_tried_again() {
        let said = |retry_at: Option<&str>| {
            let retry_at = retry_at.map(|at| at.parse().unwrap());
            let found = Obstacle { channel: Channel::Command, why: "mail ended with exit code 1", retry_at };
            let message = command_problem(&found).message;
            message.strip_prefix("the alert command failed (mail ended with exit code 1); it is ").unwrap().to_owned()
        };
        assert_eq!(said(None), "being tried again");
        assert_eq!(said(Some("2026-11-22T12:04:00.123456789Z")), "tried again at 2026-11-22T12:04:00Z");
    }
}
