//! Where credd is at home: a user's own systemd and session bus.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::{CREDD, KEY};
use crate::support::daemon::SOON;
use crate::support::desktop::Desktop;
use crate::support::guest::Guest;
use crate::support::{run, said, wait};

#[test]
fn a_person_with_nothing_gets_to_a_watched_key() {
    let guest = Guest::boot();
    let this = std::env::current_exe().unwrap();
    let line = format!("exec {} --exact --ignored --nocapture guest::inside_the_guest", this.display());
    let output = guest.user(&["bash", "-lc", &line]);
    assert!(output.status.success(), "{}", said(&output));
}

/// What the test above runs in the guest.
#[test]
#[ignore = "part of a_person_with_nothing_gets_to_a_watched_key"]
fn inside_the_guest() {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    fs::write(home.join(".backlog-toolkit-env"), format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n")).unwrap();
    run(Command::new("chmod").arg("600").arg(home.join(".backlog-toolkit-env")));
    let program = home.join(".local/bin/credd");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    run(Command::new("strip").arg("-o").arg(&program).arg(CREDD));
    // Nobody is asked after the key.
    run(Command::new("systemctl").args(["--user", "set-environment", "AWS_ENDPOINT_URL_BEDROCK=http://127.0.0.1:9"]));
    let desktop = Desktop::start_on(&std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap());

    let mut terminal = Command::new("script");
    terminal.args(["-q", "-e", "-c", "bash -lc 'credd install'", "/dev/null"]);
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let mut shown = String::new();
    let mut until = |text: &str, answer: &str| {
        let mut bytes = [0; 512];
        while !shown.contains(text) {
            let count = screen.read(&mut bytes).unwrap();
            assert!(count > 0, "not shown: {text:?}\n{shown}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        keyboard.write_all(answer.as_bytes()).unwrap();
    };
    until("or Enter for", "26 days ago\n");
    until("Number, or Enter for 1:", "\n");
    until("A test popup was shown by your notification service", "");
    until("4 days left", "");
    drop(keyboard);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{shown}", said(&output));

    desktop.wait_until_shown(|popup| popup.summary == "credd: this is where alerts appear", SOON);
    // The daemon's own: the key is due.
    desktop.wait_until_shown(|popup| popup.summary == "bedrock: key expires in 4 days", SOON);
    let ask = |words: &[&str]| run(Command::new("systemctl").arg("--user").args(words)).trim().to_owned();
    assert_eq!((ask(&["is-active", "credd"]), ask(&["is-enabled", "credd"])), ("active".into(), "enabled".into()));
    let status: Value = serde_json::from_str(&run(Command::new(&program).args(["status", "--json"]))).unwrap();
    assert_eq!((&status["keys"][0]["issued_source"], &status["keys"][0]["state"]), (&Value::from("declared"), &Value::from("due")));

    // And to a clean bill of health, popup included.
    wait::until_true("nothing worse than a note", SOON, || {
        let output = Command::new("bash").args(["-lc", "credd doctor"]).output().unwrap();
        output.status.success() || panic!("{}", said(&output))
    });
}
