//! `credd renew`, with a real daemon, a real terminal and the real LiteLLM.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "how long a renewal takes is what is divided into moments")]

mod another;
mod by_itself;
mod killed;
mod pipe;
mod prompt;
mod served;
#[path = "../support/mod.rs"]
mod support;
mod verified;
mod written;

use support::bedrock::BedrockStandIn;
use support::daemon::{Daemon, SOON};
use support::home::Home;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";

/// No consumers, no popups.
const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

/// A home with the old key, which asks this Bedrock.
fn home(bedrock: &BedrockStandIn) -> Home {
    let home = Home::new().asking(&bedrock.url());
    home.write_config(QUIET);
    home.set_key(OLD);
    home
}

/// A daemon that has seen the old key, and asked about it.
fn daemon(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok" && status["keys"][0]["probe"]["verdict"] == "works");
    daemon
}

fn env_file(home: &Home) -> String {
    std::fs::read_to_string(home.env_file()).unwrap()
}

/// That no part of a key stands in a text.
fn shows_nothing_of(key: &str, text: &str) {
    // All keys begin alike.
    for at in 4..key.len() - 8 {
        assert!(!text.contains(&key[at..at + 8]), "the key is shown: {text}");
    }
}
