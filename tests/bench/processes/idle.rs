//! What waiting costs.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use super::CREDD;
use super::arguments::Wanted;
use super::peers::Peer;
use super::process::{Memory, Process, Switches, megabytes};
use super::stand_in::Consumer;
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::desktop::Desktop;
use super::support::home::Home;

const KEY: &str = "ABSK-planted-idle";
/// What starting takes, caches that are let go and second thoughts included.
const SETTLING: Duration = Duration::from_secs(10);

pub fn measure(wanted: &Wanted) -> String {
    let desktop = Desktop::start();
    let bedrock = BedrockStandIn::start([KEY]);
    let home = Home::new().on_bus(&desktop.bus()).asking(&bedrock.url());
    home.set_key(KEY);
    // All else is the default: the usual match would find somebody's LiteLLM.
    let consumer = Consumer::start(&home, "litellm", &[("AWS_BEARER_TOKEN_BEDROCK", KEY)]);
    home.write_config(&consumer.config());
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("a consumer that has the key, and a verdict", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["keys"][0]["probe"]["verdict"] == "works"
    });
    let peers = Peer::all(&home);
    let all: Vec<(&str, Process)> =
        [("credd", Process(daemon.pid()))].into_iter().chain(peers.iter().map(|peer| (peer.name, peer.process))).collect();
    sleep(SETTLING);
    let before: Vec<Switches> = all.iter().map(|(_, process)| process.switches()).collect();
    sleep(wanted.quiet());
    let minutes = wanted.quiet().as_secs() / 60;
    let mut table = format!(
        "| Waiting | Switches in {minutes} min | Threads | PSS | Anonymous | RSS | Program |\n| --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for ((name, process), before) in all.into_iter().zip(before) {
        let Memory { rss, pss, anonymous } = process.memory();
        let (switches, threads) = (process.switches().since(&before), process.threads());
        let program = megabytes(process.program_size());
        writeln!(table, "| {name} | {switches} | {threads} | {pss} KB | {anonymous} KB | {rss} KB | {program} |").unwrap();
    }
    table
}
