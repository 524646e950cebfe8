//! Between the file and the consumers: what is said where they don't take the new key up, or aren't to.

use std::process::{Child, Command, Stdio};

use crate::pipe::{code, renew};
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::pane::Pane;
use crate::support::said;
use crate::{CREDD, NEW, OLD, env_file};

const THIRD: &str = "ABSKQmVkcm9ja0FQSUtleS10aGlyZC1hdC0xMjM0NTY3ODkwMTI6dGhpcmQtc2VjcmV0";

/// A process with the old key, which credd takes for a consumer; ends when it is dropped.
pub struct Sleeper(Child);

impl Sleeper {
    /// `seconds` tell it from those of other tests.
    pub fn start(seconds: &str) -> Self {
        let mut command = Command::new("sleep");
        command.arg(seconds).env("AWS_BEARER_TOKEN_BEDROCK", OLD).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A home whose only consumer is such a process, and a daemon that has seen it.
pub fn home(bedrock: &BedrockStandIn, seconds: &str, restart: &str) -> Home {
    let home = Home::new().asking(&bedrock.url());
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[consumers]]\nname = \"sleeper\"\nmatch = [\"sleep\", \"{seconds}\"]\nverify = \"none\"\nready_timeout = \"1s\"\n{restart}\n"
    ));
    home.set_key(OLD);
    home
}

pub fn daemon(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("the process, and what Bedrock says", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["keys"][0]["probe"]["verdict"] == "works"
    });
    daemon
}

#[test]
fn a_consumer_that_fails_to_take_it_up_is_told_of() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "301.1", "restart = \"command\"\ncommand = [\"false\"]");
    let _sleeper = Sleeper::start("301.1");
    let daemon = daemon(&home);
    let output = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&output), 1, "{}\n{}", said(&output), daemon.log());
    assert!(said(&output).contains("the new key is in ~/.backlog-toolkit-env, but sleeper did not take it up: "), "{}", said(&output));
    assert!(said(&output).contains("credd apply sleeper"), "{}", said(&output));
    assert!(env_file(&home).contains(NEW));
    assert!(output.stdout.is_empty(), "{}", said(&output));
}

#[test]
fn a_consumer_that_is_left_alone_is_the_users() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock, "301.2", "restart = \"none\"");
    let _sleeper = Sleeper::start("301.2");
    let daemon = daemon(&home);
    let output = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&output), 0, "{}\n{}", said(&output), daemon.log());
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(line.starts_with("bedrock: the new key is in ~/.backlog-toolkit-env until "), "{line}");
    assert!(line.contains("; restart sleeper yourself; revoke the old one"), "{line}");
}

#[test]
fn ctrl_c_while_a_consumer_takes_it_up_says_that_it_is_written() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    // It goes on for as long as that file is there.
    let hold = "restart = \"command\"\ncommand = [\"sh\", \"-c\", \"cd; while [ -e hold ]; do sleep 0.1; done\"]";
    let home = home(&bedrock, "301.3", hold);
    std::fs::write(home.path().join("hold"), "").unwrap();
    let _sleeper = Sleeper::start("301.3");
    let daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 100);
    pane.enters("credd renew; echo code=$?");
    pane.until("New key (not shown):");
    pane.pastes(&format!("{NEW}\n"), false);
    pane.until("sleeper: ");
    pane.presses("C-c");
    pane.until("code=130");
    pane.until("credd: the new key is in ~/.backlog-toolkit-env");
    assert!(!pane.screen().contains("sleeper: "), "its progress is still shown: {}", pane.screen());
    assert!(env_file(&home).contains(NEW));
    pane.is_as_before();
    // The daemon goes on, and has to be done before the process ends: else it would put that back.
    std::fs::remove_file(home.path().join("hold")).unwrap();
    daemon.until("the restart to end", SOON, |status| !status["consumers"][0]["last_apply"].is_null());
}

#[test]
fn where_bedrock_cant_be_asked_the_user_decides() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = crate::home(&bedrock);
    let daemon = crate::daemon(&home);
    bedrock.fail_with(302);
    let before = env_file(&home);
    let pane = Pane::open(&home, CREDD, 120);
    for (number, (answer, written)) in [("n", false), ("y", true)].into_iter().enumerate() {
        pane.enters("credd renew; echo code=$?");
        pane.until_count("New key (not shown):", number + 1);
        pane.pastes(&format!("{NEW}\n"), true);
        pane.until_count("all the same? [y/N]", number + 1);
        pane.presses(answer);
        pane.until(if written { "code=0" } else { "code=1\n" });
        assert_eq!(env_file(&home) != before, written, "{}\n{}", pane.shown(), daemon.log());
    }
    // Through a pipe nobody can be asked.
    home.set_key(OLD);
    let status = daemon.status();
    daemon.until("the old key", SOON, |now| now["keys"][0]["fingerprint"] != status["keys"][0]["fingerprint"]);
    let output = renew(&home, &["--stdin"], THIRD);
    assert_eq!(code(&output), 0, "{}\n{}", said(&output), daemon.log());
    assert!(said(&output).contains("can't be told") && said(&output).contains("going on"), "{}", said(&output));
}
