//! Disks that are full, fail, or may not be written.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::rig::{CREDD, QUIET, ask, cannot_start, events, home, key, no_problem, one_problem, put, stderr};
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::disk::Disk;
use crate::support::home::Home;
use crate::support::{said, wait};

/// A home whose state is on a small disk of its own.
fn on_small_disk() -> (Home, Disk) {
    let home = home();
    let disk = Disk::mount(&home.state_dir());
    (home, disk)
}

/// What happens while nothing can be saved is known all the same, and said not to be safe; once it can be, all of it is.
fn while_unsaved(daemon: &Daemon<'_>, home: &Home, error: &str) {
    // The last page of a file has room for some more on any disk.
    let refused = (0..50).map(|_| daemon.credd(&["issued", "bedrock", "26 days ago"])).find(|output| !output.status.success());
    let refused = refused.expect("something can't be saved");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let text = stderr(&refused);
    assert!(text.contains("can't be saved yet") && text.contains(error) && text.contains("make room"), "{text}");
    let message = one_problem(daemon, "state-not-saved");
    assert!(message.contains(error), "{message}");
    assert_eq!(daemon.status()["keys"][0]["state"], "due", "it counts all the same");
    let (code, answer) = ask(&home.socket(), "POST", "/v1/keys/bedrock/snooze", "{\"until\": null}").unwrap();
    assert_eq!((code, &answer["error"]["code"]), (503, &Value::from("not-saved")));
    home.set_key(&key("two"));
    daemon.until("the second key", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-two");
}

/// All that happened meanwhile is there, also for the next daemon.
fn is_all_there(mut daemon: Daemon<'_>, home: &Home) {
    let before = no_problem(&daemon, SOON);
    assert_eq!(before["keys"][0]["user"], "BedrockAPIKey-two");
    let told = events(&daemon);
    for event in ["issued-declared", "alert", "state-saved"] {
        assert!(told.iter().any(|told| told == event), "{event} is not in {told:?}");
    }
    assert_eq!(told.iter().filter(|event| *event == "key-new").count(), 2, "{told:?}");
    daemon.kill();
    home.set_key(&key("one"));
    let daemon = Daemon::start(CREDD, home);
    let status = daemon.until("the first key again", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-one");
    assert_eq!((&status["keys"][0]["state"], &status["keys"][0]["issued_source"]), (&"due".into(), &"declared".into()), "{status:#}");
    let alerts = status["keys"][0]["alerts_sent"].as_array().unwrap();
    assert_eq!(alerts.iter().map(|alert| alert["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["day-25"]);
    assert_eq!(status["problems"], serde_json::json!([]));
}

/// A running daemon that knows its key.
fn running(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon
}

#[test]
fn a_full_disk_for_the_state() {
    let (home, disk) = on_small_disk();
    let daemon = running(&home);
    disk.fill();
    while_unsaved(&daemon, &home, "No space left on device");
    disk.clear();
    is_all_there(daemon, &home);
}

#[test]
fn on_a_full_disk_it_starts_with_what_it_knew_and_makes_no_half_state() {
    let (home, disk) = on_small_disk();
    disk.fill();
    let first = stderr(&cannot_start(&home, |_| {}));
    assert!(first.contains("No space left on device") && first.contains("check owner, mode and room"), "{first}");
    disk.clear();
    let mut daemon = running(&home);
    daemon.ok(&["issued", "bedrock", "20 days ago"]);
    daemon.kill();
    disk.fill();
    let mut daemon = running(&home);
    assert_eq!(daemon.status()["keys"][0]["issued_source"], "declared");
    daemon.kill();
    // What is damaged is kept even where there is no room for a second of it.
    let journal = home.state_dir().join("credd/state.journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[30] ^= 1;
    disk.clear();
    fs::write(&journal, &bytes).unwrap();
    disk.fill();
    for _ in 0..3 {
        let refused = stderr(&cannot_start(&home, |_| {}));
        assert!(refused.contains("No space left on device"), "{refused}");
        assert_eq!(fs::read(&journal).unwrap(), bytes);
    }
    disk.clear();
    let daemon = Daemon::start(CREDD, &home);
    one_problem(&daemon, "state-recovered");
    let kept: Vec<_> = fs::read_dir(journal.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let kept: Vec<_> = kept.iter().filter(|path| path.to_string_lossy().contains("damaged")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read(kept[0]).unwrap(), bytes);
    fs::remove_file(kept[0]).unwrap();
    no_problem(&daemon, SOON);
}

#[test]
fn a_full_disk_for_the_env_file_leaves_it_as_it_was() {
    let bedrock = BedrockStandIn::start([key("one"), key("two")]);
    let home = Home::new().asking(&bedrock.url());
    let disk = Disk::mount(&home.path().join("keys"));
    let file = disk.path().join("env");
    home.write_config(&format!("{QUIET}[[keys]]\nenv_file = \"~/keys/env\"\n"));
    put(&file, &key("one"), 0);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let before = fs::read(&file).unwrap();
    let paste = home.path().join("paste");
    fs::write(&paste, key("two")).unwrap();
    let renew = || {
        let mut command = daemon.command();
        command.args(["renew", "--stdin", "--no-browser"]).stdin(fs::File::open(&paste).unwrap());
        command.output().unwrap()
    };
    disk.fill();
    let refused = renew();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(stderr(&refused).contains("nothing was changed") && stderr(&refused).contains("No space left"), "{}", said(&refused));
    assert_eq!(fs::read(&file).unwrap(), before);
    let names: Vec<_> = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside it: {names:?}");
    disk.clear();
    let done = renew();
    assert!(done.status.success(), "{}", said(&done));
    daemon.until("the second key", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-two");
}

/// Has the kernel fail some of a running process's system calls, until it is dropped.
struct Failing(Child);

impl Failing {
    fn of(pid: u32, calls: &str, error: &str) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-p", &pid.to_string(), "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:error={error}")]).stdin(Stdio::null());
        let child = strace.spawn().expect("strace: run tests/setup");
        wait::until_true("strace to have it", SOON, || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            status.contains(&format!("TracerPid:\t{}\n", child.id()))
        });
        Self(child)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // Asked to, it lets go of the process.
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// No disk fails when it is told to, so the kernel answers the real daemon's calls instead (strace's injection).
#[test]
fn a_disk_that_fails_under_the_state() {
    for (error, shown) in [("EIO", "Input/output error"), ("EROFS", "Read-only file system")] {
        let home = home();
        let daemon = running(&home);
        let failing = Failing::of(daemon.pid(), "fdatasync,fsync", error);
        while_unsaved(&daemon, &home, shown);
        drop(failing);
        is_all_there(daemon, &home);
    }
}

/// Of a command that is short-lived, all calls on the env file fail from the first on.
#[test]
fn a_disk_that_fails_under_the_env_file() {
    let bedrock = BedrockStandIn::start([key("one"), key("two")]);
    let home = Home::new().asking(&bedrock.url());
    home.write_config(QUIET);
    home.set_key(&key("one"));
    let daemon = running(&home);
    let before = fs::read(home.env_file()).unwrap();
    let paste = home.path().join("paste");
    fs::write(&paste, key("two")).unwrap();
    for error in ["EIO", "EROFS"] {
        let mut command = home.command("strace");
        command.args([
            "-qq",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            &format!("inject=fsync,fdatasync:error={error}"),
        ]);
        command.args([CREDD, "renew", "--stdin", "--no-browser"]).stdin(fs::File::open(&paste).unwrap());
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(stderr(&refused).contains("nothing was changed"), "{}", said(&refused));
        assert_eq!(fs::read(home.env_file()).unwrap(), before, "{error}");
        let strays = fs::read_dir(home.path()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().contains("credd-"));
        assert_eq!(strays.count(), 0);
    }
    assert_eq!(daemon.status()["keys"][0]["user"], "BedrockAPIKey-one");
}
