//! Descriptors and processes used up.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::rig::{CREDD, codes, events, for_anybody, home, key, no_problem, one_problem};
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::{run, wait};

/// Sets what counts of a running process's limit, or raises it as far as it may go; through `by`, which is of the same user.
fn limit(by: &dyn Fn() -> Command, pid: u32, what: &str, number: Option<u64>) {
    let prlimit = |arguments: &[&str]| run(by().args(["--pid", &pid.to_string()]).args(arguments));
    let most = || prlimit(&[&format!("--{what}"), "--noheadings", "--output", "HARD"]).trim().to_owned();
    let number = number.map_or_else(most, |number| number.to_string());
    prlimit(&[&format!("--{what}={number}:")]);
}

/// The first number that no descriptor of a process has.
fn first_free(pid: u32) -> u64 {
    (0..1024).find(|number| !Path::new(&format!("/proc/{pid}/fd/{number}")).exists()).unwrap()
}

/// In place, with the owner that the file has.
fn write_key(home: &Home, name: &str) {
    fs::write(home.env_file(), format!("export AWS_BEARER_TOKEN_BEDROCK=\"{}\"\n", key(name))).unwrap();
}

#[test]
fn descriptors_used_up_and_had_again() {
    let home = home();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "20 days ago"]);
    // None above those that are open, and none in between.
    limit(&|| Command::new("prlimit"), daemon.pid(), "nofile", Some(first_free(daemon.pid())));
    write_key(&home, "two");
    let message = one_problem(&daemon, "workers-not-started");
    assert!(message.contains("Too many open files"), "{message}");
    let status = daemon.status();
    assert_eq!((&status["keys"][0]["user"], &status["keys"][0]["issued_source"]), (&"BedrockAPIKey-one".into(), &"declared".into()));
    daemon.ok(&["snooze", "bedrock", "2d"]);
    limit(&|| Command::new("prlimit"), daemon.pid(), "nofile", None);
    daemon.until("the second key", SOON * 4, |status| status["keys"][0]["user"] == "BedrockAPIKey-two");
    no_problem(&daemon, SOON);
    // What couldn't be written down then was written later.
    let told = events(&daemon);
    assert!(told.iter().any(|event| event == "snoozed") && told.iter().filter(|event| *event == "key-new").count() == 2, "{told:?}");
    let log = daemon.log();
    assert!(log.matches("connections can't be accepted").count() <= 3 && !log.contains("panicked"), "{log}");
}

/// The limit holds for users other than root, and counts all that a user runs: so it is one whom nobody else is. Needs root, to
/// become one.
#[test]
fn processes_used_up_and_had_again() {
    let home = home();
    let uid = 600_000 + std::process::id() % 100_000;
    let program = for_anybody(&home);
    run(Command::new("chown").arg("-R").arg(format!("{uid}:{uid}")).arg(home.path()));
    let as_user = |program: &Path| {
        let mut command = home.command("setpriv");
        command.args(["--reuid", &uid.to_string(), "--regid", &uid.to_string(), "--clear-groups"]).arg(program);
        command
    };
    let log = fs::File::create(home.path().join("credd.log")).unwrap();
    let mut child = as_user(&program).args(["-v", "run"]).stderr(log).spawn().unwrap();
    let credd = |args: &[&str]| String::from_utf8(as_user(&program).args(args).output().unwrap().stdout).unwrap();
    let until = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        wait::until(what, SOON * 4, || {
            let status: Value = serde_json::from_str(&credd(&["status", "--json"])).ok()?;
            (status["live"] == true && wanted(&status)).then_some(status)
        })
    };
    until("the key", &|status| status["keys"][0]["state"] == "ok");
    limit(&|| as_user(Path::new("prlimit")), child.id(), "nproc", Some(1));
    write_key(&home, "two");
    let status = until("the problem", &|status| codes(status) == ["workers-not-started"]);
    assert!(status["problems"][0]["message"].as_str().unwrap().contains("Resource temporarily unavailable"), "{status:#}");
    assert_eq!(status["keys"][0]["user"], "BedrockAPIKey-one");
    limit(&|| as_user(Path::new("prlimit")), child.id(), "nproc", None);
    until("the second key", &|status| status["keys"][0]["user"] == "BedrockAPIKey-two" && codes(status).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
}
