//! The hand-over: the new process loads beside the old one, which is asked to go only when the new one has
//! proven itself.
//!
//! The new one is held in the very call that asks for the port ([`super::door`]). There both sockets are made
//! to share the port, both processes listen, the new one proves its key, and the old one is asked to go: at no
//! time does nobody listen. Where the old socket can't be had, the old one is asked to go first and the new
//! one let in as soon as the port is free, which takes milliseconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::apply::Attempt;
use super::door::{Door, LogTail, Reached, Unshared};
use super::environment::{self, Environ};
use super::find::{matches, option};
use super::http::Line;
use super::keys_held::holds_keys;
use super::plain::{Down, Restarting, Up};
use super::prove::ANSWER;
use super::ready::own_addresses;
use super::stop::{Leaving, stop};
use super::sys::{self, Held};
use crate::config::Verify;

/// How two instances share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The new one is held right before it asks for the port.
    Door,
    /// Both listen of themselves.
    Both,
}

/// How a hand-over ended.
pub(super) enum Handed<'a> {
    /// The new one serves; the old one finishes its requests.
    Over(Up, Leaving<'a>),
    /// The new one is no good, and the old one was asked to go.
    Failed(Down, Leaving<'a>),
    /// The old one serves as before.
    Not(No),
}

/// Why there was no hand-over. The new one has been ended, or is about to be.
pub(super) enum No {
    /// The new one doesn't serve, since …
    Kept(String),
    /// What was to be done is no longer wanted, since …
    Superseded(String),
    /// The old one has to be stopped first, since …
    Impossible(String),
    /// The new one asked for the port too early.
    TooEarly,
}

/// A new one that goes by the door is started again as often; on a busy machine it may be too fast.
const TRIES: usize = 3;
/// LiteLLM's own port when none is named. Where it is taken, it silently listens on another.
const JUMPY_PORT: u16 = 4000;
/// What a second LiteLLM may need beyond the first one's memory.
const HEADROOM: u64 = 64 << 20;

/// Whether a process can be handed over, and how. The error says why it has to be stopped first.
pub(super) fn way(process: &Held, argv: &[Vec<u8>], ports: &[u16]) -> Result<Way, String> {
    if !matches(&["litellm".to_owned()], argv) {
        return Err("two of it side by side are known to work with LiteLLM alone".to_owned());
    }
    if ports.is_empty() {
        return Err("it doesn't listen".to_owned());
    }
    if sys::listeners(&[process]).is_none() {
        return Err("this system doesn't tell which of two listens".to_owned());
    }
    if ports.contains(&JUMPY_PORT) {
        return Err(format!("LiteLLM moves to another port where {JUMPY_PORT} is taken"));
    }
    enough_memory(process)?;
    if has_flag(argv, "--run_granian") {
        return Ok(Way::Both);
    }
    let several = option(argv, &["--num_workers"]).and_then(|count| count.to_str()?.parse::<u32>().ok()).is_some_and(|count| count > 1);
    if several || has_flag(argv, "--run_gunicorn") || workers_listen(process, ports) {
        return Err("its workers share one listener, which is made before they load".to_owned());
    }
    Ok(Way::Door)
}

/// Whether the processes below one listen on its ports; what they do on ports of their own (Prisma's engine)
/// is no matter.
fn workers_listen(process: &Held, ports: &[u16]) -> bool {
    let below = sys::descendants(process);
    let workers = sys::listeners(&below.iter().collect::<Vec<_>>()).unwrap_or_default();
    workers.iter().any(|one| one.own && ports.contains(&one.address.port()))
}

fn has_flag(argv: &[Vec<u8>], flag: &str) -> bool {
    argv.iter().any(|argument| argument == flag.as_bytes())
}

fn enough_memory(process: &Held) -> Result<(), String> {
    let used = size_of(process);
    let Some(free) = available_memory() else { return Ok(()) };
    if free >= used + HEADROOM {
        return Ok(());
    }
    Err(format!("there is memory for one alone ({} MB used, {} MB free)", used >> 20, free >> 20))
}

/// The memory of a process and all below it, in bytes.
fn size_of(process: &Held) -> u64 {
    let below = sys::descendants(process);
    std::iter::once(process).chain(&below).filter_map(sys::resident).sum()
}

fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory();
    (free > 0).then_some(free)
}

