//! The main job, on real parts: LiteLLM, a notification server on D-Bus, and a stand-in for Bedrock.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod support;

use std::time::Duration;

use support::bedrock::BedrockStandIn;
use support::daemon::{Daemon, SOON};
use support::desktop::Desktop;
use support::home::Home;
use support::litellm::{LiteLlm, READY_TIMEOUT};
use support::run;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";

/// Only the LiteLLM of this test: others may run for other tests at the same time.
fn config_for(proxy: &LiteLlm) -> String {
    let config = proxy.dir().join("config.yaml");
    let config = config.display();
    format!("[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{config}\"]\n")
}

#[test]
fn a_key_of_25_days_is_told_of_and_its_successor_taken_up() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let desktop = Desktop::start();
    let home = Home::new().on_bus(&desktop.bus()).asking(&bedrock.url());
    let proxy = LiteLlm::start(&bedrock, OLD);
    home.write_config(&config_for(&proxy));
    home.set_key(OLD);
    run(std::process::Command::new("touch").args(["-d", "25 days ago"]).arg(home.env_file()));

    let daemon = Daemon::start(CREDD, &home);
    let popup = desktop.wait_until_shown(|popup| popup.app == "credd", SOON);
    assert_eq!(popup.summary, "bedrock: key expires in 5 days");
    let actions: Vec<_> = popup.actions.iter().map(|(_, label)| label.as_str()).collect();
    assert!(actions.contains(&"Renew") && actions.contains(&"Remind me tomorrow"), "{actions:?}");
    let status = daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");
    assert_eq!(status["keys"][0]["state"], "due");
    assert_eq!(status["keys"][0]["issued_source"], "file");
    assert_eq!(status["consumers"][0]["pid"], proxy.pid());
    assert_eq!(daemon.credd(&["check"]).status.code(), Some(1));
    let old = status["keys"][0]["fingerprint"].clone();

    home.set_key(NEW);
    let status = daemon.until("LiteLLM to have the new key", READY_TIMEOUT, |status| {
        status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current"
    });
    assert_ne!(status["keys"][0]["fingerprint"], old);
    assert_eq!(status["consumers"][0]["key_fingerprints"]["bedrock"], status["keys"][0]["fingerprint"]);
    assert_ne!(status["consumers"][0]["pid"], proxy.pid());
    assert_eq!(status["keys"][0]["state"], "ok");
    assert_eq!(status["keys"][0]["issued_source"], "observed");
    assert_eq!(status["problems"], serde_json::json!([]));
    assert!(bedrock.wait_for(|request| request.is_converse() && request.bearer.as_deref() == Some(NEW), Duration::ZERO).is_some());
    assert!(proxy.complete().is_ok());
    assert_eq!(proxy.key_in_use().as_deref(), Some(NEW));
    desktop.wait_until_closed(popup.id.unwrap(), SOON);
    assert_eq!(desktop.notifications().len(), 1, "one alert, once");
    assert_eq!(daemon.credd(&["check"]).status.code(), Some(0));
}
