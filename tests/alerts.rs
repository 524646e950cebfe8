//! Alerts from the whole daemon, on a real bus with a real notification server.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::{Daemon, SOON};
use support::desktop::Desktop;
use support::home::Home;
use support::{run, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";
const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQ=";

/// A home with a key of so many days, and a configuration that looks after no LiteLLM.
fn home(desktop: &Desktop, days: u32, config: &str) -> Home {
    let home = Home::new().on_bus(&desktop.bus());
    home.write_config(&format!("consumers = []\n{config}"));
    home.set_key(KEY);
    run(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(home.env_file()));
    home
}

fn alerts(status: &Value) -> Vec<(&str, bool)> {
    let alerts = status["keys"][0]["alerts_sent"].as_array().unwrap();
    alerts.iter().map(|alert| (alert["reason"].as_str().unwrap(), alert["delivered"] == true)).collect()
}

#[test]
fn is_sent_once_whatever_happens_to_the_daemon() {
    let desktop = Desktop::start();
    let home = home(&desktop, 26, "");
    for _ in 0..3 {
        let mut daemon = Daemon::start(CREDD, &home);
        let status = daemon.until("the delivery", SOON, |status| alerts(status) == [("day-25", true)]);
        assert_eq!(status["keys"][0]["state"], "due");
        daemon.kill();
    }
    assert_eq!(desktop.notifications().len(), 1);
    // The popup of a daemon that is gone is closed by the next one, once there is a new key.
    let popup = desktop.notifications()[0].id.unwrap();
    home.set_key(OTHER);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the new key", SOON, |status| status["keys"][0]["state"] == "ok");
    wait::until_true("the old popup to be closed", SOON, || desktop.close_calls().contains(&popup));
    assert_eq!(desktop.notifications().len(), 1);
}

#[test]
fn several_missed_ones_are_one_and_the_end_is_urgent() {
    let desktop = Desktop::start();
    let home = home(&desktop, 31, "[alerts]\ndays = [10, 20, 25]\n");
    let daemon = Daemon::start(CREDD, &home);
    let popup = desktop.wait_until_shown(|_| true, SOON);
    assert_eq!((popup.summary.as_str(), popup.urgency), ("bedrock: key has expired", Some(2)));
    daemon.until("the delivery", SOON, |status| alerts(status) == [("expired", true)]);
    // A date that puts it back into its life: what the popup says is no longer true.
    daemon.ok(&["issued", "bedrock", "26 days ago"]);
    desktop.wait_until_closed(popup.id.unwrap(), SOON);
    assert_eq!(alerts(&daemon.status()), [("day-25", true)], "that was told with it");
    assert_eq!(daemon.status()["keys"][0]["state"], "due");
}

#[test]
fn reminders_replace_each_other_until_tomorrow_is_chosen() {
    let desktop = Desktop::start();
    let home = home(&desktop, 26, "[alerts]\nremind = \"*/2 * * * * *\"\n");
    let daemon = Daemon::start(CREDD, &home);
    let first = desktop.wait_until_shown(|_| true, SOON);
    wait::until_true("two reminders", SOON, || desktop.notifications().len() >= 3);
    let shown = desktop.notifications();
    assert!(shown.iter().all(|popup| popup.id.is_none_or(|id| Some(id) == first.id)), "each replaces the one before");
    desktop.invoke_action(first.id.unwrap(), "tomorrow");
    let status = daemon.until("the quiet", SOON, |status| status["keys"][0]["snoozed_until"] != Value::Null);
    let until: jiff::Timestamp = status["keys"][0]["snoozed_until"].as_str().unwrap().parse().unwrap();
    let hours = until.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((0..48).contains(&hours), "{until}");
    let before = desktop.notifications().len();
    wait::throughout("quiet", Duration::from_secs(5), || desktop.notifications().len() <= before + 1);
}

#[test]
fn the_button_opens_the_console_page_and_nothing_else() {
    let desktop = Desktop::start();
    let home = home(&desktop, 26, "[[keys]]\nregion = \"eu-west-3\"\n");
    // Stands in for the browser, at the outermost edge.
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("xdg-open"), "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$HOME/opened\"\n").unwrap();
    fs::set_permissions(bin.join("xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let _daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env("PATH", &path);
    });
    let popup = desktop.wait_until_shown(|_| true, SOON);
    desktop.invoke_action(popup.id.unwrap(), "renew");
    let opened = wait::until("the page", SOON, || fs::read_to_string(home.path().join("opened")).ok().filter(|text| text.ends_with('\n')));
    assert_eq!(opened, "https://eu-west-3.console.aws.amazon.com/bedrock/home?region=eu-west-3#/api-keys\n");
}

#[test]
fn waits_for_a_notification_service_and_never_for_a_hung_one() {
    let desktop = Desktop::start_without_server();
    let home = home(&desktop, 26, "");
    let mut daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the failure", SOON, |status| status["problems"].to_string().contains("notifications-unavailable"));
    assert_eq!(alerts(&status), [("day-25", false)]);
    desktop.start_server();
    daemon.until("the delivery", SOON, |status| alerts(status) == [("day-25", true)]);
    let status = daemon.until("the problem to go", SOON, |status| status["problems"] == json!([]));
    assert_eq!(status["keys"][0]["state"], "due");

    desktop.freeze_server();
    daemon.ok(&["issued", "bedrock", "31 days ago"]);
    wait::until_true("the call to be made", SOON, || desktop.notifications().iter().any(|popup| popup.summary.contains("expired")));
    for _ in 0..20 {
        let start = std::time::Instant::now();
        assert_eq!(daemon.status()["live"], true);
        assert!(start.elapsed() < Duration::from_secs(3), "status waits for the notification server");
    }
    desktop.thaw_server();
    daemon.until("the delivery", Duration::from_mins(1), |status| alerts(status).contains(&("expired", true)));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_command_that_fails_is_told_of_whatever_the_desktop_does() {
    let desktop = Desktop::start();
    let home = home(&desktop, 26, "[alerts]\ncommand = [\"sh\", \"-c\", \"echo >> ~/tries; test -e ~/mended || exit 7\"]\n");
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the delivery", SOON, |status| alerts(status) == [("day-25", true)]);
    wait::until_true("three tries", SOON, || fs::read_to_string(home.path().join("tries")).is_ok_and(|tries| tries.lines().count() > 2));
    let failed = |status: &Value| status["problems"][0]["code"] == "alert-command-failed";
    let status = daemon.until("the failure", SOON, |status| failed(status));
    let message = status["problems"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the alert command failed (sh ended with exit code 7); it is ") && message.contains("tried again"),
        "{message}"
    );
    let history = daemon.ok(&["history", "--json"]);
    assert_eq!(history.matches("alert-command-failed").count(), 1, "one line for all tries: {history}");
    fs::write(home.path().join("mended"), "").unwrap();
    daemon.until("the problem to go", Duration::from_mins(1), |status| status["problems"] == json!([]));
}
