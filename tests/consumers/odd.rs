//! Consumers that misbehave.

use std::fs;
use std::time::Duration;

use credd::config::{Restart, Verify};
use credd::consumers::sys::{Held, descendants};
use credd::core::Outcome;

use crate::rig::{NEW, OLD, Rig, held, until};

/// Applies a key with which the stand-in behaves so; it is to be put back.
fn is_rolled_back(rig: &Rig, words: &[&str]) -> String {
    rig.behave(&[(NEW, words)]);
    let _child = rig.start();
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(phases.contains(&"going back".to_owned()));
    assert_eq!(rig.keys(), [OLD]);
    assert!(rig.serves());
    let pid = fs::read_to_string(rig.path("pid")).unwrap();
    assert_eq!(Some(pid.trim().parse().unwrap()), report.pid);
    report.detail
}

#[test]
fn one_that_dies_at_its_start_is_put_back_at_once() {
    let mut rig = Rig::new();
    rig.config.ready_timeout = Duration::from_mins(10);
    let detail = is_rolled_back(&rig, &["dies"]);
    let log = rig.path("log");
    assert!(detail.contains("ended before it was ready"), "{detail}");
    assert!(detail.contains(log.to_str().unwrap()), "{detail}");
}

#[test]
fn one_that_is_never_ready_is_put_back() {
    let mut rig = Rig::new();
    rig.config.ready_timeout = Duration::from_secs(3);
    let detail = is_rolled_back(&rig, &["never-ready", "ignores-term"]);
    assert!(detail.contains("not ready within 3 s"), "{detail}");
}

#[test]
fn a_refused_key_is_put_back() {
    let detail = is_rolled_back(&Rig::new(), &["refused"]);
    assert!(detail.contains("Bedrock refuses the key (HTTP 403)"), "{detail}");
}

#[test]
fn what_is_not_the_keys_fault_is_only_told() {
    for (word, said) in [("throttled", "HTTP 503"), ("picky", "master_key_variable")] {
        let rig = Rig::new();
        rig.behave(&[("*", &[word])]);
        let _child = rig.start();
        let (_, report) = rig.apply();
        assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
        assert!(report.detail.contains("couldn't be proven"), "{}", report.detail);
        assert!(report.detail.contains(said), "{}", report.detail);
        assert_eq!(rig.keys(), [NEW]);
    }
}

#[test]
fn one_that_comes_back_neither_way_has_failed() {
    let rig = Rig::new();
    let _child = rig.start();
    rig.behave(&[("*", &["dies"])]);
    let (_, report) = rig.apply();
    assert_eq!((report.outcome, report.pid), (Outcome::Failed, None));
    assert!(report.detail.contains("it doesn't serve"), "{}", report.detail);
}

#[test]
fn one_that_ignores_sigterm_is_killed_with_its_workers() {
    let mut rig = Rig::new();
    rig.config.stop_timeout = Duration::from_millis(300);
    has_its_workers_ended(&rig, &["ignores-term", "workers"]);
}

#[test]
fn no_worker_is_left_on_the_port() {
    has_its_workers_ended(&Rig::new(), &["workers"]);
}

fn has_its_workers_ended(rig: &Rig, words: &[&str]) {
    rig.behave(&[("*", words)]);
    let child = rig.start();
    let old = held(&child);
    until("both workers are there", || descendants(&old).len() == 2);
    let workers = descendants(&old);
    assert_eq!(rig.inspect().processes.len(), 1);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(old.is_gone() && workers.iter().all(Held::is_gone));
    let new = Held::open(report.pid.unwrap()).unwrap();
    assert_eq!(descendants(&new).len(), 2);
}

#[test]
fn answers_of_another_process_on_its_port_do_not_count() {
    let mut rig = Rig::new();
    rig.config.ready_timeout = Duration::from_secs(5);
    rig.config.url = Some(format!("http://127.0.0.1:{}/", rig.port));
    rig.behave(&[(NEW, &["elsewhere"])]);
    let _child = rig.start();
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert_eq!(rig.keys(), [OLD]);
}

#[test]
fn what_cannot_be_started_again_is_never_stopped() {
    let rig = Rig::new();
    let child = rig.start();
    fs::rename(rig.path("config.yaml"), rig.path("away.yaml")).unwrap();
    let (phases, report) = rig.apply();
    assert_eq!((report.outcome, phases.len()), (Outcome::RolledBack, 0));
    assert!(report.detail.contains("config.yaml is gone"), "{}", report.detail);
    assert!(!held(&child).is_gone());
}

#[test]
fn a_way_of_restarting_that_does_not_fit_touches_nothing() {
    let mut rig = Rig::new();
    let child = rig.start();
    rig.config.restart = Restart::Systemd;
    for unit in [None, Some("no-such-unit")] {
        rig.config.unit = unit.map(str::to_owned);
        let (_, report) = rig.apply();
        assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
        assert!(report.detail.starts_with("it was not touched"), "{}", report.detail);
    }
    assert!(!held(&child).is_gone());
}

#[test]
fn less_proof_where_less_is_asked() {
    let mut rig = Rig::new();
    rig.behave(&[("*", &["refused"])]);
    let _child = rig.start();
    for verify in [Verify::Readiness, Verify::None] {
        rig.config.verify = verify;
        let (_, report) = rig.apply();
        assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
        assert!(report.detail.contains("not proven"), "{}", report.detail);
    }
}

#[test]
fn a_supervisors_own_restart_is_left_alone() {
    let mut rig = Rig::new();
    rig.config.ready_timeout = Duration::from_secs(3);
    rig.behave(&[(NEW, &["never-ready"])]);
    // A loop that starts it again whenever it ends, with the environment that it always had.
    let mut command = rig.command("exec > log 2>&1; while [ -e config.yaml ]; do (", "); done");
    let mut supervisor = rig.start_by(&mut command);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("something else started process"), "{}", report.detail);
    assert_eq!(rig.keys(), [OLD]);
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
}
