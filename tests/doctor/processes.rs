//! Processes that were started with a key that has been replaced since.

use crate::rig::{CREDD, Findings, Rig, Running, VARIABLE};
use crate::support::daemon::{Daemon, SOON};
use crate::support::wait;

#[test]
fn a_process_with_the_old_key_is_named() {
    let rig = Rig::new("process");
    let _daemon = rig.replaced();
    let with = |key: &str| Running::start(rig.home.command("sleep").arg("300").env("SOME_KEY", format!("Bearer {key}")));
    let (old, _new) = (with(&rig.old), with(&rig.new));
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("old-key-in-process");
    assert_eq!(severity, "warning");
    assert!(message.starts_with(&format!("sleep (process {}) still has the old key bedrock (replaced today ", old.pid())), "{message}");
    assert!(fix.contains("sourced ~/.backlog-toolkit-env"), "{fix}");
    // Revoking it would cost that process its key.
    let (severity, _, fix) = findings.one("old-key-not-revoked");
    assert_eq!(severity, "warning");
    assert!(fix.contains("one process"), "{fix}");
    assert_eq!(findings.code, 1);
    drop(old);
    assert_eq!(rig.findings().codes(), ["old-key-not-revoked"]);
}

#[test]
fn a_family_of_processes_is_one_finding() {
    let rig = Rig::new("family");
    let _daemon = rig.replaced();
    let shell = Running::start(rig.home.command("sh").args(["-c", "sleep 300 & sleep 300 & wait"]).env(VARIABLE, &rig.old));
    let expected = format!("sh (process {}) and 2 processes below it still have the old key", shell.pid());
    wait::until_true("both processes below it", SOON, || {
        let findings = rig.findings();
        let (_, message, fix) = findings.one("old-key-in-process");
        fix.contains("new terminal") && message.starts_with(&expected)
    });
    // They would outlive it.
    std::process::Command::new("pkill").arg("-P").arg(shell.pid().to_string()).status().unwrap();
}

#[test]
fn the_shell_that_asks_is_told_of_itself() {
    let rig = Rig::new("here");
    let _daemon = rig.replaced();
    let mut command = rig.command(&["--json"]);
    command.env(VARIABLE, &rig.old);
    let findings = Findings::of(&rig.output(command));
    let (_, message, fix) = findings.one("old-key-in-process");
    assert!(message.starts_with("this very shell still has the old key bedrock"), "{message}");
    assert_eq!(fix, "source ~/.backlog-toolkit-env, or open a new terminal");
}

#[test]
fn a_consumer_s_directory_is_searched_and_it_is_told_of_once() {
    let rig = Rig::new("consumer");
    let argument = format!("300.{}", std::process::id());
    rig.home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[consumers]]\nname = \"idler\"\nmatch = [\"sleep\", \"{argument}\"]\nrestart = \"none\"\n"
    ));
    rig.home.set_key(&rig.old);
    let deep = rig.write("far/too/deep/down/.env", &format!("KEY={}\n", rig.old));
    let dir = deep.parent().unwrap();
    let _consumer = Running::start(rig.home.command("sleep").arg(&argument).current_dir(dir).env(VARIABLE, &rig.old));
    let daemon = Daemon::start(CREDD, &rig.home);
    daemon.until("the consumer", SOON, |status| status["consumers"][0]["state"] == "current");
    rig.home.set_key(&rig.new);
    daemon.until("the consumer to be out of date", SOON, |status| {
        status["consumers"][0]["state"] == "stale" && status["keys"][0]["former"].is_array()
    });
    let findings = rig.findings();
    let mut codes = findings.codes();
    codes.sort_unstable();
    assert_eq!(codes, ["old-key-in-file", "old-key-not-revoked", "stale-consumer"], "{:#?}", findings.all);
    assert!(findings.one("old-key-in-file").1.starts_with("~/far/too/deep/down/.env:1 "));
    assert_eq!(findings.one("old-key-not-revoked").2, "keep it until idler has the new one");
}
