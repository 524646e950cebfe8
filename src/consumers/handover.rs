//! The hand-over: the new process loads beside the old one, which is asked to go only when the new one is
//! about to listen.

use super::apply::Attempt;
use super::door::{Door, LogTail, Reached};
use super::environment::{self, Environ};
use super::find::{matches, option};
use super::plain::{Down, Restarting, Up};
use super::ready::Waited;
use super::stop::Leaving;
use super::sys::{self, Held};

/// How two instances share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One after another: the new one is held right before it asks for the port.
    Door,
    /// Both listen (`SO_REUSEPORT`), and the old one goes when the new one does.
    Both,
}

/// How a hand-over ended.
pub(super) enum Handed<'a> {
    /// The new one serves; the old one finishes its requests.
    Over(Up, Leaving<'a>),
    /// The new one is no good, and the old one was asked to go.
    Failed(Down, Leaving<'a>),
    /// The old one serves as before: why the new one doesn't.
    Kept(String),
    /// The old one serves as before, and what was to be done is no longer wanted: why.
    Superseded(String),
    /// The old one serves as before; it has to be stopped first, since …
    Impossible(String),
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
    if ports.contains(&JUMPY_PORT) {
        return Err(format!("LiteLLM moves to another port where {JUMPY_PORT} is taken"));
    }
    enough_memory(process)?;
    if has_flag(argv, "--run_granian") {
        return Ok(Way::Both);
    }
    let below = sys::descendants(process);
    let workers = sys::listeners(&below.iter().collect::<Vec<_>>()).unwrap_or_default();
    let several = option(argv, &["--num_workers"]).and_then(|count| count.to_str()?.parse::<u32>().ok()).is_some_and(|count| count > 1);
    if several || has_flag(argv, "--run_gunicorn") || workers.iter().any(|one| one.own && ports.contains(&one.address.port())) {
        return Err("its workers share one listener, which is made before they load".to_owned());
    }
    Ok(Way::Door)
}

fn has_flag(argv: &[Vec<u8>], flag: &str) -> bool {
    argv.iter().any(|argument| argument == flag.as_bytes())
}

fn enough_memory(process: &Held) -> Result<(), String> {
    let below = sys::descendants(process);
    let used: u64 = std::iter::once(process).chain(&below).filter_map(sys::resident).sum();
    let Some(free) = available_memory() else { return Ok(()) };
    if free >= used + HEADROOM {
        return Ok(());
    }
    Err(format!("there is memory for one alone ({} MB used, {} MB free)", used >> 20, free >> 20))
}

fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let free = system.available_memory();
    (free > 0).then_some(free)
}

impl Restarting<'_, '_> {
    /// Has a new process take over from `old`.
    pub(super) fn hand_over<'a>(&mut self, old: &'a Held, environ: &Environ, way: Way, with_proof: bool) -> Handed<'a> {
        for _ in 0..TRIES {
            // Before the new process writes to it.
            let log = self.memory.log.as_deref().and_then(LogTail::of);
            (self.attempt.progress)("starting the new one beside the old");
            let new = match self.starter.start(&self.memory.spec, environ, &self.memory.streams) {
                Ok(new) => new,
                Err(why) => return Handed::Kept(format!("it couldn't be started: {why}{}", self.memory.see_log())),
            };
            match self.replace(old, &new, log, way) {
                Ok(leaving) => {
                    return match self.check(&new, environ, self.proof_of(with_proof)) {
                        Ok(note) => Handed::Over(Up { process: new, note }, leaving),
                        Err(why) => Handed::Failed(Down { why, process: Some(new) }, leaving),
                    };
                }
                Err(no) => {
                    kill(&new);
                    if let Some(handed) = no {
                        return handed;
                    }
                }
            }
        }
        Handed::Impossible("the new one couldn't be held before it asked for the port".to_owned())
    }

    /// Waits until `new` is about to listen, has `old` give its ports up, and lets `new` have them. The
    /// error is of a new one that is to be ended; `None` if it asked for the port too early.
    fn replace<'a>(&mut self, old: &'a Held, new: &Held, log: Option<LogTail>, way: Way) -> Result<Leaving<'a>, Option<Handed<'a>>> {
        let consumer = &self.attempt.order.consumer;
        let ports = self.memory.place.ports();
        (self.attempt.progress)("loading the new one beside the old");
        let reached = match way {
            Way::Door => {
                let reached = Door::reached_by(new, &ports, log, consumer.ready_timeout);
                reached.map_err(|why| Some(Handed::Impossible(why)))?.map(Some)
            }
            Way::Both => match self.memory.place.wait(new, consumer.ready_timeout) {
                Waited::Ready(_) => Reached::Door(None),
                Waited::Died => Reached::Died,
                Waited::Taken(_) => Reached::Passed,
                Waited::TimedOut => Reached::TimedOut,
            },
        };
        let log = self.memory.see_log();
        let kept = |why: String| Err(Some(Handed::Kept(why)));
        let door = match reached {
            Reached::Door(door) => door,
            Reached::Died => return kept(format!("it ended before it was ready{log}")),
            Reached::TimedOut => return kept(format!("it was not ready within {} s{log}", consumer.ready_timeout.as_secs())),
            Reached::Passed => return Err(None),
        };
        if let Some(why) = self.attempt.superseded() {
            return Err(Some(Handed::Superseded(why)));
        }
        (self.attempt.progress)("handing over");
        if let Some(door) = &door {
            door.outlive_us();
        }
        let mut leaving = Leaving::ask(old, consumer.stop_timeout);
        if leaving.give_up(&ports) { Ok(leaving) } else { kept(format!("process {} can't be stopped", old.pid())) }
    }
}

impl Attempt<'_> {
    /// Why what was ordered is no longer wanted, if the file has been edited since.
    fn superseded(&self) -> Option<String> {
        let home = std::env::home_dir().unwrap_or_default();
        environment::changes(&self.order.keys, self.salt, &home).err().map(|unfit| unfit.to_string())
    }
}

/// Ends a new process that has served nobody yet.
fn kill(new: &Held) {
    for process in sys::descendants(new).iter().chain([new]) {
        let _ = process.signal(rustix::process::Signal::KILL);
    }
    new.gone_within(std::time::Duration::from_secs(10));
}
