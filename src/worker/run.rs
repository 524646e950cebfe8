//! `credd worker`: does one job.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;

use serde::Deserialize;

use super::job::{Answer, Job};
use crate::consumers::{self, Provers};
use crate::hardening;
use crate::probe;
use crate::renewal;
use crate::salt::Salt;

/// A job is a few hundred bytes for each key and consumer, of which there may be tens of thousands.
const LARGEST: u64 = 64 << 20;

/// Reads one [`Job`] from standard input and does it; [`Answer`]s go to standard output, one a line.
///
/// Whoever gave the job may be gone before it is done: an apply that was begun is brought to its end, and
/// answers that nobody takes are dropped. Fails (and says why on standard error) only for a job that can't
/// be understood or begun; what it says starts with `error_prefix`.
pub fn run(error_prefix: &str) -> u8 {
    hardening::hide();
    hardening::hold_in_memory();
    // It was executed by way of /proc/self/exe, and would be `exe` in `ps` and systemd's messages.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"credd-worker");
    // A hang-up or a Ctrl-C that is meant for the daemon must not cut a restart in half.
    let _ = rustix::process::setsid();
    match work() {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error_prefix}credd worker: {error}");
            1
        }
    }
}

fn work() -> io::Result<()> {
    match job()? {
        Job::Read { state_dir, files } => {
            let salt = Salt::load(&state_dir)?;
            let home = std::env::var_os("HOME").unwrap_or_default();
            for query in files {
                answer(&Answer::File(super::read::read(&query, &salt, home.as_bytes())));
            }
            Ok(())
        }
        Job::Inspect { state_dir, keys, consumers } => consumers::inspect(&state_dir, &keys, consumers, &answer),
        Job::Probe { state_dir, consumers, probes } => probe::probe(&state_dir, Provers::new(consumers), probes, &answer),
        Job::Talk { base } => probe::talk(&base, &mut io::stdin().lock(), &mut io::stdout().lock()),
        Job::AskIam { state_dir, orders } => renewal::ask_iam(&state_dir, orders, &answer),
        Job::Renew(order) => renewal::renew(&order, &mut io::stdin().lock(), &answer),
        Job::SettleRenewal(order) => renewal::settle(&order, &answer),
        Job::Retire(order) => renewal::retire(&order, &answer),
        Job::Mint(order) => renewal::mint(&order, &answer),
        Job::AwaitApply { state_dir, consumer } => consumers::await_idle(&state_dir, &consumer),
        Job::Apply(order) => {
            let report = consumers::apply(&order, &mut |phase| {
                answer(&Answer::Progress { phase: phase.to_owned() });
            });
            answer(&Answer::Applied(report));
            Ok(())
        }
    }
}

fn job() -> serde_json::Result<Job> {
    // Up to its closing brace: whoever wrote it may keep the pipe open, and have more to say.
    let mut source = io::stdin().lock().take(LARGEST);
    // By way of `dyn`: serde's code is built for each type of source, and the client reads so as well.
    Job::deserialize(&mut serde_json::Deserializer::from_reader(&mut source as &mut dyn Read))
}

fn answer(answer: &Answer) {
    let Ok(mut line) = serde_json::to_vec(answer) else {
        return;
    };
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
