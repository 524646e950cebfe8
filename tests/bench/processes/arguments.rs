//! What is to be measured, and for how long.

use std::time::Duration;

pub struct Wanted {
    only: Vec<String>,
    pub long: bool,
    /// Of each piece of work in a day.
    pub work: usize,
    pub write: bool,
}

impl Wanted {
    /// `None` where this isn't to be run: `cargo test --all-targets` does so, without `--bench`.
    pub fn of_arguments(parts: &[&str]) -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        let long = std::env::var_os("CREDD_LONG").is_some();
        let mut wanted = Self { only: Vec::new(), long, work: if long { 500 } else { 50 }, write: false };
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
                "--work" => {
                    let count = arguments.next().and_then(|count| count.parse().ok()).filter(|&count| count > 0);
                    wanted.work = count.expect("--work takes a number");
                }
                other => panic!("usage: cargo bench --bench processes -- [--only PART,…] [--work N] [--write], not {other}"),
            }
        }
        is_bench.then_some(wanted)
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
