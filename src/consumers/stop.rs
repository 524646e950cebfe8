//! Stopping a consumer with everything below it.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::sys::{self, Held};
use crate::clock;

/// How long the kernel gets to remove a process that was killed.
const KILLED: Duration = Duration::from_secs(10);
/// How long workers get to end by themselves, once their parent has.
const WORKERS: Duration = Duration::from_secs(5);
/// Between two looks at the ports of a process that is to give them up: its successor waits for that.
const PORT_LOOK: Duration = Duration::from_micros(500);

/// Asks a process to end, waits, and kills its whole tree where it doesn't; then ends what is left of the
/// tree. (LiteLLM's workers, `python3 -c from multiprocessing.spawn …`, go on serving the port without
/// their parent.) False where even that left the process alive.
pub fn stop(process: &Held, patience: Duration) -> bool {
    Leaving::ask(process, patience).finish()
}

/// A process that was asked to end.
pub struct Leaving<'a> {
    process: &'a Held,
    below: Vec<Held>,
    /// Nobody may signal it.
    is_ours: bool,
    until: Instant,
}

impl<'a> Leaving<'a> {
    /// Asks it. From now on it has `patience` to finish the requests it is at.
    pub fn ask(process: &'a Held, patience: Duration) -> Self {
        let below = sys::descendants(process);
        let is_ours = process.signal(Signal::TERM).is_ok();
        // A stopped process ends only once it may run.
        let _ = process.signal(Signal::CONT);
        Self { process, below, is_ours, until: clock::monotonic() + patience }
    }

    /// Waits until it has given its ports up; it is killed where its patience ends before. False where
    /// even that left it alive.
    pub fn give_up(&mut self, ports: &[u16]) -> bool {
        loop {
            if !self.listens(ports) {
                return true;
            }
            if clock::monotonic() >= self.until {
                return self.kill();
            }
            self.process.gone_within(PORT_LOOK);
        }
    }

    fn listens(&self, ports: &[u16]) -> bool {
        let tree: Vec<&Held> = std::iter::once(self.process).chain(&self.below).filter(|process| !process.is_gone()).collect();
        match sys::listeners(&tree) {
            Some(listeners) => listeners.iter().any(|one| one.own && ports.contains(&one.address.port())),
            None if tree.is_empty() => false,
            // Not known on this system: whether somebody takes calls.
            None => ports.iter().any(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok()),
        }
    }

    /// Waits until it has ended, with all below it.
    pub fn finish(mut self) -> bool {
        if !self.is_ours && !self.process.is_gone() {
            return false;
        }
        let left = self.until.saturating_duration_since(clock::monotonic());
        if !self.process.gone_within(left) && !self.kill() {
            return false;
        }
        end(&self.below);
        true
    }

    fn kill(&mut self) -> bool {
        // Those it started meanwhile.
        merge(&mut self.below, sys::descendants(self.process));
        let _ = self.process.signal(Signal::KILL);
        for worker in &self.below {
            let _ = worker.signal(Signal::KILL);
        }
        self.process.gone_within(KILLED)
    }
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