impl Restarting<'_, '_> {
    /// Has a new process take over from `old`.
    pub(super) fn hand_over<'a>(&mut self, old: &'a Held, environ: &Environ, way: Way, verify: Verify) -> Handed<'a> {
        for _ in 0..TRIES {
            // Before the new process writes to it.
            let mut log = self.memory.log.as_deref().and_then(LogTail::of);
            (self.attempt.progress)("loading the new one beside the old");
            let new = match self.starter.start(&self.memory.spec, environ, &self.memory.streams) {
                Ok(new) => new,
                // A small server on a busy machine: it found the port taken, and ended, before it could be taken hold of.
                Err(_) if log.as_mut().is_some_and(LogTail::was_refused) => continue,
                Err(why) => return Handed::Not(No::Kept(format!("it couldn't be started: {why}{}", self.memory.see_log()))),
            };
            let no = match self.replace(old, &new, environ, log, way, verify) {
                Ok((Ok(note), leaving)) => return Handed::Over(Up { process: new, note }, leaving),
                Ok((Err(why), leaving)) => return Handed::Failed(Down { why, process: Some(new) }, leaving),
                Err(no) => no,
            };
            match way {
                Way::Door => kill(&new),
                // Callers may have met it.
                Way::Both => drop(stop(&new, self.attempt.order.consumer.stop_timeout)),
            }
            match no {
                // It ended meanwhile, and isn't to be missed.
                No::Kept(why) if old.is_gone() => {
                    return Handed::Failed(Down { why, process: None }, Leaving::ask(old, Duration::ZERO));
                }
                No::TooEarly => {}
                no => return Handed::Not(no),
            }
        }
        Handed::Not(No::Impossible("the new one couldn't be held before it asked for the port".to_owned()))
    }

    /// Has `new` listen and `old` go, and tells what is to be said of the new one.
    fn replace<'a>(
        &mut self,
        old: &'a Held,
        new: &Held,
        environ: &Environ,
        log: Option<LogTail>,
        way: Way,
        verify: Verify,
    ) -> Result<(Result<String, String>, Leaving<'a>), No> {
        let ports = self.memory.place.ports();
        if way == Way::Both {
            // That it lives doesn't say that it listens.
            let seen = if verify == Verify::None { Verify::Readiness } else { verify };
            self.await_ready(new, seen, &Line::new(ANSWER)).map_err(No::Kept)?.ok();
            self.attempt.still_wanted()?;
            let (leaving, _) = self.dismiss(old, &ports);
            return Ok((self.check(new, environ, verify), leaving));
        }
        let door = self.reach_door(new, &ports, size_of(old), log)?;
        let below = sys::descendants(old);
        let tree: Vec<&Held> = std::iter::once(old).chain(&below).collect();
        match door.share(new, &tree, &ports) {
            Ok(shared) => {
                // The old one goes on, and the new one is tried.
                drop(door);
                let shared = Arc::new(shared);
                let dialed = Arc::clone(&shared);
                let line = Line::through(move |address| dialed.dial(address), ANSWER);
                let tried = self.check_by(new, environ, verify, &line).map_err(No::Kept).and_then(|note| {
                    self.attempt.still_wanted()?;
                    shared.switch().map_err(|error| No::Impossible(error.to_string()))?;
                    // Should it stay, callers have the new one all the same.
                    Ok((Ok(note), self.dismiss(old, &ports).0))
                });
                if tried.is_err() {
                    // While nobody is sent to it.
                    kill(new);
                }
                return tried;
            }
            // It is no longer at the door: for its sake the old one isn't to go.
            Err(Unshared::Died) => return Err(No::Kept(format!("it ended before it was ready{}", self.memory.see_log()))),
            Err(Unshared::LetIn) => return Err(No::Impossible("the new one has the port long before it listens".to_owned())),
            Err(Unshared::Held) => {}
        }
        self.attempt.still_wanted()?;
        door.outlive_us();
        let (leaving, is_free) = self.dismiss(old, &ports);
        if !is_free {
            return Err(No::Kept(format!("process {} can't be stopped", old.pid())));
        }
        drop(door);
        Ok((self.check(new, environ, verify), leaving))
    }

    fn reach_door<'n>(&self, new: &'n Held, ports: &[u16], size: u64, log: Option<LogTail>) -> Result<Door<'n>, No> {
        let patience = self.attempt.order.consumer.ready_timeout;
        let see_log = || self.memory.see_log();
        match Door::reached_by(new, ports, size, log, patience).map_err(No::Impossible)? {
            Reached::Door(door) => Ok(door),
            Reached::Died => Err(No::Kept(format!("it ended before it was ready{}", see_log()))),
            Reached::TimedOut => Err(No::Kept(format!("it was not ready within {} s{}", patience.as_secs(), see_log()))),
            Reached::Passed => Err(No::TooEarly),
        }
    }

    /// Has the old one give its ports up. Whether it did.
    fn dismiss<'a>(&mut self, old: &'a Held, ports: &[u16]) -> (Leaving<'a>, bool) {
        (self.attempt.progress)("handing over");
        let mut leaving = Leaving::ask(old, self.attempt.order.consumer.stop_timeout);
        let is_free = leaving.give_up(ports);
        (leaving, is_free)
    }
}

