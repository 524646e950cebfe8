//! Without a daemon the doctor looks itself, and says what it can't look at.

use std::fs::{self, File};

use crate::rig::{CREDD, Findings, QUIET, Rig, Running, VARIABLE};
use crate::support::daemon::{Daemon, SOON};
use crate::support::light::Light;
use crate::support::{said, wait};

/// Nobody is asked about them: what a daemon learns so, and when, is another matter.
const ONE_KEY: &str = "[[keys]]\nprobe = \"off\"\n";
const TWO_KEYS: &str = "[[keys]]\nname = \"bedrock\"\nprobe = \"off\"\n[[keys]]\nname = \"other\"\nvariable = \"OTHER\"\nprobe = \"off\"\n";

/// What an env file holds, and the finding that it is to give.
fn files(rig: &Rig) -> Vec<(&'static str, Option<String>, &'static str)> {
    let (key, config) = (&rig.new, ONE_KEY);
    vec![
        (
            config,
            Some(format!("export {VARIABLE}={key}\nexport AWS_ACCESS_KEY_ID=AKIAX\nexport AWS_SECRET_ACCESS_KEY=x\n")),
            "static-aws-keys",
        ),
        (config, Some(format!("export {VARIABLE}={key}\r\nexport A=b\r\n")), "control-character"),
        (config, Some(format!("export {VARIABLE}=\n")), "empty-assignment"),
        (config, Some(format!("{VARIABLE}={key}\nexport A=b\n")), "not-exported"),
        (config, Some(format!("export {VARIABLE}=$(pass show bedrock)\n")), "key-dynamic"),
        (config, Some("export A=b\n".to_owned()), "key-missing"),
        (config, None, "key-missing"),
        (TWO_KEYS, Some(format!("export {VARIABLE}={key}\nexport OTHER={key}\n")), "shared-key"),
    ]
}

#[test]
fn env_files_are_looked_at_as_a_daemon_does() {
    for (at, (config, text, code)) in files(&Rig::new("offline")).into_iter().enumerate() {
        let rig = Rig::new(&format!("offline-{at}"));
        rig.home.write_config(&format!("{QUIET}{config}"));
        if let Some(text) = &text {
            rig.home.write_env(text);
        }
        let unseen = rig.findings();
        assert_eq!(unseen.codes()[..1], ["daemon-not-running"], "errors come first, of them this");
        assert_eq!(unseen.codes()[1..], [code], "{:#?}", unseen.all);
        let mut daemon = Daemon::start(CREDD, &rig.home);
        // A daemon that has just started says of what is missing that it was never seen.
        let live = wait::until("the daemon to find the same", SOON, || Some(rig.findings()).filter(|found| found.all == unseen.all[1..]));
        daemon.stop();
        assert_eq!(rig.findings().all[1..], live.all, "with what was saved");
    }
}

#[test]
fn a_file_that_is_gone_is_no_mere_note() {
    let rig = Rig::new("gone");
    let mut daemon = rig.daemon();
    fs::remove_file(rig.home.env_file()).unwrap();
    daemon.until("the loss", SOON, |status| status["keys"][0]["state"] == "missing");
    let live = rig.findings();
    let (severity, message, fix) = live.one("env-file-missing");
    assert_eq!((severity, live.codes().len(), live.code), ("warning", 1, 1));
    assert_eq!(message, "~/.backlog-toolkit-env is gone, or its path is wrong: the key bedrock was there before");
    assert_eq!(fix, "put it back, correct env_file in the configuration, or: credd renew bedrock");
    daemon.stop();
    assert_eq!(rig.findings().all[1..], live.all);
}

#[test]
fn each_key_that_is_missing_is_told() {
    let rig = Rig::new("each");
    rig.home.write_config(&format!("{QUIET}{TWO_KEYS}[[keys]]\nname = \"third\"\nvariable = \"THIRD\"\nenv_file = \"~/nowhere\"\n"));
    rig.home.write_env(&format!("export {VARIABLE}={}\nexport A=b\n", rig.new));
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["daemon-not-running", "key-missing", "key-missing"], "{:#?}", findings.all);
    let fixes: Vec<_> = findings.all_of("key-missing").into_iter().map(|(_, _, fix)| fix).collect();
    assert_eq!(
        fixes,
        ["put the key into ~/.backlog-toolkit-env with: credd renew other", "put the key into ~/nowhere with: credd renew third"]
    );
}

