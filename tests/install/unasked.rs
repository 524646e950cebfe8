//! Without a terminal, and with answers as flags.

use std::fs;

use serde_json::Value;

use crate::rig::{CREDD, Rig};
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::{said, wait};

#[test]
fn without_a_terminal_nothing_is_asked_shown_or_guessed() {
    let desktop = Desktop::start();
    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), 3);
    let output = rig.install(&[]);
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("credd runs") && !text.contains("When was") && !text.contains("popup") && !text.contains("days left"), "{text}");
    wait::until_true("the key", SOON, || rig.status()["keys"][0]["issued_source"] == "file");
    assert!(!rig.config().exists());
    assert_eq!(desktop.notifications().len(), 0);
}

#[test]
fn each_answer_has_a_flag() {
    let rig = Rig::new(3);
    let output = rig.install(&["--issued", "25 days ago", "--consumer", "credd-no-such --config x.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
    let key = rig.status()["keys"][0].clone();
    assert_eq!((&key["issued_source"], &key["state"]), (&Value::from("declared"), &Value::from("due")));
    let text = fs::read_to_string(rig.config()).unwrap();
    assert!(text.ends_with("match = [\"credd-no-such\", \"--config\", \"x.yaml\"]\n"), "{text}");
    assert_eq!(rig.status()["consumers"][0]["state"], "absent");
    // What the file says already isn't said a second time.
    let output = rig.install(&["--no-consumer"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("names consumers already"), "{}", said(&output));
    assert_eq!(fs::read_to_string(rig.config()).unwrap(), text);
}

#[test]
fn yes_takes_what_is_offered_and_proves_a_popup() {
    let desktop = Desktop::start();
    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), 3);
    let output = rig.install(&["-y", "--no-consumer"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("A test popup was shown") && text.contains("27 days left"), "{text}");
    desktop.wait_until_shown(|popup| popup.app == "credd", SOON);
    // Nobody has said more than the file does.
    assert_eq!(rig.status()["keys"][0]["issued_source"], "file");
    assert_eq!(rig.status()["consumers"], Value::Array(Vec::new()));

    let rig = Rig::in_home(Home::new().on_bus(&desktop.bus()), 3);
    let text = said(&rig.install(&["--yes", "--no-popup"]));
    assert!(text.contains("27 days left") && !text.contains("popup"), "{text}");
    assert_eq!(desktop.notifications().len(), 1);
}

#[test]
fn a_wrong_answer_changes_nothing() {
    let rig = Rig::new(3);
    for (args, why) in [
        (&["--issued", "soon"][..], "is not a date"),
        (&["--issued", "in 3 days"], "is not a date"),
        (&["--issued", "2999-01-01"], "in the future"),
        (&["--consumer", " "], "names no word"),
        (&["--consumer", "x", "--no-consumer"], "cannot be used with"),
    ] {
        let output = rig.install(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(why), "{args:?}: {}", said(&output));
        rig.is_untouched();
    }
    rig.home.write_config("[[keys]]\nname = \"a\"\n[[keys]]\nname = \"b\"\nenv_file = \"~/b\"\n");
    let output = rig.install(&["--issued", "yesterday"]);
    assert!(said(&output).contains("--issued a=2026-10-28"), "{}", said(&output));
    // Nor does a dry run, whatever it is told.
    let output = rig.install(&["--dry-run", "--issued", "a=yesterday", "--no-consumer"]);
    assert!(output.status.success() && said(&output).contains("Would write"), "{}", said(&output));
    assert!(!rig.unit().exists());
    assert!(rig.install(&["--issued", "a=yesterday"]).status.success());
    assert_eq!(rig.status()["keys"][0]["issued_source"], "declared");
}

#[test]
fn what_is_not_ours_is_told_before_anything_is_written() {
    let rig = Rig::new(3);
    fs::create_dir_all(rig.unit().parent().unwrap()).unwrap();
    fs::write(rig.unit(), "[Service]\n").unwrap();
    let output = rig.install(&["--consumer", "x y"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("not written by credd") && !rig.config().exists(), "{}", said(&output));
}

/// As where systemd isn't the first process: what was said of the key isn't lost with it.
#[test]
fn where_no_service_can_be_installed_the_date_is_kept_or_its_command_told() {
    let rig = Rig::new(3);
    fs::write(rig.home.path().join("bin/systemctl"), "#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n").unwrap();
    let output = rig.install(&["--issued", "2025-10-28"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("record the date with: credd issued bedrock 2025-10-28"), "{}", said(&output));

    let daemon = Daemon::start(CREDD, &rig.home);
    let output = rig.install(&["--issued", "2025-10-28"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("bedrock: issued 28 October 2025, expired 27 November 2025") && !text.contains("record the date"), "{text}");
    daemon.until("the date", SOON, |status| status["keys"][0]["issued_source"] == "declared");
}

#[test]
fn the_help_names_the_flags() {
    let text = said(&std::process::Command::new(CREDD).args(["install", "--help"]).output().unwrap());
    for flag in ["--issued <WHEN>", "--consumer <WORDS>", "--no-consumer", "--no-popup", "-y, --yes", "on a terminal"] {
        assert!(text.contains(flag), "{flag}: {text}");
    }
}