/// Clears away what a worker that was killed left of a hand-over. The processes that are still to have the
/// keys.
pub(super) fn clear(attempt: &Attempt<'_>, processes: Vec<Held>) -> Vec<Held> {
    let seen: Vec<Seen> = processes.into_iter().map(|process| Seen::of(attempt, process)).collect();
    let mut left = Vec::new();
    for (at, one) in seen.iter().enumerate() {
        let Seen { process, ports, is_new, .. } = one;
        // Its predecessors and successors: started as it was, with other keys.
        let mut others = seen.iter().filter(|other| other.is_new != *is_new && other.argv == one.argv);
        let is_held = *is_new && sys::is_stopped(process) && sys::leads_session(process);
        if is_held && others.clone().all(|old| old.ports.is_empty()) {
            // Nobody else serves: it gets the port.
            let _ = process.signal(rustix::process::Signal::CONT);
            left.push(at);
        } else if is_held || (*is_new && others.clone().any(|old| old.ports.iter().any(|port| ports.contains(port)))) {
            // Never proven, and the old one serves.
            kill(process);
        } else if !is_new && ports.is_empty() && others.any(|new| !new.ports.is_empty() && new.is_younger_than(process)) {
            // It was asked to go, and finishes its requests.
            stop(process, attempt.order.consumer.stop_timeout);
        } else {
            left.push(at);
        }
    }
    seen.into_iter().enumerate().filter(|(at, _)| left.contains(at)).map(|(_, one)| one.process).collect()
}

/// What there is to know of a process that may be from a hand-over.
struct Seen {
    process: Held,
    argv: Vec<Vec<u8>>,
    ports: Vec<u16>,
    is_new: bool,
}

impl Seen {
    fn of(attempt: &Attempt<'_>, process: Held) -> Self {
        let argv = process.argv().unwrap_or_default();
        Self {
            argv,
            ports: own_addresses(&process).iter().flatten().map(SocketAddr::port).collect(),
            is_new: holds_keys(attempt, &process),
            process,
        }
    }

    fn is_younger_than(&self, other: &Held) -> bool {
        self.process.start_ticks() > other.start_ticks()
    }
}

impl Attempt<'_> {
    /// Fails if the file has been edited since: what was ordered is no longer wanted.
    fn still_wanted(&self) -> Result<(), No> {
        let home = std::env::home_dir().unwrap_or_default();
        match environment::changes(&self.order.keys, self.salt, &home) {
            Ok(_) => Ok(()),
            Err(unfit) => Err(No::Superseded(unfit.to_string())),
        }
    }
}

/// Ends a new process that has served nobody yet.
fn kill(new: &Held) {
    for process in sys::descendants(new).iter().chain([new]) {
        let _ = process.signal(rustix::process::Signal::KILL);
    }
    new.gone_within(Duration::from_secs(10));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(argv: &[&str], ports: &[u16]) -> Result<Way, String> {
        let own = Held::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        let argv: Vec<Vec<u8>> = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        way(&own, &argv, ports)
    }

    #[test]
    fn only_what_can_have_a_second_one_beside_it_is_handed_over() {
        let litellm = ["/opt/bin/python3.11", "/opt/bin/litellm", "--config", "c.yaml", "--port", "8000"];
        assert_eq!(why_not(&litellm, &[8000]), Ok(Way::Door));
        assert_eq!(why_not(&[&litellm[..], &["--num_workers", "1"]].concat(), &[8000]), Ok(Way::Door));
        assert_eq!(why_not(&[&litellm[..], &["--run_granian", "--num_workers=2"]].concat(), &[8000]), Ok(Way::Both));
        assert!(why_not(&litellm, &[4000]).unwrap_err().contains("4000"));
        assert!(why_not(&litellm, &[]).unwrap_err().contains("doesn't listen"));
        assert!(why_not(&[&litellm[..], &["--num_workers=2"]].concat(), &[8000]).unwrap_err().contains("workers"));
        assert!(why_not(&[&litellm[..], &["--run_gunicorn"]].concat(), &[8000]).unwrap_err().contains("workers"));
        assert!(why_not(&["my-proxy", "--config", "x"], &[8000]).unwrap_err().contains("LiteLLM alone"));
    }
}
