//! What asking costs, as whole processes.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::CREDD;
use super::arguments::Wanted;
use super::peers::{gpg_agent, gpg_home, ssh_agent, ssh_socket};
use super::spread::Spread;
use super::stand_in::Consumer;
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;

const KEY: &str = "ABSK-planted-status";
const ROUNDS: usize = 300;
/// What the others are compared with.
const EMPTY: usize = 0;
const AGENT: usize = 1;

pub fn measure(_: &Wanted) -> String {
    let bedrock = BedrockStandIn::start([KEY]);
    let home = Home::new().asking(&bedrock.url());
    home.set_key(KEY);
    let consumer = Consumer::start(&home, "litellm", &[("AWS_BEARER_TOKEN_BEDROCK", KEY)]);
    home.write_config(&consumer.config());
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("a consumer that has the key, and a verdict", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["keys"][0]["probe"]["verdict"] == "works"
    });
    let (_ssh, _gpg) = (ssh_agent(&home), gpg_agent(&home));
    let of_credd = |arguments: &[&str]| {
        let mut command = daemon.command();
        command.args(arguments);
        command
    };
    let mut ssh_add = home.command("ssh-add");
    ssh_add.arg("-l").env("SSH_AUTH_SOCK", ssh_socket(&home).as_ref());
    let mut gpg = home.command("gpg-connect-agent");
    gpg.arg("--homedir").arg(gpg_home(&home).as_ref()).arg("/bye");
    let mut commands = [
        ("an empty process (`true`)", home.command("/bin/true")),
        ("`ssh-add -l`", ssh_add),
        ("`gpg-connect-agent /bye`", gpg),
        ("`credd status`", of_credd(&["status"])),
        ("`credd status --short`", of_credd(&["status", "--short"])),
        ("`credd check`", of_credd(&["check"])),
    ];
    for (_, command) in &mut commands {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        once(command);
    }
    // In turns, since a machine is not always equally fast; and each after each of the others equally often, since what one
    // leaves in the caches another finds (multiples modulo a prime: a complete Latin square).
    let mut took = [const { Vec::new() }; 6];
    for round in 0..ROUNDS {
        for place in 1..=took.len() {
            let which = place * (round % took.len() + 1) % (took.len() + 1) - 1;
            took[which].push(once(&mut commands[which].1));
        }
    }
    let spreads = took.map(Spread::of);
    let mut table = "| Asking | Median | Nine of ten | × empty process | × `ssh-add -l` |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for ((name, _), spread) in commands.iter().zip(&spreads) {
        let (median, ninth) = (spread.median(), spread.ninth());
        let (to_empty, to_agent) = (median / spreads[EMPTY].median(), median / spreads[AGENT].median());
        let (median, ninth) = (median * 1e3, ninth * 1e3);
        writeln!(table, "| {name} | {median:.2} ms | {ninth:.2} ms | {to_empty:.2} | {to_agent:.2} |").unwrap();
    }
    writeln!(table, "\n{ROUNDS} runs of each in turns, each after each of the others equally often.").unwrap();
    table
}

fn once(command: &mut Command) -> Duration {
    let begun = Instant::now();
    // An agent without keys says so by its exit code.
    command.status().unwrap();
    begun.elapsed()
}
