//! Things that are no env file, in an env file's place.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{CREDD, events, home, key};
use crate::support::daemon::{Daemon, SOON};
use crate::support::{run, wait};

fn remove(path: &Path) {
    if path.symlink_metadata().unwrap().is_dir() {
        fs::remove_dir(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// Each is said to be what it is, holds nobody up, and costs the key nothing: its date stays.
#[test]
fn are_named_and_forgiven() {
    let home = home();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "20 days ago"]);
    let issued = daemon.status()["keys"][0]["issued_at"].clone();
    let file = home.env_file();
    let mut listener = None;
    let mut things: [(&str, &mut dyn FnMut()); 7] = [
        ("is larger than 1 MiB", &mut || File::create(&file).unwrap().set_len(1 << 30).unwrap()),
        ("is a named pipe", &mut || drop(run(Command::new("mkfifo").arg(&file)))),
        ("is a device", &mut || symlink("/dev/zero", &file).unwrap()),
        ("is a device", &mut || drop(run(Command::new("mknod").arg(&file).args(["c", "1", "9"])))),
        ("is a directory", &mut || fs::create_dir(&file).unwrap()),
        ("is a socket", &mut || listener = Some(UnixListener::bind(&file).unwrap())),
        ("is a symlink that leads in a circle", &mut || {
            let _ = fs::remove_file(file.with_extension("other"));
            symlink(file.with_extension("other"), &file).unwrap();
            symlink(&file, file.with_extension("other")).unwrap();
        }),
    ];
    for (what, put) in &mut things {
        remove(&file);
        put();
        let status = daemon.until(what, SOON, |status| status["keys"][0]["detail"].as_str().is_some_and(|detail| detail.contains(*what)));
        assert_eq!(status["keys"][0]["state"], "unreadable", "{what}");
        let rss = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let peak: u64 = rss.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 200_000, "{what}: {peak} kB");
        // Without a daemon and in the other commands, too.
        for command in [&["doctor"][..], &["check"], &["renew", "--stdin", "--no-browser"]] {
            ends(daemon.command().args(command), what);
        }
        // Whatever it was, the key behind it is the same.
        remove(&file);
        home.set_key(&key("one"));
        let status = daemon.until("the key again", SOON, |status| status["keys"][0]["state"] == "ok");
        assert_eq!(status["keys"][0]["issued_at"], issued, "{what}");
        assert_eq!(status["problems"], Value::Array(Vec::new()), "{what}");
    }
    assert_eq!(events(&daemon).iter().filter(|event| *event == "key-new").count(), 1);
    assert_eq!(events(&daemon).iter().filter(|event| *event == "file-unreadable").count(), 7);
}

/// A command that hangs on the file fails.
fn ends(command: &mut Command, what: &str) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ended = wait::try_until(SOON, || child.try_wait().unwrap());
    let _ = child.kill();
    assert!(ended.is_some(), "{what}: it hangs");
}

/// Swapped for another as fast as can be, between the look at what it is and its opening.
#[test]
fn a_pipe_that_comes_and_goes_holds_nobody_up() {
    let home = home();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let pipe = home.path().join("pipe");
    run(Command::new("mkfifo").arg(&pipe));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        fs::hard_link(&pipe, home.path().join("next")).unwrap();
        fs::rename(home.path().join("next"), home.env_file()).unwrap();
        let _ = fs::remove_file(home.path().join("next"));
        home.set_key(&key("one"));
    }
    home.set_key(&key("two"));
    daemon.until("the last edit", SOON, |status| status["keys"][0]["user"] == "BedrockAPIKey-two");
    assert!(!daemon.log().contains("timed out"), "{}", daemon.log());
}
