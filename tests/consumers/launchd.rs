//! `restart = "launchd"`, against a stand-in for `launchctl` (`tests/data/launchctl`): the real one is on macOS alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use credd::config::Restart;
use credd::core::{ApplyReport, Outcome};

use crate::rig::{NEW, OLD, Rig, VARIABLE, until};

const LAUNCHCTL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/launchctl");
const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake-litellm/litellm");

/// A consumer that is the agent `local.litellm`; `start` is its shell line, with variables of its own.
fn agent(start: &str, variables: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new();
    let path = std::env::join_paths([Path::new(LAUNCHCTL), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    rig.environ = vec![("PATH", path.clone()), ("LAUNCHCTL_STATE", rig.path("").into())];
    rig.config.restart = Restart::Launchd;
    rig.config.unit = Some("local.litellm".to_owned());
    rig.config.pid_file = None;
    let behaviour = rig.path("behaviour");
    let line = format!("{start}exec python3 {FAKE} --config {} --port {}", rig.path("config.yaml").display(), rig.port);
    let own = [("LITELLM_MASTER_KEY", "sk-master"), ("FAKE_BEHAVIOUR", behaviour.to_str().unwrap())];
    let entry = |(name, value): &(&str, &str)| format!("        <key>{name}</key>\n        <string>{value}</string>\n");
    let variables = own.iter().chain(variables).map(entry).collect::<Vec<_>>().concat();
    let plist = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n    <key>Label</key><string>local.litellm</string>\n    \
         <key>ProgramArguments</key>\n    <array><string>/bin/bash</string><string>-c</string><string>{}</string></array>\n    \
         <!-- mine -->\n    <key>EnvironmentVariables</key>\n    <dict>\n{variables}    </dict>\n</dict>\n</plist>\n",
        line.replace('&', "&amp;"),
    );
    let file = rig.path("local.litellm.plist");
    fs::write(&file, plist).unwrap();
    let mut bootstrap = Command::new(format!("{LAUNCHCTL}/launchctl"));
    bootstrap.args(["bootstrap", &domain(), file.to_str().unwrap()]).env("LAUNCHCTL_STATE", rig.path("")).env("PATH", path);
    assert!(bootstrap.status().unwrap().success());
    until("the stand-in serves", || rig.serves());
    fs::remove_file(rig.path("calls")).unwrap();
    rig
}

fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn apply(rig: &Rig, outcome: Outcome) -> ApplyReport {
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, outcome, "{}", report.detail);
    report
}

#[test]
fn a_key_in_the_property_list_is_replaced_there() {
    let rig = agent("", &[(VARIABLE, OLD), ("AWS_REGION", "us-east-1")]);
    let plist = rig.path("local.litellm.plist");
    let before = fs::read_to_string(&plist).unwrap();
    let report = apply(&rig, Outcome::Applied);
    assert!(report.detail.contains("proven by a completion of cheap"), "{}", report.detail);
    assert_eq!(rig.keys(), [NEW]);
    assert_eq!(fs::read_to_string(&plist).unwrap(), before.replace(OLD, NEW).replace("us-east-1", "eu-west-1"));
    assert_eq!(fs::metadata(&plist).unwrap().permissions().mode() & 0o777, 0o600);
    let calls = fs::read_to_string(rig.path("calls")).unwrap();
    let (domain, plist) = (domain(), plist.display());
    let mut lines: Vec<&str> = calls.lines().collect();
    lines.dedup();
    let expected =
        [format!("print {domain}/local.litellm"), format!("bootout {domain}/local.litellm"), format!("bootstrap {domain} {plist}")];
    assert_eq!(lines, expected);
    assert!(!calls.contains(NEW));
}

#[test]
fn a_bad_key_is_taken_out_of_it_again() {
    let rig = agent("", &[(VARIABLE, OLD)]);
    let before = fs::read_to_string(rig.path("local.litellm.plist")).unwrap();
    rig.behave(&[(NEW, &["refused"])]);
    let report = apply(&rig, Outcome::RolledBack);
    assert!(report.detail.contains("runs with its old key again") && report.detail.contains("HTTP 403"), "{}", report.detail);
    assert_eq!(rig.keys(), [OLD]);
    assert!(rig.serves());
    assert_eq!(fs::read_to_string(rig.path("local.litellm.plist")).unwrap(), before);
}

#[test]
fn an_agent_that_sources_the_file_is_only_restarted() {
    let rig = agent(". ./env; ", &[]);
    // It was started with the old one.
    rig.write_key(OLD);
    let mut kickstart = Command::new(format!("{LAUNCHCTL}/launchctl"));
    kickstart.args(["kickstart", "-k", &format!("{}/local.litellm", domain())]);
    kickstart.env("LAUNCHCTL_STATE", rig.path(""));
    assert!(kickstart.status().unwrap().success());
    until("it has the old key", || rig.keys() == [OLD] && rig.serves());
    rig.write_key(NEW);
    apply(&rig, Outcome::Applied);
    assert_eq!(rig.keys(), [NEW]);
    let calls = fs::read_to_string(rig.path("calls")).unwrap();
    assert!(calls.ends_with(&format!("kickstart -k {}/local.litellm\n", domain())) && !calls.contains("bootout"), "{calls}");
}

#[test]
fn an_agent_without_the_key_is_told_where_to_put_it() {
    let mut rig = agent("", &[]);
    rig.config.ready_timeout = Duration::from_secs(2);
    let report = apply(&rig, Outcome::RolledBack);
    assert!(report.detail.contains("doesn't get its key: give it one in EnvironmentVariables of"), "{}", report.detail);
    assert!(rig.serves());
}

#[test]
fn an_agent_that_is_not_there_is_not_touched() {
    let mut rig = agent("", &[(VARIABLE, OLD)]);
    rig.config.unit = Some("local.other".to_owned());
    let report = apply(&rig, Outcome::RolledBack);
    assert!(report.detail.contains("not touched") && report.detail.contains("launchctl print ended with status 113"), "{}", report.detail);
    rig.config.unit = None;
    let report = apply(&rig, Outcome::RolledBack);
    assert!(report.detail.contains("set unit to its label"), "{}", report.detail);
}
