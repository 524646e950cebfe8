//! What is to be measured, and for how long.

use std::time::Duration;

pub struct Wanted {
    only: Vec<String>,
    pub long: bool,
    /// Of each piece of work in a day.
    pub work: usize,
    /// How many consumers take turns in being restarted, each as often as credd restarts one at all.
    consumers: Option<usize>,
    pub write: bool,
}

impl Wanted {
    /// `None` where this isn't to be run: `cargo test --all-targets` does so, without `--bench`.
    pub fn of_arguments(parts: &[&str]) -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        let long = std::env::var_os("CREDD_LONG").is_some();
        let mut wanted = Self { only: Vec::new(), long, work: if long { 500 } else { 50 }, consumers: None, write: false };
        let mut is_bench = false;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => is_bench = true,
                "--write" => wanted.write = true,
                "--only" => {
                    let names = arguments.next().unwrap_or_default();
                    wanted.only = names.split(',').map(str::to_owned).collect();
                    let all_known = wanted.only.iter().all(|name| parts.contains(&name.as_str()));
                    assert!(all_known, "--only takes some of: {}", parts.join(","));
                }
                "--work" => wanted.work = number(arguments.next()).expect("--work takes a number"),
                "--consumers" => wanted.consumers = Some(number(arguments.next()).expect("--consumers takes a number")),
                other => {
                    panic!("usage: cargo bench --bench processes -- [--only PART,…] [--work N] [--consumers N] [--write], not {other}")
                }
            }
        }
        is_bench.then_some(wanted)
    }

    /// How many consumers there are, if each is restarted at most so often.
    pub fn consumers(&self, restarts: usize) -> usize {
        self.consumers.unwrap_or_else(|| self.work.div_ceil(restarts))
    }

    /// Whether a part is to be measured: one that takes long only where it is named, or in a long run.
    pub fn wants(&self, part: &str, takes_long: bool) -> bool {
        if self.only.is_empty() { self.long || !takes_long } else { self.only.iter().any(|name| name == part) }
    }

    /// How long nothing is to happen.
    pub fn quiet(&self) -> Duration {
        if self.long { Duration::from_mins(10) } else { Duration::from_mins(1) }
    }
}

fn number(argument: Option<String>) -> Option<usize> {
    argument.and_then(|number| number.parse().ok()).filter(|&number| number > 0)
}
