//! credd's main story, played so that one can watch it: a key grows old, credd says so, the key is
//! replaced, and LiteLLM has the new one.
//!
//!     cargo run --release --example demo
//!
//! Everything happens in a temporary home and on 127.0.0.1. What is real and what stands in is said at
//! the start. Exit code 0 means that every step was seen to happen.
//!
//!     --litellm real|stand-in         default: real where there is one
//!     --desktop private|own|none      default: private where dunst and Xvfb are, else yours, else none

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to whoever watches")]
#![allow(clippy::disallowed_methods, reason = "it tells the audience how long things take")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod parts;
mod proxy;
mod stage;

use std::fs::File;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use parts::{Credd, Notifications, Proxy, Wanted};
use stage::{Outcome, Stage};
use support::bedrock::{ANSWER, BedrockStandIn};
use support::home::Home;

/// Made up, in the form of Bedrock's.
const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";

/// For what takes no restart, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// For LiteLLM to load.
const LOADED: Duration = Duration::from_mins(2);
const AGE: Duration = Duration::from_hours(25 * 24);

fn main() -> ExitCode {
    if parts::runs_as_proxy() {
        return proxy::run();
    }
    let wanted = match Wanted::of_arguments() {
        Ok(wanted) => wanted,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    let mut stage = Stage::open();
    match play(&mut stage, &wanted) {
        Ok(()) => {
            stage.summary("The alert came, and the new key took its place in LiteLLM: every step was seen to happen.");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            stage.failure(&complaint);
            ExitCode::FAILURE
        }
    }
}

fn play(stage: &mut Stage, wanted: &Wanted) -> Outcome<()> {
    stage.step("find what the demo needs");
    println!("  Builds credd where that is needed.");
    let program = parts::credd_program()?;
    stage.start_the_clock();
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let notifications = Notifications::find(wanted)?;
    let home = notifications.join(Home::new()).asking(&bedrock.url());
    let proxy = Proxy::find(wanted)?;
    Stage::cast(&[
        ("credd", format!("real      {}", program.display())),
        ("LiteLLM", proxy.billing()),
        ("notifications", notifications.billing()),
        ("Amazon Bedrock", format!("stand-in  a small server at {} that knows two made-up keys", bedrock.url())),
        ("home", format!("temporary {}; nothing of yours is touched", home.path().display())),
    ]);

    stage.step("start LiteLLM with a key that was issued 25 days ago");
    home.set_key(OLD);
    let long_ago = SystemTime::now() - AGE;
    File::open(home.env_file()).and_then(|file| file.set_modified(long_ago)).map_err(|error| error.to_string())?;
    let proxy = proxy.start(&bedrock, &home, OLD)?;
    if proxy.is_slow() {
        stage.say("LiteLLM takes 10 to 20 seconds to load, now and once more below.");
    }
    Stage::until("LiteLLM to be ready", LOADED, || proxy.is_ready())?;
    Stage::until("a completion with the old key", SOON, || proxy.complete().ok())?;
    stage.say("LiteLLM answers with the key in ~/.backlog-toolkit-env, which Bedrock accepts for 5 more days.");

    stage.step("start credd");
    let credd = Credd::start(&program, &home, &proxy)?;
    Stage::until("credd to answer", SOON, || credd.status())?;
    stage.say("It runs, and was told nothing of the key: this file and this variable are what it tracks by itself.");

    stage.step("wait for the alert");
    let alert = Stage::until("the alert", SOON, || notifications.alert(&credd))?;
    stage.say(notifications.announcement());
    Stage::quote(&alert.lines());
    let status = Stage::until("credd to find LiteLLM", SOON, || {
        credd.status().filter(|status| status["consumers"][0]["state"] == "current" && status["keys"][0]["state"] == "due")
    })?;
    Stage::show(&credd, &["status"])?;

    stage.step("replace the key in the file, as with any editor");
    let before = status["consumers"][0]["pid"].clone();
    home.set_key(NEW);
    stage.say("The file has a new key. From here on nobody does anything but credd.");
    let status = Stage::until("LiteLLM to run with the new key", LOADED, || {
        let status = credd.status()?;
        if status["consumers"][0]["state"] == "failed" {
            return None;
        }
        let applied = status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current";
        (applied && status["keys"][0]["state"] == "ok").then_some(status)
    })?;
    let after = &status["consumers"][0]["pid"];
    let is_there = |pid: &serde_json::Value| pid.as_u64().and_then(|pid| u32::try_from(pid).ok()).is_some_and(parts::is_running);
    // Whoever inherited it may take a moment to notice that it has ended.
    Stage::until("the old LiteLLM to be gone", SOON, || (!is_there(&before)).then_some(()))?;
    if !is_there(after) {
        return Err(format!("LiteLLM's process {after} should run, which is not so"));
    }
    stage.say(&format!("credd restarted LiteLLM: process {before} is gone, process {after} has its place and its port."));

    stage.step("ask whether the new key is really used");
    let asked = bedrock.wait_for(|request| request.is_converse() && request.bearer.as_deref() == Some(NEW), Duration::ZERO);
    asked.ok_or("Bedrock was never asked with the new key: credd didn't prove it")?;
    stage.say("credd had LiteLLM make a completion before it called that done: Bedrock has seen the new key.");
    bedrock.revoke(OLD);
    let said = Stage::until("a completion with the new key", SOON, || proxy.complete().ok())?;
    if said != ANSWER {
        return Err(format!("the completion says {said:?} instead of {ANSWER:?}"));
    }
    stage.say(&format!("The old key is revoked at Bedrock now; a completion through LiteLLM still answers: {said:?}"));
    if let Some(id) = alert.id {
        Stage::until("the popup to go", SOON, || notifications.is_closed(id).then_some(()))?;
        stage.say("The popup is gone by itself: there is nothing left to do.");
    }
    Stage::show(&credd, &["status"])?;
    Stage::show(&credd, &["history"])?;
    credd.done();
    Ok(())
}
