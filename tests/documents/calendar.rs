//! The calendar, as the icalendar library reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;

use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::{installed, run};
use super::{CREDD, KEY};

/// Two keys, one of which never ends.
const CONFIG: &str = "consumers = []\n[alerts]\ndesktop = false\n[[keys]]\nprobe = \"off\"\n\
                      [[keys]]\nname = \"master\"\nvariable = \"LITELLM_MASTER_KEY\"\nlifetime = \"never\"\n";

fn events(home: &Home, text: &str) -> Vec<Value> {
    for line in text.split("\r\n") {
        assert!(line.len() <= 75 && !line.contains('\n'), "{line:?}");
    }
    let file = home.path().join("keys.ics");
    fs::write(&file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/read_calendar.py");
    let read = run(Command::new(installed("icalendar/bin/python3", "documents")).arg(script).arg(&file));
    serde_json::from_str::<Value>(&read).unwrap().as_array().unwrap().clone()
}

fn seconds(value: &Value) -> f64 {
    let at: Timestamp = value.as_str().unwrap().parse().unwrap();
    at.as_duration().as_secs_f64().floor()
}

#[test]
fn a_calendar_program_reads_it_and_an_event_moves() {
    let home = Home::new();
    home.write_config(CONFIG);
    home.set_key(KEY);
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the keys", SOON, |status| status["keys"][1]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "3", "days", "ago"]);
    let key = daemon.status()["keys"][0].clone();
    let text = daemon.ok(&["calendar"]);
    let before = events(&home, &text);
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(before[0]["start"], seconds(&key["expires_at"]));
    assert_eq!(before[0]["alarms"], Value::from(vec![seconds(&key["next_alert_at"])]), "{key}");
    assert_eq!(before[0]["summary"], "bedrock: API key expires");
    assert!(before[0]["description"].as_str().unwrap().contains("credd renew bedrock"), "{before:?}");

    // The same event, later, at another time; and without a daemon.
    daemon.ok(&["issued", "bedrock", "10", "days", "ago"]);
    let key = daemon.status()["keys"][0].clone();
    daemon.kill();
    let after = events(&home, &daemon.ok(&["calendar"]));
    assert_eq!(after[0]["uid"], before[0]["uid"]);
    assert_eq!(after[0]["start"], seconds(&key["expires_at"]));
    let of = |events: &[Value], field: &str| events[0][field].as_f64().unwrap();
    assert!(of(&after, "sequence") >= of(&before, "sequence") && of(&after, "stamp") >= of(&before, "stamp"));
    assert!(of(&after, "start") < of(&before, "start"));

    // Nothing in it says whose it is, or is the same on another machine.
    let host = run(&mut Command::new("hostname"));
    for telling in [key["fingerprint"].as_str().unwrap(), KEY, &home.path().display().to_string(), host.trim()] {
        assert!(!text.contains(telling), "{telling}: {text}");
    }
    let elsewhere = Home::new();
    elsewhere.write_config(CONFIG);
    elsewhere.set_key(KEY);
    let other = Daemon::start(CREDD, &elsewhere);
    other.until("the keys", SOON, |status| status["keys"][0]["state"] == "ok");
    assert_ne!(events(&elsewhere, &other.ok(&["calendar"]))[0]["uid"], before[0]["uid"]);
}

#[test]
fn without_a_key_it_is_empty_and_says_so() {
    let home = Home::new();
    home.write_config(CONFIG);
    let output = home.command(CREDD).arg("calendar").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no key is known to have an end"));
    assert_eq!(events(&home, &String::from_utf8(output.stdout).unwrap()), [Value::Null; 0]);
}
