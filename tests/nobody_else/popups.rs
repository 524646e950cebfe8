//! Signals about popups, which any client of the bus can send: from anybody but the notification server they do nothing
//! at all, and from the server they open a page or quiet reminders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::light::Light;
use crate::support::{run, wait};
use crate::{CREDD, KEY};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Sends a signal as a client that is nobody in particular; to all, or to one.
fn forge(desktop: &Desktop, to: Option<&str>, member: &str, rest: &[&str]) {
    let mut busctl = Command::new("busctl");
    busctl.arg(format!("--address={}", desktop.bus())).arg("emit");
    if let Some(name) = to {
        busctl.arg(format!("--destination={name}"));
    }
    run(busctl.args([PATH, NAME, member]).args(rest));
}

/// The unique names of a process's connections.
fn connections(desktop: &Desktop, pid: u32) -> Vec<String> {
    let list = run(Command::new("busctl").arg(format!("--address={}", desktop.bus())).args(["list", "--unique", "--no-legend"]));
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        (words.next()? == pid.to_string()).then_some(name)
    };
    list.lines().filter_map(of).collect()
}

#[test]
fn do_nothing_but_open_a_page_or_snooze() {
    let desktop = Desktop::start();
    let home = Home::new().on_bus(&desktop.bus());
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("xdg-open"), "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$HOME/opened\"\n").unwrap();
    fs::set_permissions(bin.join("xdg-open"), fs::Permissions::from_mode(0o755)).unwrap();
    let light = Light::start(&home, &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("LITELLM_MASTER_KEY", "sk-master")]);
    home.write_config(&light.consumer());
    home.set_key(KEY);
    run(Command::new("touch").args(["-d", "26 days ago"]).arg(home.env_file()));
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default()));
    });
    let due = desktop.wait_until_shown(|popup| popup.actions.iter().any(|(key, _)| key == "renew"), SOON);
    let id = due.id.unwrap();
    let status = daemon.until("LiteLLM and the delivery", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["keys"][0]["alerts_sent"][0]["delivered"] == true
    });
    let (file, processes, history) = (fs::read(home.env_file()).unwrap(), light.pids(), daemon.ok(&["history", "--json"]));
    let names = connections(&desktop, daemon.pid());
    assert!(!names.is_empty(), "the daemon is on the bus while its popup is up");

    let ids = [id, 0, id + 1, u32::MAX].map(|id| id.to_string());
    let to: Vec<Option<&str>> = std::iter::once(None).chain(names.iter().map(|name| Some(name.as_str()))).collect();
    for to in to {
        for id in &ids {
            for key in ["renew", "tomorrow", "default", "apply", "", "../../x", "renew; rm -rf ~", "\u{1b}[31m"] {
                forge(&desktop, to, "ActionInvoked", &["us", id, key]);
            }
            forge(&desktop, to, "ActivationToken", &["us", id, "token"]);
            forge(&desktop, to, "NotificationClosed", &["uu", id, "2"]);
        }
        // Of other types than they have.
        forge(&desktop, to, "ActionInvoked", &["s", "renew"]);
        forge(&desktop, to, "ActionInvoked", &["as", "1", "renew"]);
        forge(&desktop, to, "NotificationClosed", &[]);
    }
    // What the server says comes after all that, and in order: once it has taken effect, so would the forgeries have.
    desktop.invoke_action(id, "renew");
    let opened = || fs::read_to_string(home.path().join("opened")).unwrap_or_default();
    wait::until_true("the page", SOON, || opened().ends_with('\n'));
    assert_eq!(opened(), "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/api-keys\n");
    let after = daemon.status();
    assert_eq!(after["keys"][0]["snoozed_until"], serde_json::Value::Null);
    for part in ["state", "fingerprint", "alerts_sent", "issued_at"] {
        assert_eq!(after["keys"][0][part], status["keys"][0][part], "{part}");
    }
    assert_eq!(after["consumers"], status["consumers"]);
    assert_eq!((fs::read(home.env_file()).unwrap(), light.pids()), (file.clone(), processes.clone()));
    assert_eq!(daemon.ok(&["history", "--json"]), history);

    // The other thing that the server can have done.
    run(daemon.command().args(["snooze", "bedrock", "--clear"]));
    if !desktop.closed().iter().any(|(closed, _)| *closed == id) {
        desktop.invoke_action(id, "tomorrow");
        daemon.until("the snooze", SOON, |status| !status["keys"][0]["snoozed_until"].is_null());
    }
    assert_eq!((fs::read(home.env_file()).unwrap(), light.pids()), (file, processes));
    assert_eq!(opened().lines().count(), 1);
}
