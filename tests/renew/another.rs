//! Two projects with a key each for the same variable, and one LiteLLM.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::light::Light;
use crate::{CREDD, NEW, OLD};

const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS1ob21lLWF0LTEyMzQ1Njc4OTAxMjpob21lLXNlY3JldC12YWx1ZQ==";

#[test]
fn only_who_has_a_key_is_said_to_use_it_or_to_serve_with_it() {
    let home = Home::new();
    for (file, key) in [("a.env", OLD), ("b.env", OTHER)] {
        let path = home.path().join(file);
        fs::write(&path, format!("export AWS_BEARER_TOKEN_BEDROCK='{key}'\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let light = Light::start(&home, &[("AWS_BEARER_TOKEN_BEDROCK", OTHER)]);
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n\
         [[keys]]\nname = \"work\"\nenv_file = \"~/a.env\"\nprobe = \"off\"\n\
         [[keys]]\nname = \"home\"\nenv_file = \"~/b.env\"\nprobe = \"off\"\n{}",
        light.consumer()
    ));
    let daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the stand-in to be found", SOON, |status| status["consumers"][0]["state"] == "current");
    assert_eq!(status["consumers"][0]["overruled"], json!({"work": "home"}), "{status:#}");
    assert_eq!(status["problems"][0]["code"], "shared-variable", "{status:#}");
    let said = daemon.ok(&["status"]);
    assert_eq!(said.matches("used by litellm (current)").count(), 1, "{said}");
    assert!(said.contains("work and home both give litellm AWS_BEARER_TOKEN_BEDROCK; it runs"), "{said}");
    // Of the one, who uses it; of the other, why nobody does.
    let (of_home, of_work) = (daemon.ok(&["status", "home"]), daemon.ok(&["status", "work"]));
    assert!(of_home.contains("used by litellm (current)") && !of_home.contains("process"), "{of_home}");
    assert!(!of_work.contains("used by") && of_work.contains("(shared-variable)"), "{of_work}");
    let document: Value = serde_json::from_str(&daemon.ok(&["status", "--json", "home"])).unwrap();
    assert_eq!(document["consumers"][0]["name"], "litellm");
    assert_eq!(daemon.ok(&["status", "--short", "litellm"]), "litellm current\n");

    let (pids, mut renew) = (light.pids(), daemon.command());
    let mut renew = renew.args(["renew", "work", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    renew.stdin.take().unwrap().write_all(NEW.as_bytes()).unwrap();
    let output = renew.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("work: the new key is in ~/a.env until "), "{said}");
    assert!(said.contains("; litellm has its AWS_BEARER_TOKEN_BEDROCK from home; revoke the old one"), "{said}");
    assert_eq!(light.pids(), pids, "it has no reason to be restarted");
    let status = daemon.status();
    let prints = status["consumers"][0]["key_fingerprints"].clone();
    assert_eq!((&prints["work"], &prints["home"]), (&status["keys"][1]["fingerprint"], &status["keys"][1]["fingerprint"]));
}
