//! Processes that were started with a key that has been replaced since.

use crate::rig::{Rig, Running, VARIABLE};
use crate::support::daemon::SOON;
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
    let findings = crate::rig::Findings::of(&rig.output(command));
    let (_, message, fix) = findings.one("old-key-in-process");
    assert!(message.starts_with("this very shell still has the old key bedrock"), "{message}");
    assert_eq!(fix, "source ~/.backlog-toolkit-env, or open a new terminal");
}