#[test]
fn a_value_that_was_put_in_meanwhile_has_dates_of_its_own() {
    let rig = Rig::new("meanwhile");
    rig.home.set_key(&rig.old);
    let mut daemon = Daemon::start(CREDD, &rig.home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "31 days ago"]);
    daemon.stop();
    assert_eq!(rig.findings().codes(), ["daemon-not-running", "key-expired"]);
    rig.home.set_key(&rig.new);
    assert_eq!(rig.findings().codes(), ["daemon-not-running"]);
}

#[test]
fn a_proxy_and_its_configuration_are_looked_at() {
    let rig = Rig::new("proxy");
    let light = Light::start(&rig.home, &[(VARIABLE, &rig.old)]);
    rig.home.write_config(&format!("[alerts]\ndesktop = false\n{}", light.consumer()));
    rig.home.set_key(&rig.new);
    let text = "model_list: [{model_name: cheap, litellm_params: {model: bedrock/x, api_key: planted}}]\n";
    fs::write(rig.path("litellm.yaml"), text).unwrap();
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["daemon-not-running", "stale-consumer", "litellm-key-in-config"], "{:#?}", findings.all);
}

#[test]
fn what_waits_for_a_daemon_is_not_said_to_come_by_itself() {
    let rig = Rig::new("waits");
    let argument = format!("301.{}", std::process::id());
    rig.home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[keys]]\nprobe = \"off\"\n[[consumers]]\nname = \"idler\"\nmatch = [\"sleep\", \"{argument}\"]\nrestart = \"command\"\ncommand = [\"false\"]\nverify = \"none\"\n"
    ));
    rig.home.set_key(&rig.old);
    let _consumer = Running::start(rig.home.command("sleep").arg(&argument).env(VARIABLE, &rig.old));
    let mut daemon = Daemon::start(CREDD, &rig.home);
    daemon.until("the consumer", SOON, |status| status["consumers"][0]["state"] == "current");
    rig.home.set_key(&rig.new);
    daemon.until("the consumer to wait", SOON, |status| status["problems"].to_string().contains("pending-consumer"));
    daemon.stop();
    let findings = rig.findings();
    assert_eq!(findings.one("pending-consumer").2, "start the daemon, which goes on with it: credd install");
    assert_eq!(findings.one("old-key-not-revoked").2, "keep it until idler has the new one");
}

#[test]
fn what_only_a_daemon_could_tell_is_left_out_and_not_counted() {
    let rig = Rig::new("left-out");
    rig.home.set_key(&rig.new);
    assert!(said(&rig.output(rig.command(&[]))).contains("\n20 checks: 1 error.\n"));
    // Whom nobody asks, and a file that somebody writes to.
    rig.home.write_config(&format!("{QUIET}[[keys]]\niam = \"read\"\n"));
    rig.script("aws", "echo aws-cli/2.0.0");
    let writer = File::options().append(true).open(rig.home.env_file()).unwrap();
    let output = rig.output(rig.command(&[]));
    let text = said(&output);
    assert!(text.contains("\n19 checks: 1 error, 1 note.\n"), "{text}");
    let findings = rig.findings();
    let (severity, message, _) = findings.one("checks-left-out");
    assert_eq!(severity, "info");
    let left_out = "~/.backlog-toolkit-env, which is being written to; what IAM says of keys";
    assert_eq!(message, format!("without a daemon this was not looked at: {left_out}"));
    drop(writer);

    rig.home.write_config("[alerts]\ndayz = []\n");
    let findings = Findings::of(&rig.output(rig.command(&["--json"])));
    assert_eq!(findings.codes()[..1], ["config-invalid"], "{:#?}", findings.all);
    assert!(findings.one("checks-left-out").1.ends_with("keys, env files and consumers, since the configuration is wrong"));
    assert!(said(&rig.output(rig.command(&[]))).contains("\n7 checks: "), "{}", said(&rig.output(rig.command(&[]))));
}
