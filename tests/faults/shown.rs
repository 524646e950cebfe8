//! What could steer a terminal, planted wherever text comes from outside, and looked for wherever text is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use serde_json::Value;

use crate::rig::{CREDD, home};
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::run;

/// Colours, a title (OSC, with BEL and with ST), C1's own CSI, a carriage return, DEL, and characters that turn the direction of
/// writing.
const EVIL: &str = "e\u{1b}[31mv\u{1b}]0;t\u{7}\u{1b}]8;;x\u{1b}\\i\u{9b}2J\r\u{7f}\u{8}l\u{202e}\u{2066}\u{200f}\u{61c}";

/// Whether a character is one of those, by the ranges that the standards give (not by the program's own).
fn steers(c: char) -> bool {
    let (control, bidi) = ([0..=0x1f, 0x7f..=0x9f], [0x61c..=0x61c, 0x200e..=0x200f, 0x2028..=0x202e, 0x2066..=0x2069]);
    control.iter().chain(&bidi).any(|range| range.contains(&u32::from(c)))
}

/// Asserts that nothing of it is there; a newline ends a line.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    if let Some(found) = text.chars().find(|c| *c != '\n' && steers(*c)) {
        let line = text.lines().find(|line| line.chars().any(steers)).unwrap_or_default();
        panic!("{what} shows {found:?}: {line:?}");
    }
}

