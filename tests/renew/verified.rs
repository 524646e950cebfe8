//! What `credd verify` says of consumers that can't be asked: whoever runs with another key proves nothing of this one.

use serde_json::{Value, json};

use crate::pipe::code;
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::{said, wait};
use crate::written::{Sleeper, daemon, home};
use crate::{CREDD, NEW, OLD};

/// What it says, with exit code 1 or 0 as text and as JSON.
fn verified(daemon: &Daemon<'_>, expected: i32) -> (String, Value) {
    let text = daemon.credd(&["verify"]);
    let document = daemon.credd(&["verify", "bedrock", "--json"]);
    assert_eq!((code(&text), code(&document)), (expected, expected), "{}\n{}", said(&text), said(&document));
    let mut keys: Value = serde_json::from_slice(&document.stdout).unwrap();
    (String::from_utf8(text.stdout).unwrap(), keys[0].take())
}

#[test]
fn one_that_has_the_key_and_is_not_to_be_asked_is_no_fault() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "302.1", "restart = \"none\"");
    let _sleeper = Sleeper::start("302.1");
    let (text, key) = verified(&daemon(&home), 0);
    assert_eq!((text.as_str(), &key["not_asked"]), ("bedrock: works (Bedrock accepts it)\n", &json!([])));
}

#[test]
fn one_that_the_user_restarts_is_told_as_long_as_it_has_another_key() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "302.2", "restart = \"none\"");
    let _sleeper = Sleeper::start("302.2");
    let daemon = daemon(&home);
    home.set_key(NEW);
    daemon.until("another key", SOON, |status| status["consumers"][0]["state"] == "stale");
    let (text, key) = verified(&daemon, 1);
    let expected =
        "bedrock: works (Bedrock accepts it)\n  through sleeper: not asked: it runs with another key\n    restart sleeper yourself\n";
    assert_eq!((text.as_str(), &key["consumers"]), (expected, &json!([])));
    let expected = json!([{"consumer": "sleeper", "why": "it runs with another key", "fix": "restart sleeper yourself"}]);
    assert_eq!(key["not_asked"], expected);
}

#[test]
fn one_that_was_started_since_with_an_old_key_is_seen() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "302.3", "");
    home.set_key(NEW);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("what Bedrock says", SOON, |status| status["keys"][0]["probe"]["verdict"] == "works");
    let _sleeper = Sleeper::start("302.3");
    // Asking has it looked for, if nobody has just looked.
    wait::until("the process to be seen", SOON, || {
        let output = daemon.credd(&["verify", "bedrock"]);
        let is_told = said(&output).contains("through sleeper: not asked: it runs with another key\n    credd apply sleeper\n");
        assert_eq!(code(&output), i32::from(is_told), "{}", said(&output));
        is_told.then_some(())
    });
}

#[test]
fn one_that_did_not_take_the_key_up_is_told_with_what_it_waits_for() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "302.4", "restart = \"command\"\ncommand = [\"false\"]");
    let _sleeper = Sleeper::start("302.4");
    let daemon = daemon(&home);
    home.set_key(NEW);
    daemon.until("the failure", SOON, |status| {
        status["consumers"][0]["state"] == "pending" && status["consumers"][0]["retry_at"].is_string()
    });
    let (text, _) = verified(&daemon, 1);
    assert!(
        text.contains("through sleeper: not asked: it runs with another key (") && text.contains("\n    credd apply sleeper\n"),
        "{text}"
    );
}
