//! What the daemon has workers do, and what it has none do for: a look costs a process.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]

mod support;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::wait;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// How long a file must have been left alone before it is read (contract, promise 2).
const QUIET: SignedDuration = SignedDuration::from_millis(250);

/// A consumer by a name that nothing else on the machine has.
fn home(consumer: &str) -> Home {
    let home = Home::new();
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[keys]]\nname = \"one\"\nvariable = \"ONE_KEY\"\nenv_file = \"~/env\"\nprobe = \"off\"\n\
         [[consumers]]\nname = \"proxy\"\nmatch = [\"{consumer}\", \"600\"]\nrestart = \"none\"\n"
    ));
    std::fs::write(home.path().join("env"), line("first")).unwrap();
    home
}

fn line(value: &str) -> String {
    format!("export ONE_KEY=\"{value}\"\n")
}

/// When the daemon started workers for a job, by its log.
fn workers(daemon: &Daemon<'_>, job: &str) -> Vec<Timestamp> {
    let words = [&format!(" job={job} "), "a worker has started"];
    let log = daemon.log();
    let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(*word)));
    lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

struct Consumer(Child);

impl Consumer {
    fn start(name: &str, value: &str) -> Self {
        Self(Command::new("sleep").arg0(name).arg("600").env("ONE_KEY", value).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn processes_are_looked_at_only_when_something_happened() {
    let name = "credd-quiet-consumer";
    let consumer = Consumer::start(name, "first");
    let home = home(name);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the consumer to be found", SOON, |status| status["consumers"][0]["state"] == "current");
    let settled = workers(&daemon, "inspect").len();
    assert!(settled > 0, "{}", daemon.log());
    let all = || daemon.log().matches("a worker has started").count();
    let before = all();
    wait::throughout("no worker", Duration::from_secs(10), || all() == before);
    // Asking costs none where all is as it should be.
    daemon.ok(&["status"]);
    assert_eq!(all(), before, "{}", daemon.log());
    // What happens does: an edit, and the process's end.
    std::fs::write(home.path().join("env"), line("second")).unwrap();
    wait::until_true("a look after the edit", SOON, || workers(&daemon, "inspect").len() > settled);
    daemon.until("the consumer to be stale", SOON, |status| status["consumers"][0]["state"] == "stale");
    let looks = workers(&daemon, "inspect").len();
    drop(consumer);
    wait::until_true("a look after the end", SOON, || workers(&daemon, "inspect").len() > looks);
}

#[test]
fn ten_thousand_writes_are_read_once_a_quiet_period() {
    let home = home("credd-quiet-nobody");
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["fingerprint"].is_string());
    let before = workers(&daemon, "read").len();
    let (env, new) = (home.path().join("env"), home.path().join("env.new"));
    let start = Instant::now();
    for number in 0..10_000 {
        // Never half a file: what that is given is another matter.
        if number % 2 == 0 {
            std::fs::write(&new, line(&format!("number {number}"))).unwrap();
            std::fs::rename(&new, &env).unwrap();
        } else {
            File::options().append(true).open(&env).unwrap().write_all(b"# seen\n").unwrap();
        }
    }
    let took = start.elapsed();
    let first = daemon.log().matches("a new key is in").count();
    std::fs::write(&new, line("the last")).unwrap();
    std::fs::rename(&new, &env).unwrap();
    wait::until_true("the last value", SOON, || daemon.log().matches("a new key is in").count() > first);
    let reads = workers(&daemon, "read").split_off(before);
    assert!(!reads.is_empty(), "{}", daemon.log());
    for pair in reads.windows(2) {
        assert!(pair[1].duration_since(pair[0]) >= QUIET, "{reads:?}");
    }
    let most = 2 + took.as_millis() / 250;
    assert!(reads.len() as u128 <= most, "{} reads in {took:?}", reads.len());
}
