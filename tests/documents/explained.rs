//! `credd explain` and `credd history`, of what a real daemon did.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::{said, wait};
use super::{CREDD, KEY, QUIET};

#[test]
fn an_explanation_needs_no_daemon() {
    let home = Home::new();
    home.write_config(QUIET);
    let nothing = home.command(CREDD).arg("explain").output().unwrap();
    assert!(nothing.status.success() && said(&nothing).contains("Nothing is known yet"), "{}", said(&nothing));
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the file to be missed", SOON, |status| status["problems"][0]["code"] == "env-file-missing");
    home.set_key(KEY);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let text = daemon.ok(&["explain"]);
    // Folded: the words are what counts.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["bedrock: ok", "when credd saw it arrive in ~/.backlog-toolkit-env", "its lifetime in the configuration", "that of day 25"]
    {
        assert!(words(&text).contains(part), "{part}: {text}");
    }
    daemon.ok(&["issued", "bedrock", "26", "days", "ago"]);
    let text = daemon.ok(&["explain", "bedrock"]);
    for part in ["bedrock: due", "as you said", "The alert of day 25 is due since", "Nobody is told of any alert: desktop is false"] {
        assert!(words(&text).contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let unknown = daemon.credd(&["explain", "nobody"]);
    assert!(unknown.status.code() == Some(2) && said(&unknown).contains("there is: bedrock"), "{}", said(&unknown));
    daemon.kill();
    let text = daemon.ok(&["explain"]);
    for part in ["this is the last saved state", "as you said", "credd install"] {
        assert!(words(&text).contains(part), "{part}: {text}");
    }
    assert!(!text.contains(KEY));
}

#[test]
fn an_alert_that_cannot_be_shown_says_why() {
    let home = Home::new();
    // There is no bus in this home.
    home.write_config("consumers = []\n");
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "26", "days", "ago"]);
    daemon.until("the failure", SOON, |status| status["problems"].to_string().contains("notifications-unavailable"));
    let text = daemon.ok(&["explain"]).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["The alert of day 25 is due since", "it reached nobody yet: a desktop notification couldn't be shown", "Reminders go on from"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_alert_that_the_command_does_not_take_says_why() {
    let home = Home::new();
    home.write_config("consumers = []\n[alerts]\ndesktop = false\ncommand = [\"/nonexistent/prog\", \"--token\", \"for-nobody\"]\n");
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "31", "days", "ago"]);
    daemon.until("the failure", SOON, |status| status["problems"].to_string().contains("alert-command-failed"));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let why = "/nonexistent/prog can't be run: No such file or directory (os error 2)";
    let explained = words(&daemon.ok(&["explain"]));
    assert!(explained.contains(&format!("it reached nobody yet: the alert command failed ({why}); it is ")), "{explained}");
    let history = words(&daemon.ok(&["history"]));
    assert!(history.contains(&format!("the alert command failed: {why}")), "{history}");
    assert!(daemon.log().contains("WARN the alert command failed"), "{}", daemon.log());
    let doctor = said(&daemon.credd(&["doctor"]));
    assert!(doctor.contains("warning: alert-command-failed") && !doctor.contains("for-nobody"), "{doctor}");
    assert!(!history.contains("for-nobody") && !daemon.log().contains("for-nobody"));
    // Programs are told the time in UTC, people as it is where they are.
    wait::until_true("the next try, as seen from Nepal", SOON, || {
        let status = daemon.status();
        let message = status["problems"][0]["message"].as_str().unwrap();
        let Some((_, at)) = message.split_once("it is tried again at ") else { return false };
        assert!(at.ends_with('Z'), "{message}");
        let there = at.parse::<Timestamp>().unwrap().to_zoned(TimeZone::get("Asia/Kathmandu").unwrap());
        ["status", "explain"].iter().all(|page| {
            let text = words(&said(&daemon.command().arg(page).env("TZ", "Asia/Kathmandu").output().unwrap()));
            text.contains(&there.strftime("again at %H:%M").to_string()) && !text.contains(at)
        })
    });
    // One that works is tried when it is read.
    home.write_config("consumers = []\n[alerts]\ndesktop = false\ncommand = [\"true\"]\n");
    let status = daemon.until("the delivery", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
    assert!(!status["problems"].to_string().contains("alert-command-failed"), "{status}");
}

#[test]
fn a_rejection_that_nobody_was_told_of_is_explained() {
    let bedrock = BedrockStandIn::start([KEY]);
    // There is no bus in this home.
    let home = Home::new().asking(&bedrock.url());
    home.write_config("consumers = []\n");
    home.set_key(KEY);
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the verdict", SOON, |status| status["keys"][0]["probe"]["verdict"] == "works");
    bedrock.revoke(KEY);
    assert_ne!(daemon.credd(&["verify"]).status.code(), Some(0));
    daemon.until("the failure", SOON, |status| {
        status["keys"][0]["state"] == "rejected" && status["problems"].to_string().contains("notifications-unavailable")
    });
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = words(&daemon.ok(&["explain"]));
    let untold = "That its issuer rejects it is due to be told since today";
    for part in ["It is rejected: Bedrock refuses it (HTTP 403)", untold, "it reached nobody yet: a desktop notification"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("The next alert after that comes") && !text.contains("Reminders go on"), "{text}");
    daemon.kill();
    let text = words(&daemon.ok(&["explain"]));
    for part in [untold, "no daemon runs that could show it", "With a daemon, the next alert comes at once."] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_log_is_by_day_and_in_local_time() {
    let home = Home::new();
    home.write_config(QUIET);
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "2026-10-28T20:00:00Z"]);
    let shown = |zone: &str| {
        let output = daemon.command().args(["history"]).env("TZ", zone).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shown("UTC").contains("issued on 28 October 2026 20:00"), "{}", shown("UTC"));
    assert!(shown("Asia/Kolkata").contains("issued on 29 October 2026 01:30"), "{}", shown("Asia/Kolkata"));
    let text = shown("UTC");
    let first = text.lines().next().unwrap();
    assert!(first.split(' ').count() == 4 && first.ends_with(|c: char| c.is_ascii_digit()), "a day: {first}");
    assert!(text.lines().any(|line| line.contains("  bedrock  a new key is in")), "{text}");
}
