//! From the old key to the new one being served, by the real LiteLLM.

use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::litellm::{LiteLlm, READY_TIMEOUT};
use crate::support::pane::Pane;
use crate::support::wait;
use crate::{CREDD, NEW, OLD, env_file, shows_nothing_of};

#[test]
fn a_renewal_ends_with_the_new_key_served() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = Home::new().asking(&bedrock.url());
    let proxy = LiteLlm::start(&bedrock, OLD);
    let config = proxy.dir().join("config.yaml");
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n",
        config.display()
    ));
    home.set_key(OLD);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");

    let pane = Pane::open(&home, CREDD, 100);
    pane.enters("credd renew; echo code=$?");
    pane.until("New key (not shown):");
    pane.pastes(&format!("{NEW}\n"), true);
    let done = wait::try_until(READY_TIMEOUT, || pane.shown().contains("\ncode=").then(|| pane.shown()));
    let shown = done.unwrap_or_else(|| panic!("{}\n{}", pane.shown(), daemon.log()));
    assert!(shown.contains("code=0"), "{shown}\n{}", daemon.log());
    assert!(shown.contains("bedrock: litellm serves with the new key until "), "{shown}");
    // However the terminal has it broken.
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("revoke the old one (user BedrockAPIKey-old, account 123456789012): "), "{shown}");
    shows_nothing_of(NEW, &shown);
    assert!(env_file(&home).contains(NEW));
    assert_eq!(proxy.key_in_use().as_deref(), Some(NEW));
    assert!(proxy.complete().is_ok());
    let status = daemon.status();
    assert_eq!(status["consumers"][0]["last_apply"]["outcome"], "applied");
    assert_eq!(status["keys"][0]["issued_source"], "renewed");
}
