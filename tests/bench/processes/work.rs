//! What a day's work leaves behind.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::CREDD;
use super::arguments::Wanted;
use super::peers::ssh_agent;
use super::process::{Memory, Process};
use super::stand_in::Consumer;
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::desktop::Desktop;
use super::support::home::Home;
use super::support::said;

/// credd restarts a consumer so often in ten minutes, and no more.
const RESTARTS: usize = 3;
/// What is being done when the work ends.
const SETTLING: Duration = Duration::from_secs(10);

pub fn measure(wanted: &Wanted) -> String {
    let desktop = Desktop::start();
    let edits = (0..=wanted.work).map(|number| key("edit", number));
    let renewals = (0..=wanted.work).map(|number| key("renewal", number));
    let bedrock = BedrockStandIn::start(edits.chain(renewals));
    let home = Home::new().on_bus(&desktop.bus()).asking(&bedrock.url());
    home.set_key(&key("edit", 0));
    fs::write(home.path().join("served.env"), "export SERVED_KEY=\"planted\"\n").unwrap();
    let consumers: Vec<Consumer> = (0..wanted.consumers(RESTARTS))
        .map(|number| Consumer::start(&home, &format!("consumer-{number}"), &[("SERVED_KEY", "planted")]))
        .collect();
    let mut config =
        "[[keys]]\n[[keys]]\nname = \"served\"\nvariable = \"SERVED_KEY\"\nenv_file = \"~/served.env\"\nprobe = \"off\"\n".to_owned();
    for consumer in &consumers {
        writeln!(config, "{}keys = [\"served\"]", consumer.config()).unwrap();
    }
    home.write_config(&config);

    let daemon = Daemon::start(CREDD, &home);
    let process = Process(daemon.pid());
    daemon.until("consumers that have their key", SOON, |status| {
        let all = status["consumers"].as_array().unwrap();
        all.iter().all(|consumer| consumer["state"] == "current") && status["keys"][0]["probe"]["verdict"] == "works"
    });
    sleep(SETTLING);
    let restarts = wanted.work.min(consumers.len() * RESTARTS);
    let mut rows = vec![row("after its start", process)];
    for round in 1..=wanted.work {
        let consumer = &consumers[(round - 1) % consumers.len()];
        work(&daemon, &home, (round <= restarts).then_some(consumer), round);
        if round == wanted.work.div_ceil(2) {
            sleep(SETTLING);
            rows.push(row(&format!("after {round} of each"), process));
        }
    }
    sleep(SETTLING);
    rows.push(row(&format!("after {} of each", wanted.work), process));
    assert!(desktop.notifications().len() >= wanted.work, "a popup each round, not {}", desktop.notifications().len());

    let agent = ssh_agent(&home);
    rows.push(row("ssh-agent, idle", agent.process));
    format!(
        "| credd with {} consumers | PSS | Anonymous | RSS | Descriptors | Threads |\n| --- | --- | --- | --- | --- | --- |\n{}\n\
         Of each: edits that were read and probed, alerts that popped up, renewals, status requests; and {restarts} restarts.\n",
        consumers.len(),
        rows.concat()
    )
}

fn key(what: &str, number: usize) -> String {
    format!("ABSK-planted-{what}-{number:03}")
}

fn row(when: &str, process: Process) -> String {
    let Memory { rss, pss, anonymous } = process.memory();
    let (descriptors, threads) = (process.descriptors(), process.threads());
    format!("| {when} | {pss} KB | {anonymous} KB | {rss} KB | {descriptors} | {threads} |\n")
}

/// One of each; a restart where there is a consumer that may be restarted.
fn work(daemon: &Daemon<'_>, home: &Home, consumer: Option<&Consumer>, round: usize) {
    let fingerprint = || daemon.status()["keys"][0]["fingerprint"].clone();
    let before = fingerprint();
    home.set_key(&key("edit", round));
    daemon.until("an edit to be probed", SOON, |status| {
        let key = &status["keys"][0];
        key["fingerprint"] != before && key["probe"]["verdict"] == "works"
    });
    daemon.ok(&["issued", "bedrock", "27 days ago"]);
    daemon.until("an alert", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
    if let Some(consumer) = consumer {
        daemon.ok(&["apply", &consumer.name, "--force"]);
    }
    let mut renew = daemon.command();
    let mut renew =
        renew.args(["renew", "bedrock", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    renew.stdin.take().unwrap().write_all(key("renewal", round).as_bytes()).unwrap();
    let renewed = renew.wait_with_output().unwrap();
    assert!(renewed.status.success(), "credd renew: {}", said(&renewed));
}
