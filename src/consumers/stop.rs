//! Stopping a consumer with everything below it.

use std::time::Duration;

use rustix::process::Signal;

use super::sys::{self, Held};
use crate::clock;

/// How long the kernel gets to remove a process that was killed.
const KILLED: Duration = Duration::from_secs(10);
/// How long workers get to end by themselves, once their parent has.
const WORKERS: Duration = Duration::from_secs(5);

/// Asks a process to end, waits, and kills its whole tree where it doesn't; then ends what is left of the
/// tree. (LiteLLM's workers, `python3 -c from multiprocessing.spawn …`, go on serving the port without
/// their parent.) False where even that left the process alive.
pub fn stop(process: &Held, patience: Duration) -> bool {
    let mut below = sys::descendants(process);
    let asked = process.signal(Signal::TERM).is_ok();
    // A stopped process ends only once it may run.
    let _ = process.signal(Signal::CONT);
    if !asked && !process.is_gone() {
        return false;
    }
    if !process.gone_within(patience) {
        // Those it started meanwhile.
        merge(&mut below, sys::descendants(process));
        let _ = process.signal(Signal::KILL);
        for worker in &below {
            let _ = worker.signal(Signal::KILL);
        }
        if !process.gone_within(KILLED) {
            return false;
        }
    }
    end(&below);
    true
}

/// Ends processes whose parent is gone.
fn end(workers: &[Held]) {
    for worker in workers.iter().filter(|worker| !worker.is_gone()) {
        let _ = worker.signal(Signal::TERM);
        let _ = worker.signal(Signal::CONT);
    }
    wait(workers, WORKERS);
    for worker in workers.iter().filter(|worker| !worker.is_gone()) {
        let _ = worker.signal(Signal::KILL);
    }
    wait(workers, KILLED);
}

fn wait(workers: &[Held], patience: Duration) {
    let end = clock::monotonic() + patience;
    for worker in workers {
        worker.gone_within(end.saturating_duration_since(clock::monotonic()));
    }
}

fn merge(known: &mut Vec<Held>, more: Vec<Held>) {
    for process in more {
        if known.iter().all(|other| other.pid() != process.pid()) {
            known.push(process);
        }
    }
}
