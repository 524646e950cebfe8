//! LiteLLM's other servers, and several workers.

use crate::rig::{Case, NEW};
use crate::support::is_running;
use crate::support::litellm::{Options, READY_TIMEOUT};
use crate::support::load::{Clients, Load};
use crate::support::wait;
use std::process::Command;

/// Has a LiteLLM that was started so take up a key while clients are at work: what is said, and how they fared.
fn changed(args: &[&str]) -> (String, Load) {
    let case = Case::start(&Options { args, ..Options::default() }, "");
    let daemon = case.daemon();
    let before = tree(case.proxy.pid());
    let clients = Clients::start(2, &case.proxy);
    let ended = case.change(&daemon, NEW);
    let load = clients.stop();
    ended.is("applied", &["proven by a completion"]);
    assert_eq!(ended.states(), ["ok", "current"]);
    let left: Vec<_> = before.iter().filter(|pid| is_running(**pid)).collect();
    assert!(left.is_empty(), "{left:?} of {before:?} are left");
    // Workers that come up after the first that listens.
    wait::until_true("as many processes as before", READY_TIMEOUT, || tree(case.running()[0]).len() == before.len());
    for _ in 0..4 {
        case.serves_with(NEW);
    }
    (ended.detail, load)
}

/// A process and all below it.
fn tree(pid: u32) -> Vec<u32> {
    let below = Command::new("pgrep").args(["-P", &pid.to_string()]).output().unwrap();
    let below = String::from_utf8(below.stdout).unwrap();
    std::iter::once(pid).chain(below.lines().flat_map(|child| tree(child.parse().unwrap()))).collect()
}

fn is_stopped_first(args: &[&str]) {
    let (detail, _) = changed(args);
    assert!(detail.contains("it was stopped first, since its workers share one listener"), "{detail}");
}

fn loses_nothing(args: &[&str]) {
    let (detail, load) = changed(args);
    assert_eq!(load.failures, [], "{detail}");
    assert!(load.total > 20, "{load:?}");
}

#[test]
fn workers_are_replaced_with_their_parent() {
    is_stopped_first(&["--num_workers", "2"]);
}

#[test]
fn gunicorn_is_replaced_with_its_workers() {
    is_stopped_first(&["--run_gunicorn", "--num_workers", "2"]);
}

#[test]
fn granian_hands_over() {
    loses_nothing(&["--run_granian"]);
}

#[test]
fn granian_hands_over_with_its_workers() {
    loses_nothing(&["--run_granian", "--num_workers", "2"]);
}