#[track_caller]
fn all_of(what: &str, output: &Output) -> String {
    assert!(output.status.code().is_some(), "{what}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    is_harmless(what, &text);
    text
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "/.-_ ".contains(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    format!("\"{escaped}\"")
}

/// A key whose user's name steers.
fn key() -> String {
    let text = format!("BedrockAPIKey-{EVIL}-at-123456789012:planted-secret");
    format!("ABSK{}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// A consumer's process, under a name and with an argument that steer.
struct Consumer(std::process::Child);

impl Consumer {
    fn start(home: &Home) -> Self {
        let mut command = home.command("bash");
        let line = "exec -a credd-shown-consumer \"$@\"";
        command.args(["-c", line, "bash", "tail", "-f", "/dev/null"]).arg(home.path().join(EVIL));
        let old = key().replace("ABSK", "ABSKAAAA");
        Self(command.env("AWS_BEARER_TOKEN_BEDROCK", old).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nothing_shown_steers_a_terminal() {
    let desktop = Desktop::start();
    let bedrock = BedrockStandIn::start([key()]);
    let home = Home::new().on_bus(&desktop.bus()).asking(&bedrock.url());
    let dir = home.path().join(format!("{EVIL}\n{EVIL}"));
    fs::create_dir(&dir).unwrap();
    let at = |name: &str| dir.join(format!("{EVIL}\n{name}"));
    let script = home.path().join("restart");
    fs::write(&script, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" '{EVIL}' >&2\nexit 3\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let file = |name: &str| quoted(at(name).to_str().unwrap());
    let config = format!(
        "[alerts]\ncommand = [{command}, {evil}]\n\
         [[keys]]\nname = \"due\"\nenv_file = {due}\n\
         [[keys]]\nname = \"dynamic\"\nenv_file = {dynamic}\n[[keys]]\nname = \"missing\"\nenv_file = {missing}\n\
         [[keys]]\nname = \"odd\"\nenv_file = {odd}\n[[keys]]\nname = \"twice\"\nvariable = \"TWICE\"\nenv_file = {due}\nprobe = \"off\"\n\
         [[consumers]]\nname = \"consumer\"\nmatch = [\"credd-shown-consumer\", {argument}]\nrestart = \"command\"\nverify = \"none\"\n\
         command = [{script}, {evil}]\nready_timeout = \"1s\"\nstop_timeout = \"1s\"\n",
        command = quoted(home.path().join(EVIL).to_str().unwrap()),
        evil = quoted(EVIL),
        due = file("due"),
        dynamic = file("dynamic"),
        missing = file("missing"),
        odd = file("odd"),
        argument = quoted(home.path().join(EVIL).to_str().unwrap()),
        script = quoted(script.to_str().unwrap()),
    );
    home.write_config(&config);
    fs::write(home.path().join(EVIL), "").unwrap();
    let put = |name: &str, text: String| fs::write(at(name), text).unwrap();
    put("due", format!("# {EVIL}\nexport AWS_BEARER_TOKEN_BEDROCK='{}'\nexport TWICE='{}'\nTWICE='a\u{1b}b'\n", key(), key()));
    // A value that has just come is asked about for a minute.
    run(Command::new("touch").args(["-d", "2 days ago"]).arg(at("due")));
    put("dynamic", format!("export AWS_BEARER_TOKEN_BEDROCK=\"$({EVIL} \u{202e})\"\n. '{EVIL}'\n"));
    fs::create_dir(at("odd")).unwrap();
    let consumer = Consumer::start(&home);
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env("CREDD_LOG", "trace");
    });
    daemon.until("the keys", SOON, |status| {
        let states: Vec<_> = status["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
        states == ["ok", "dynamic", "missing", "unreadable", "ok"]
    });
    // An alert, a rejection in words of the issuer's, and a restart that fails with output.
    daemon.ok(&["issued", "due", "26 days ago"]);
    desktop.wait_for_notification(|popup| popup.app == "credd", SOON);
    let applied = all_of("credd apply", &daemon.credd(&["apply", "consumer", "--force"]));
    println!("{applied}{}", daemon.status()["consumers"]);
    bedrock.refuse(&key(), &format!("Authentication failed: {EVIL}"));
    let _ = daemon.credd(&["verify", "due"]);
    let shown = daemon.until("the rejection", SOON * 2, |status| status["keys"][0]["state"] == "rejected");
    let planted = shown.to_string();
    assert!(planted.contains("\\u001b") && shown["keys"][0]["env_file"].as_str().unwrap().contains(EVIL), "nothing was planted: {planted}");

    let socket = home.path().join(EVIL).join(EVIL);
    let socket = socket.to_str().unwrap();
    let mut all = String::new();
    for args in [
        &["status"][..],
        &["status", "--all"],
        &["status", "--json"],
        &["status", "--short"],
        &["status", "due"],
        &["status", "due", "--json"],
        &["status", EVIL],
        &["check"],
        &["check", EVIL],
        &["explain"],
        &["explain", EVIL],
        &["history"],
        &["history", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["verify"],
        &["verify", "--json"],
        &["verify", "due"],
        &["verify", EVIL],
        &["apply", EVIL],
        &["issued", EVIL, "today"],
        &["issued", "due", EVIL],
        &["snooze", EVIL],
        &["snooze", "due", EVIL],
        &["renew", EVIL],
        &["renew", "due", "--stdin", "--no-browser"],
        &["renew", "odd", "--stdin", "--no-browser"],
        &["config"],
        &["config", "--check"],
        &["config", "--print"],
        &["install", "--dry-run"],
        &["uninstall", "--dry-run"],
        &["--socket", socket, "status"],
        &["--socket", socket, "issued", "due", "today"],
        &["--config", socket, "status"],
        &["--config", socket, "config", "--check"],
        &["--state-dir", socket, "run"],
        &["--state-dir", socket, "--socket", "/nowhere/x", "status"],
        &[EVIL],
        &["status", "--frob", EVIL],
    ] {
        all += &all_of(&format!("credd {args:?}"), &daemon.credd(args));
    }
    for said in ["Bedrock refuses it", "doesn't exist", "is a directory", "unrecognized subcommand"] {
        assert!(all.contains(said), "{said:?} is not in {all}");
    }
    is_harmless("the log", &daemon.log());
    for popup in desktop.notifications() {
        for text in [&popup.app, &popup.icon, &popup.summary, &popup.body] {
            is_harmless("a popup", text);
        }
        is_harmless("a popup's hints", &popup.hints["x-dunst-stack-tag"]["data"].to_string());
    }
    // Without the daemon, too.
    drop(daemon);
    for args in [&["status"][..], &["status", "--json"], &["check"], &["explain"], &["history", "--json"], &["doctor", "--json"]] {
        all_of(&format!("credd {args:?} alone"), &home.command(CREDD).args(args).stdin(Stdio::null()).output().unwrap());
    }
    drop(consumer);
}

#[test]
fn an_error_in_the_configuration_shows_the_line_and_no_more() {
    for wrong in [
        format!("{EVIL} = 1\n"),
        format!("[alerts]\nremind = {}\n", quoted(EVIL)),
        format!("[[keys]]\nregion = {}\n", quoted(EVIL)),
        format!("# {EVIL}\nx = '{EVIL}'\n"),
    ] {
        let home = home();
        let daemon = Daemon::start(CREDD, &home);
        home.write_config(&wrong);
        let status = daemon.until("the problem", SOON, |status| status["problems"].to_string().contains("config-invalid"));
        assert_ne!(status["problems"][0]["message"], Value::Null);
        for args in [&["status"][..], &["status", "--json"], &["config", "--check"], &["config"], &["run"], &["history"]] {
            all_of(&format!("credd {args:?} of {wrong:?}"), &daemon.credd(args));
        }
        is_harmless("the log", &daemon.log());
    }
}

/// On a terminal, where colours are credd's own.
#[test]
fn the_path_of_the_configuration_is_exact_for_programs_and_plain_for_people() {
    let home = home();
    let path = home.path().join(EVIL);
    fs::write(&path, "").unwrap();
    let output = home.command(CREDD).arg("--config").arg(&path).args(["config", "--path"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end_matches('\n'), path.to_str().unwrap());
    let record = home.path().join("typescript");
    let line = format!("'{CREDD}' --config \"$CONFIG\" config --path");
    let recorded = home.command("script").args(["-qec", &line]).arg(&record).env("CONFIG", &path).stdin(Stdio::null()).output().unwrap();
    assert!(recorded.status.success());
    let shown = String::from_utf8_lossy(&recorded.stdout).replace("\r\n", "\n");
    assert!(shown.contains("credd-"), "{shown:?}");
    is_harmless("credd config --path on a terminal", &shown);
}
