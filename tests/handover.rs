//! A key change while clients are at work: the real LiteLLM hands over to its successor.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod support;

use support::bedrock::BedrockStandIn;
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::litellm::{LiteLlm, READY_TIMEOUT};
use support::load::Clients;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");

fn key(number: usize) -> String {
    format!("ABSK-planted-{number:03}")
}

/// Only the LiteLLM of this test: others may run for other tests at the same time.
fn config_for(proxy: &LiteLlm) -> String {
    let config = proxy.dir().join("config.yaml");
    let config = config.display();
    format!("[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{config}\"]\n")
}

#[test]
fn changes_in_a_row_lose_nothing() {
    let bedrock = BedrockStandIn::start((0..4).map(key));
    let home = Home::new().asking(&bedrock.url());
    let proxy = LiteLlm::start(&bedrock, &key(0));
    home.write_config(&config_for(&proxy));
    home.set_key(&key(0));
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");
    for number in 1..=3 {
        let clients = Clients::start(5, &proxy);
        clients.go_on_for(20);
        home.set_key(&key(number));
        daemon.until("LiteLLM to have the new key", READY_TIMEOUT, |status| {
            let consumer = &status["consumers"][0];
            consumer["last_apply"]["outcome"] == "applied"
                && consumer["state"] == "current"
                && consumer["key_fingerprints"]["bedrock"] == status["keys"][0]["fingerprint"]
                && proxy.key_in_use() == Some(key(number))
        });
        clients.go_on_for(20);
        let load = clients.stop();
        assert!(load.total > 100, "{load:?}");
        assert_eq!(load.failed, 0, "change {number}: {load:?}\n{}", daemon.log());
    }
}
