//! A day's work where everybody may read what is made: nobody can.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::light::Light;
use crate::support::{run, said};
use crate::{CREDD, KEY, OTHER};

/// Of the key that is pasted.
const PASTED: &str = "ABSKQmVkcm9ja0FQSUtleS1mb3VyLWF0LTEyMzQ1Njc4OTAxMjpmb3VyLXNlY3JldA==";

fn all_below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for path in fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()) {
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(all_below(&path));
        }
        found.insert(path);
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Every command of credd in this home is run with the mask.
fn program(home: &Home, mask: &str) -> &'static str {
    let script = home.path().join("masked");
    fs::write(&script, format!("#!/bin/sh\numask {mask}\nexec '{CREDD}' \"$@\"\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    Box::leak(script.into_os_string().into_string().unwrap().into_boxed_str())
}

fn a_day_with(mask: &str) {
    let bedrock = BedrockStandIn::start([KEY, OTHER, PASTED]);
    let home = Home::new().asking(&bedrock.url());
    let program = program(&home, mask);
    let light = Light::start(&home, &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("LITELLM_MASTER_KEY", "sk-master")]);
    let pid_file = home.path().join("litellm.pid");
    home.write_config(&format!("[alerts]\ndesktop = false\n{}pid_file = \"{}\"\n", light.consumer(), pid_file.display()));
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n"));
    fs::set_permissions(home.env_file(), fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_dir(home.runtime_dir()).unwrap();
    fs::create_dir(home.runtime_dir()).unwrap();
    fs::remove_dir_all(home.state_dir()).unwrap();
    let before = all_below(home.path());

    let mut daemon = Daemon::start(program, &home);
    let current = |daemon: &Daemon<'_>| daemon.until("LiteLLM to be current", SOON, |status| status["consumers"][0]["state"] == "current");
    current(&daemon);
    let mut renew =
        daemon.command().args(["renew", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    renew.stdin.take().unwrap().write_all(PASTED.as_bytes()).unwrap();
    let renewed = renew.wait_with_output().unwrap();
    assert!(renewed.status.success(), "{}\n{}", said(&renewed), daemon.log());
    assert_eq!(mode(&home.env_file()), 0o640, "the file keeps its mode");
    assert!(pid_file.exists());
    fs::write(home.env_file(), format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\nexport AWS_BEARER_TOKEN_BEDROCK={OTHER}\n")).unwrap();
    daemon.until("the second restart", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["problems"].to_string().contains("duplicate-assignment")
    });
    daemon.credd(&["doctor", "--fix", "--yes"]);
    assert_eq!(mode(&home.env_file()), 0o600, "closed by the repair");
    daemon.ok(&["snooze", "bedrock", "1d"]);
    daemon.ok(&["verify"]);
    daemon.ok(&["history"]);
    daemon.kill();
    // A damaged state is kept beside.
    let journal = home.state_dir().join("credd/state.journal");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("bedrock", "bedrick", 1)).unwrap();
    let mut daemon = Daemon::start(program, &home);
    current(&daemon);
    run(daemon.command().args(["man", "pages"]));
    let with_socket = all_below(home.path());
    daemon.stop();

    let made: Vec<PathBuf> = with_socket.union(&all_below(home.path())).filter(|path| !before.contains(*path)).cloned().collect();
    let names: Vec<String> = made.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    for name in ["credd.sock", "salt", "lock", "state.journal", "history.jsonl", "apply-litellm.lock", "litellm.pid", "credd.1"] {
        assert!(names.iter().any(|made| made == name), "{name} wasn't made: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("state.journal.damaged-")), "{names:?}");
    for path in made.iter().filter(|path| path.symlink_metadata().is_ok()) {
        let of_the_test = path.ends_with("credd.log");
        let is_manual = path.starts_with(home.path().join("pages"));
        let allowed = if is_manual || of_the_test { 0o755 } else { 0o700 };
        assert_eq!(
            mode(path) & !allowed & !(if of_the_test { 0o022 } else { 0 }),
            0,
            "{} has mode {:o} at umask {mask}",
            path.display(),
            mode(path)
        );
    }
}

#[test]
fn without_a_mask() {
    a_day_with("000");
}

#[test]
fn with_the_usual_mask() {
    a_day_with("022");
}
