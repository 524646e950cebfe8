//! inotify's limits, for the whole daemon (`tests/watching/limits.rs` has the watcher's own): in a user namespace of its own, in
//! which `/proc/sys/user` is the namespace's.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::rig::{CREDD, home, key, no_problem, one_problem};
use crate::support::daemon::{Daemon, SOON};
use crate::support::{run, wait};

/// Runs an ignored test of this program in namespaces of its own.
fn inside(test: &str) {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
    let said = run(unshare.args(["--exact", test, "--ignored", "--nocapture"]));
    assert!(said.contains("1 passed"), "{said}");
}

fn set(what: &str, number: u32) {
    fs::write(Path::new("/proc/sys/user").join(what), number.to_string()).unwrap();
}

/// Edits are seen, each within the time that a look now and then takes.
fn sees(daemon: &Daemon<'_>, home: &crate::support::home::Home, names: &[&str]) {
    for name in names {
        home.set_key(&key(name));
        daemon.until("the edit", SOON, |status| status["keys"][0]["user"] == format!("BedrockAPIKey-{name}"));
    }
}

fn is_degraded_until_raised(limit: &str, used_up: u32, advice: &str) {
    let home = home();
    set(limit, used_up);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let message = one_problem(&daemon, "watch-degraded");
    assert!(message.contains("looked at every 2 seconds") && message.contains(advice), "{message}");
    sees(&daemon, &home, &["two", "three", "four"]);
    // Nothing tells of the socket either: the next event has it looked after.
    fs::remove_file(home.socket()).unwrap();
    home.set_key(&key("five"));
    wait::until_true("the socket to be made again", SOON, || home.socket().exists());
    daemon.until("the edit", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-five");
    set(limit, 1000);
    no_problem(&daemon, SOON * 4);
    sees(&daemon, &home, &["six", "seven"]);
    let history = daemon.ok(&["history"]);
    assert!(history.contains("all changes of env files are seen at once again"), "{history}");
    assert_eq!(history.matches("a new key is in").count(), 7, "{history}");
}

#[test]
fn watches_used_up() {
    inside("limits::inside_without_watches");
}

#[test]
#[ignore = "run by the test above"]
fn inside_without_watches() {
    is_degraded_until_raised("max_inotify_watches", 1, "fs.inotify.max_user_watches");
}

#[test]
fn instances_used_up() {
    inside("limits::inside_without_instances");
}

#[test]
#[ignore = "run by the test above"]
fn inside_without_instances() {
    is_degraded_until_raised("max_inotify_instances", 0, "fs.inotify.max_user_instances");
}

/// More events than the kernel's queue holds (16,384 by default), while the daemon can't take any: those of the edit are among
/// the lost. With mounts of its own, for the watcher looks at all files when others mount something.
#[test]
fn events_that_are_lost() {
    inside("limits::inside_with_too_many_events");
}

#[test]
#[ignore = "run by the test above"]
fn inside_with_too_many_events() {
    let home = home();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let signal = |signal: &str| run(Command::new("kill").args([signal, &daemon.pid().to_string()]));
    signal("-STOP");
    let names = ["a", "b"].map(|name| home.path().join(name));
    for _ in 0..=most / 4 {
        // Two files in turn: the kernel takes equal events in a row for one.
        for name in &names {
            fs::write(name, "").unwrap();
        }
        for name in &names {
            fs::remove_file(name).unwrap();
        }
    }
    home.set_key(&key("two"));
    signal("-CONT");
    let status = daemon.until("the edit", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-two");
    assert_eq!(status["problems"], Value::Array(Vec::new()));
}
