//! What keeps alerts from being told.

use jiff::Timestamp;

use super::problem;
use crate::core::consumer::Consumer;
use crate::core::{Channel, Machine, Obstacle};
use crate::protocol::{Problem, Severity};
use crate::zone;

/// One for each way to tell alerts that doesn't work, however many wait for it.
pub(super) fn problems(machine: &Machine, now: Timestamp) -> impl Iterator<Item = Problem> {
    let (mut popup, mut command) = (None, None::<Obstacle>);
    let all = machine.keys().flat_map(|key| key.obstacles(now)).chain(machine.consumers().flat_map(Consumer::obstacles));
    for found in all {
        match found.channel {
            Channel::Desktop => popup = popup.or(Some(found)),
            // The one that is tried first.
            Channel::Command if command.is_none_or(|other| found.retry_at < other.retry_at) => command = Some(found),
            Channel::Command => {}
        }
    }
    popup.map(|found| popup_problem(found.why)).into_iter().chain(command.map(|found| command_problem(&found, now)))
}

fn popup_problem(why: &str) -> Problem {
    let message = format!("a desktop notification couldn't be shown ({why}); it is tried again until it can");
    problem("notifications-unavailable", Severity::Warning, message, "log in to a desktop session with a notification service".into())
}

fn command_problem(found: &Obstacle, now: Timestamp) -> Problem {
    let again = found.retry_at.map_or_else(|| "it is being tried again".into(), |at| format!("it is tried again {}", moment(at, now)));
    let message = format!("the alert command failed ({}); {again}", found.why);
    let fix = "correct command of [alerts] in the configuration; what it said is in the daemon's log";
    problem("alert-command-failed", Severity::Warning, message, fix.into())
}

/// It is an hour away at most, unless the user asked for quiet.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let zone = zone::local();
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    at.strftime(if at.date() == now.date() { "at %H:%M" } else { "on %-d %B at %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_command_that_failed_says_when_it_is_tried_again() {
        let noon = date(2026, 11, 22).at(12, 0, 0, 0).to_zoned(zone::local()).unwrap();
        let said = |retry_at: Option<jiff::Span>| {
            let retry_at = retry_at.map(|wait| noon.checked_add(wait).unwrap().timestamp());
            let found = Obstacle { channel: Channel::Command, why: "mail ended with exit code 1", retry_at };
            let message = command_problem(&found, noon.timestamp()).message;
            message.strip_prefix("the alert command failed (mail ended with exit code 1); it is ").unwrap().to_owned()
        };
        assert_eq!(said(None), "being tried again");
        assert_eq!(said(Some(4.minutes())), "tried again at 12:04");
        assert_eq!(said(Some(2.days())), "tried again on 24 November at 12:00");
    }
}
