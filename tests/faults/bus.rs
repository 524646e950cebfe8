//! A session bus that stops in the middle of a call, or goes away and comes back.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{CREDD, QUIET, key, no_problem, one_problem, put};
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::{run, wait};

/// A bus that can be stopped and ended.
struct Bus {
    dir: TempDir,
    process: Child,
}

impl Bus {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("credd-bus-").tempdir().unwrap();
        // No service is started on demand: Debian's dunst would come up by itself.
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
             <listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n",
            dir.path().join("bus").display()
        );
        fs::write(dir.path().join("bus.conf"), config).unwrap();
        let process = Self::spawn(&dir);
        Self { dir, process }
    }

    fn spawn(dir: &TempDir) -> Child {
        let path = dir.path().join("bus");
        let _ = fs::remove_file(&path);
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", dir.path().join("bus.conf").display())).args(["--nofork", "--nopidfile"]);
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("dbus-daemon: run tests/setup --only desktop");
        wait::until_true("the bus", SOON, || path.exists());
        process
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.dir.path().join("bus").display())
    }

    fn signal(&self, signal: &str) {
        run(Command::new("kill").args([signal, &self.process.id().to_string()]));
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn come_back(&mut self) {
        self.process = Self::spawn(&self.dir);
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A home with two keys, the first of which is due.
fn home(bus: &Bus) -> (Home, [PathBuf; 2]) {
    let home = Home::new().on_bus(&bus.address());
    let mut config = QUIET.replace("desktop = false", "desktop = true");
    for name in ["first", "second"] {
        let _ = writeln!(config, "[[keys]]\nname = \"{name}\"\nenv_file = \"~/{name}.env\"\nprobe = \"off\"");
    }
    home.write_config(&config);
    let files = ["first.env", "second.env"].map(|name| home.path().join(name));
    put(&files[0], &key("first"), 26);
    put(&files[1], &key("second"), 1);
    (home, files)
}

fn is_told(status: &Value, key: usize) -> bool {
    let sent = status["keys"][key]["alerts_sent"].as_array().unwrap();
    sent.len() == 1 && sent[0]["reason"] == "day-25" && sent[0]["delivered"] == true
}

/// The numbers that the server has given to popups about a key.
fn numbers(desktop: &Desktop, name: &str) -> Vec<u32> {
    let popups = desktop.notifications().into_iter().filter(|popup| popup.summary.starts_with(name));
    let mut numbers: Vec<u32> = popups.filter_map(|popup| popup.id).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Nothing that the daemon is asked waits for the bus.
fn answers(daemon: &Daemon<'_>) {
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(daemon.status()["live"], true);
        assert!(begun.elapsed() < Duration::from_secs(3), "status waits for the bus");
    }
}

#[test]
fn stopped_in_the_middle_of_a_call() {
    let bus = Bus::start();
    let desktop = Desktop::start_on(&bus.address());
    let (home, _) = home(&bus);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the first alert", SOON, |status| is_told(status, 0));

    // Its connection is open, for the popup that is up: this call is sent, and nobody takes it.
    bus.signal("-STOP");
    daemon.ok(&["issued", "second", "26 days ago"]);
    answers(&daemon);
    one_problem(&daemon, "notifications-unavailable");
    answers(&daemon);
    bus.signal("-CONT");
    daemon.until("the second alert", Duration::from_mins(2), |status| is_told(status, 1));
    no_problem(&daemon, SOON);
    for name in ["first", "second"] {
        assert_eq!(numbers(&desktop, name).len(), 1, "one popup, however often it was sent: {:#?}", desktop.notifications());
    }
    assert_eq!(run(desktop.command("dunstctl").args(["count", "displayed"])).trim(), "2");
}

#[test]
fn gone_and_back() {
    let mut bus = Bus::start();
    let (home, _) = home(&bus);
    let daemon = {
        let desktop = Desktop::start_on(&bus.address());
        let daemon = Daemon::start(CREDD, &home);
        daemon.until("the first alert", SOON, |status| is_told(status, 0));
        assert_eq!(numbers(&desktop, "first").len(), 1);
        bus.end();
        daemon.ok(&["issued", "second", "26 days ago"]);
        one_problem(&daemon, "notifications-unavailable");
        answers(&daemon);
        daemon
    };
    bus.come_back();
    let desktop = Desktop::start_on(&bus.address());
    daemon.until("the second alert", Duration::from_mins(2), |status| is_told(status, 1));
    no_problem(&daemon, SOON);
    let popups: Vec<_> = desktop.notifications().into_iter().map(|popup| popup.summary).collect();
    assert_eq!(popups, ["second: key expires in 4 days"], "once, and the first not again");
}
