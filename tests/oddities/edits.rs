//! Edits while LiteLLM takes up a key, and too many of them.

use std::time::Duration;

use serde_json::Value;

use crate::rig::{Case, NEW, NEWER, NEWEST, OLD, Turn};
use crate::support::daemon::{Daemon, SOON};
use crate::support::litellm::{Options, READY_TIMEOUT};
use crate::support::wait;

/// How often something happened, by credd's own account.
fn count(daemon: &Daemon<'_>, event: &str) -> usize {
    let history: Vec<Value> = serde_json::from_str(&daemon.ok(&["history", "--json"])).unwrap();
    history.iter().filter(|entry| entry["event"] == event).count()
}

/// Waits until LiteLLM has this key, and is left alone.
fn until_current(case: &Case, daemon: &Daemon<'_>, key: &str) {
    daemon.until("the last value", READY_TIMEOUT * 2, |status| {
        let consumer = &status["consumers"][0];
        consumer["state"] == "current" && case.proxy.key_in_use().as_deref() == Some(key)
    });
    case.serves_with(key);
}

#[test]
fn the_last_value_wins_once_and_not_too_often() {
    let case = Case::start(&Options::default(), "");
    let daemon = case.daemon();
    let client = case.client();

    {
        let _turn = Turn::take();
        case.home.set_key(NEW);
        wait::until_true("the new one loads", SOON, || case.running().len() == 2);
        case.home.set_key(NEWER);
        until_current(&case, &daemon, NEWER);
    }
    assert_eq!(count(&daemon, "applied"), 1);

    {
        let _turn = Turn::take();
        for key in [OLD, NEW, NEWEST] {
            case.home.set_key(key);
            std::thread::sleep(Duration::from_millis(100));
        }
        until_current(&case, &daemon, NEWEST);
    }
    assert_eq!(count(&daemon, "applied"), 2);

    case.change(&daemon, NEW).is("applied", &["proven by a completion"]);
    case.serves_with(NEW);
    for key in [OLD, NEWER] {
        case.home.set_key(key);
        let status = daemon.until("it to wait", SOON, |status| {
            let consumer = &status["consumers"][0];
            consumer["state"] == "pending" && consumer["key_fingerprints"] != Value::Null
        });
        assert_eq!(status["keys"][0]["state"], "ok");
        wait::until_true("an alert", SOON, || case.alerts() == ["too-many-restarts"]);
        case.serves_with(NEW);
    }
    assert_eq!(count(&daemon, "applied"), 3);
    assert!(daemon.ok(&["status"]).contains("3 restarts of litellm were begun within ten minutes"), "{}", daemon.ok(&["status"]));
    assert_eq!(client.stop().failures, []);
}
