//! Asking after a key through the consumer that holds it.

use std::fs;

use credd::config::Verify;
use credd::core::{KeyName, ProbeManner, ProbeReport, ProbeVerdict};
use credd::worker::job::{Answer, Job, ProbeOrder};

use crate::rig::{NEW, OLD, Rig, VARIABLE};
use crate::support::bedrock::BedrockStandIn;
use crate::support::http::free_port;

use ProbeManner::{Asked, Fresh, Scheduled};
use ProbeVerdict::{Rejected, Unknown, Unreachable, Works};

/// Asks after the old key, with which the stand-in for LiteLLM was started.
fn ask(rig: &Rig, manner: ProbeManner, endpoint: String) -> ProbeReport {
    rig.write_key(OLD);
    let mut key = rig.order().keys.remove(0);
    key.fingerprint = rig.salt.fingerprint(OLD.as_bytes());
    let order = ProbeOrder { key, manner, endpoint: Some(endpoint), region: "us-east-1".to_owned() };
    let answers = rig.work(&Job::Probe { state_dir: rig.path("state"), consumers: vec![rig.config.clone()], probes: vec![order] });
    assert!(!serde_json::to_string(&answers).unwrap().contains("secret"), "{answers:?}");
    match <[_; 1]>::try_from(answers).unwrap() {
        [Answer::Probed { report: Some(report), .. }] => report,
        other => panic!("{other:?}"),
    }
}

/// An endpoint where nobody is.
fn nobody() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

#[test]
fn a_consumer_decides_where_bedrock_cant_be_asked() {
    let rig = Rig::new();
    let _child = rig.start();
    let report = ask(&rig, Scheduled, nobody());
    assert_eq!(report.verdict, Works, "{report:?}");
    assert!(report.detail.starts_with("it works through litellm"), "{report:?}");
    assert_eq!(report.consumers[0].detail, "a completion of cheap through it works");
    // One who refuses tells that as well.
    rig.behave(&[(OLD, &["refused"])]);
    let report = ask(&rig, Scheduled, nobody());
    assert_eq!((report.verdict, report.consumers[0].verdict), (Rejected, Rejected), "{report:?}");
    assert!(report.detail.starts_with("Bedrock refuses it through litellm"), "{report:?}");
}

#[test]
fn a_consumer_that_says_otherwise_raises_a_doubt() {
    let bedrock = BedrockStandIn::start([NEW]);
    let rig = Rig::new();
    let _child = rig.start();
    let report = ask(&rig, Scheduled, bedrock.url());
    assert_eq!((report.verdict, report.consumers[0].verdict), (Unknown, Works));
    assert!(report.detail.contains("check endpoint and region"), "{report:?}");
}

#[test]
fn whose_fault_it_is_is_told() {
    let rig = Rig::new();
    let _child = rig.start();
    for (word, verdict, detail) in
        [("throttled", Unreachable, "LiteLLM can't reach Bedrock"), ("picky", Unknown, "LiteLLM itself refused the completion")]
    {
        rig.behave(&[(OLD, &[word])]);
        let report = ask(&rig, Scheduled, nobody());
        let said = &report.consumers[0];
        assert!(report.verdict == Unreachable && said.verdict == verdict && said.detail.contains(detail), "{report:?}");
    }
}

#[test]
fn one_that_doesnt_listen_is_unreachable() {
    let rig = Rig::new();
    rig.behave(&[(OLD, &["never-ready"])]);
    let mut child = rig.command("", "> log 2>&1").spawn().unwrap();
    crate::rig::until("it has started", || fs::read_to_string(rig.path("log")).is_ok_and(|log| log.contains("started")));
    let report = ask(&rig, Asked, nobody());
    let said = &report.consumers[0];
    assert!(said.verdict == Unreachable && said.detail.contains("LiteLLM itself doesn't answer"), "{report:?}");
    drop(rig);
    child.wait().unwrap();
}

#[test]
fn consumers_are_asked_only_where_that_helps() {
    let bedrock = BedrockStandIn::start([OLD]);
    let mut rig = Rig::new();
    assert!(ask(&rig, Asked, bedrock.url()).consumers.is_empty(), "there is no process");
    let child = rig.start();
    let asked = |rig: &Rig, manner, url| {
        let report = ask(rig, manner, url);
        !report.consumers.is_empty()
    };
    assert!(!asked(&rig, Scheduled, bedrock.url()), "the key works");
    assert!(!asked(&rig, Fresh, bedrock.url()), "no process can have it");
    assert!(asked(&rig, Asked, bedrock.url()));
    assert_eq!(rig.log().matches("request POST").count(), 1);
    rig.config.verify = Verify::Readiness;
    assert!(!asked(&rig, Asked, bedrock.url()), "no completions are wanted");
    rig.config.verify = Verify::Completion;
    rig.config.keys = vec![KeyName::from("another")];
    assert!(!asked(&rig, Asked, bedrock.url()), "it doesn't use this key");
    rig.config.keys = vec![KeyName::from("bedrock")];
    assert!(asked(&rig, Asked, bedrock.url()));
    drop(child);

    let other = Rig::new();
    let mut command = other.command("", "> log 2>&1");
    command.env(VARIABLE, NEW);
    let _child = other.start_by(&mut command);
    assert!(!asked(&other, Asked, bedrock.url()), "it holds another key");
}
