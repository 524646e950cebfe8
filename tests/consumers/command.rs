//! `restart = "command"`, with the scripts that people have.

use std::fs;
use std::process::Child;
use std::time::Duration;

use credd::config::{Restart, Verify};
use credd::consumers::sys::Held;
use credd::core::{ApplyReport, Outcome};

use crate::rig::{NEW, OLD, Rig, VARIABLE, proc_text, until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/restart-script/restart");
const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake-litellm/litellm");

/// A consumer that runs, whose command does it in a way of the script's.
fn rig(way: &str) -> (Rig, Child) {
    let mut rig = Rig::new();
    rig.config.restart = Restart::Command;
    rig.config.command =
        [SCRIPT, way, FAKE, rig.path("").to_str().unwrap().trim_end_matches('/'), &rig.port.to_string()].map(str::to_owned).to_vec();
    rig.config.pid_file = None;
    // What the worker's own environment lacks, the env file has.
    let text = format!(
        "export {VARIABLE}={NEW}\nexport LITELLM_MASTER_KEY=sk-master\nexport FAKE_BEHAVIOUR={}\nexport EXTRA='a b'\n",
        rig.path("behaviour").display()
    );
    fs::write(rig.path("env"), text).unwrap();
    let child = rig.start();
    fs::write(rig.path("pid"), child.id().to_string()).unwrap();
    (rig, child)
}

fn applies(rig: &Rig) -> ApplyReport {
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(report.detail.contains("proven by a completion of cheap"), "{}", report.detail);
    assert_eq!(phases[0], "running its command");
    assert_eq!(rig.keys(), [NEW]);
    report
}

fn goes_back(rig: &Rig) -> String {
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert_eq!(rig.keys(), [OLD]);
    assert!(rig.serves());
    assert!(!report.detail.contains("sk-master"), "{}", report.detail);
    report.detail
}

#[test]
fn the_command_gets_the_new_environment_and_what_it_starts_lives_on() {
    let (rig, _child) = rig("good");
    let report = applies(&rig);
    let pid = report.pid.unwrap();
    let environ = proc_text(pid, "environ");
    assert!(environ.contains("\0EXTRA=a b\0") && environ.contains("PATH="), "{environ}");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), std::env::home_dir().unwrap());
}

#[test]
fn output_that_is_not_redirected_has_a_reader() {
    let (rig, _child) = rig("chatty");
    let pid = applies(&rig).pid.unwrap();
    let process = Held::open(pid).unwrap();
    // Each request is a line of its log: far more than a pipe holds.
    for _ in 0..3000 {
        assert!(rig.answers(), "it stopped answering");
    }
    assert!(!process.is_gone());
}

#[test]
fn a_script_that_stops_and_aborts_is_made_good() {
    let (rig, _child) = rig("aborts");
    let detail = goes_back(&rig);
    assert!(detail.contains("runs with its old key again"), "{detail}");
    assert!(detail.contains("restart ended with status 1 and said: Waiting for LiteLLM to stop, with [redacted]"), "{detail}");
}

#[test]
fn a_script_that_does_nothing_with_success_is_not_believed() {
    for (way, said) in [("already", "LiteLLM is already running"), ("prompts", "Cancelled, nothing was restarted")] {
        let (mut rig, child) = rig(way);
        rig.config.ready_timeout = Duration::from_secs(2);
        let detail = goes_back(&rig);
        assert!(detail.contains(said), "{detail}");
        assert!(!crate::rig::held(&child).is_gone());
    }
}

#[test]
fn a_script_that_hangs_is_killed_with_all_it_started() {
    let (mut rig, child) = rig("hangs");
    rig.config.stop_timeout = Duration::from_secs(1);
    rig.config.ready_timeout = Duration::from_secs(1);
    let detail = goes_back(&rig);
    assert!(detail.contains("had not ended after 2 s and said: waiting for ever"), "{detail}");
    assert!(!crate::rig::held(&child).is_gone());
    let pid: i32 = fs::read_to_string(rig.path("child")).unwrap().trim().parse().unwrap();
    until("what it started is gone", || Held::open(pid).is_err());
}

#[test]
fn a_script_that_never_ends_is_ended_but_not_what_was_wanted_of_it() {
    let (mut rig, _child) = rig("follows");
    rig.config.stop_timeout = Duration::from_secs(1);
    rig.config.ready_timeout = Duration::from_secs(3);
    applies(&rig);
    assert!(rig.serves());
}

#[test]
fn a_script_with_another_key_of_its_own_is_told_of() {
    let (mut rig, _child) = rig("stale");
    rig.config.ready_timeout = Duration::from_secs(3);
    let detail = goes_back(&rig);
    assert!(detail.contains("restarted, but not with the key in the env file"), "{detail}");
}

#[test]
fn secrets_that_a_script_prints_are_not_kept() {
    let (mut rig, _child) = rig("loud");
    rig.behave(&[(NEW, &["refused"])]);
    rig.config.verify = Verify::Completion;
    let detail = goes_back(&rig);
    assert!(detail.contains("Bedrock refuses the key (HTTP 403)"), "{detail}");
    assert!(detail.contains("said: Starting with [redacted] and [redacted]"), "{detail}");
}

#[test]
fn a_command_that_is_not_there_touches_nothing() {
    let (mut rig, child) = rig("good");
    rig.config.command = vec!["no-such-restart".to_owned()];
    let detail = goes_back(&rig);
    assert!(detail.contains("not touched") && detail.contains("its command no-such-restart isn't there"), "{detail}");
    assert!(!crate::rig::held(&child).is_gone());
}
