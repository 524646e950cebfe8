//! What a key change costs five clients of the real LiteLLM, by four ways of taking it up.
//!
//! ```sh
//! tests/setup && tests/setup --only bench
//! cargo bench --bench key_change                  # three changes each; CREDD_LONG=1: ten
//! cargo bench --bench key_change -- --changes 5 --write   # into the README
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that can't be run says why by a panic")]
#![allow(clippy::print_stdout, reason = "its table")]
#![allow(clippy::disallowed_methods, reason = "it times real programs")]

mod measure;
mod readme;
mod spread;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod ways;

use std::time::Duration;

use measure::start_up;
use support::bedrock::BedrockStandIn;
use support::litellm::{self, Options};
use support::load::Clients;
use table::{Row, Run};
use ways::{CLIENTS, Scene, Way};

/// How long the model takes for an answer.
const THINKING: Duration = Duration::from_millis(50);

struct Wanted {
    changes: usize,
    write: bool,
    /// A part of the ways' names.
    only: String,
}

impl Wanted {
    /// `None` where this isn't to be run: `cargo test --all-targets` does so, without `--bench`.
    fn of_arguments() -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        let long = std::env::var_os("CREDD_LONG").is_some();
        let mut wanted = Self { changes: if long { 10 } else { 3 }, write: false, only: String::new() };
        let mut is_bench = false;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => is_bench = true,
                "--write" => wanted.write = true,
                "--only" => wanted.only = arguments.next().expect("--only takes a part of a way's name"),
                "--changes" => {
                    let count = arguments.next().and_then(|count| count.parse().ok()).filter(|&count| count > 0);
                    wanted.changes = count.expect("--changes takes a number");
                }
                other => panic!("usage: cargo bench --bench key_change -- [--changes N] [--only WAY] [--write], not {other}"),
            }
        }
        is_bench.then_some(wanted)
    }
}

fn key(number: usize) -> String {
    format!("ABSK-planted-{number:03}")
}

fn main() {
    let Some(wanted) = Wanted::of_arguments() else { return };
    let bedrock = BedrockStandIn::start((0..=wanted.changes).map(key));
    bedrock.delay(THINKING);

    println!("LiteLLM's first start, which reads everything from the disk, doesn't count.");
    drop(start_up(&bedrock, &key(0), &Options::default()));

    let (mut alone_took, mut beside_took) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    for way in Way::ALL.into_iter().filter(|way| way.name().contains(&wanted.only)) {
        // All through the run, since a machine is not always equally fast.
        let (proxy, alone) = start_up(&bedrock, &key(0), &Options::default());
        // What a hand-over is up against: the cores are shared with one that is at work.
        let clients = Clients::start(CLIENTS, &proxy);
        let (_, beside) = start_up(&bedrock, &key(0), &Options::default());
        drop(clients.finish());
        drop(proxy);
        println!("LiteLLM's own start-up: {:.1} s, beside one at work {:.1} s", alone.as_secs_f64(), beside.as_secs_f64());
        alone_took.push(alone);
        beside_took.push(beside);

        let scene = Scene::set(way, &bedrock, &key(0));
        let changes = (1..=wanted.changes).map(|number| {
            let change = scene.change(&key(number - 1), &key(number));
            println!("{}, change {number}: {change}", way.name());
            change
        });
        rows.push(Row { way: way.name(), changes: changes.collect() });
    }
    let run = Run { rows, alone: alone_took, beside: beside_took, version: litellm::version() };
    println!("\n{run}");
    if wanted.write {
        readme::write("key-change", &run.to_string());
    }
}
