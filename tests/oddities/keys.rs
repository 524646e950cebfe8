//! Keys that are no good, and an issuer that can't be asked.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{BAD, Case, Ended, NEW, Turn};
use crate::support::bedrock::EXPIRED;
use crate::support::daemon::{Daemon, SOON};
use crate::support::litellm::Options;
use crate::support::wait;

/// What an issuer is given.
const A_MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_rejected_key_is_given_to_nobody_and_told_of_once() {
    let case = Case::start(&Options::default(), "");
    case.bedrock.refuse(BAD, EXPIRED);
    let daemon = case.daemon();
    let client = case.client();

    let ended = case.change(&daemon, BAD);
    ended.is("refused", &["has expired", "put a working key into"]);
    assert_eq!(ended.states(), ["rejected", "stale"]);
    let of_consumer = daemon.ok(&["status", "litellm"]);
    assert!(of_consumer.contains("→ credd renew bedrock"), "why it is stale, and what to do: {of_consumer}");
    wait::until_true("an alert", SOON, || case.alerts() == ["rejected"]);
    assert_eq!(client.stop().failures, []);
    case.is_untouched();

    let client = case.client();
    let ended = case.change(&daemon, NEW);
    ended.is("applied", &["proven by a completion"]);
    assert_eq!(ended.states(), ["ok", "current"]);
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
    assert_eq!(case.alerts(), ["rejected"]);
}

/// A new key may not be known everywhere yet, and a network may be back in a moment: all these wait a minute.
#[test]
fn what_cannot_be_told_for_a_minute() {
    thread::scope(|scope| {
        scope.spawn(a_key_that_nobody_knows_is_refused);
        scope.spawn(a_key_that_nobody_can_be_asked_about_proves_itself);
        scope.spawn(or_proves_to_be_bad);
    });
}

fn a_key_that_nobody_knows_is_refused() {
    let case = Case::start(&Options::default(), "");
    let daemon = case.daemon();
    let ended = change_in_a_minute(&case, &daemon, BAD);
    ended.is("refused", &["put a working key into"]);
    assert_eq!(ended.states(), ["rejected", "stale"]);
    wait::until_true("an alert", SOON, || case.alerts() == ["rejected"]);
    case.is_untouched();
}

fn a_key_that_nobody_can_be_asked_about_proves_itself() {
    let case = Case::start_unreachable(&Options::default(), "");
    let daemon = case.daemon();
    let client = case.client();
    let ended = change_in_a_minute(&case, &daemon, NEW);
    ended.is("applied", &["proven by a completion"]);
    assert_eq!(ended.status["keys"][0]["probe"]["verdict"], "unreachable");
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
    assert_eq!(case.alerts(), [""; 0]);
}

fn or_proves_to_be_bad() {
    let case = Case::start_unreachable(&Options::default(), "");
    let daemon = case.daemon();
    let client = case.client();
    let ended = change_in_a_minute(&case, &daemon, BAD);
    ended.is("rolled-back", &["was not touched", "Bedrock refuses the key"]);
    assert_eq!(client.stop().failures, []);
    case.is_untouched();
    wait::until_true("an alert", SOON, || case.alerts() == ["rolled-back"]);
}

/// As [`Case::change`], where it takes a minute until anything starts.
fn change_in_a_minute(case: &Case, daemon: &Daemon<'_>, key: &str) -> Ended {
    let before = daemon.status();
    case.home.set_key(key);
    let has_begun = |status: &Value| {
        let consumer = &status["consumers"][0];
        consumer["state"] == "applying" || consumer["last_apply"] != before["consumers"][0]["last_apply"]
    };
    daemon.until("the issuer to be given up on", A_MINUTE + SOON, has_begun);
    let _turn = Turn::take();
    Case::over(daemon, &before)
}
