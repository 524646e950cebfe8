//! The user's command at work.

use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::ffi::OsString;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use zeroize::Zeroizing;

use crate::bounded::{self, Ended, Said};
use crate::clock;
use crate::consumers::environment::Environ;
#[cfg(target_os = "linux")]
use crate::consumers::file_safe;
#[cfg(target_os = "linux")]
use crate::consumers::launch::LaunchSpec;
use crate::consumers::program;
use crate::consumers::start::Starter;
use crate::consumers::sys::{self, Held};
use crate::worker::job::ApplyOrder;

/// Of what it says, at least so much from the end is kept: far more than is shown, so that what is cut off in
/// the middle isn't.
const KEPT: usize = 16 * 1024;

/// A command under way.
pub(super) struct Running {
    leader: Leader,
    said: Said,
    limit: Duration,
    end: Instant,
}

/// What a command said, not fit to be shown.
pub(super) struct Output {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) is_cut: bool,
}

/// The command's first process.
enum Leader {
    /// Below this worker.
    Child(Child),
    /// In a transient unit of the user's systemd: the daemon is a service itself, and what the command leaves
    /// in the background would have its sandbox, and stay in its control group.
    #[cfg(target_os = "linux")]
    Unit(sys::Bus, String),
}

impl Running {
    /// Starts it. The error says why it couldn't be; then nothing has happened.
    pub(super) fn start(starter: &Starter, order: &ApplyOrder, environ: &Environ) -> Result<Self, String> {
        let consumer = &order.consumer;
        let argv: Vec<&OsStr> = consumer.command.iter().map(OsStr::new).collect();
        let name = consumer.command.first().ok_or("command is empty")?;
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let file = program::look_up(name.as_bytes(), &home, environ.get(b"PATH"));
        let file = file.ok_or_else(|| format!("its command {name} isn't there, or can't be executed"))?;
        let say = |error: std::io::Error| format!("its command {name} can't be run ({error})");
        let (said, out) = Said::pipe(KEPT).map_err(say)?;
        let err = out.try_clone().map_err(say)?;
        let limit = consumer.stop_timeout + consumer.ready_timeout;
        let leader = match starter {
            Starter::Child => Leader::Child(bounded::spawn(&file, &argv, &home, environ.entries(), [out, err]).map_err(say)?),
            #[cfg(target_os = "linux")]
            Starter::Unit { program, .. } => {
                let task = Task { order, file: &file, argv: &argv, home: &home, environ };
                task.in_unit(program, [&out, &err])?
            }
        };
        Ok(Self { leader, said, limit, end: clock::monotonic() + limit })
    }

    /// Waits until it has ended, or kills all of it at its time limit, but for a process that `wanted` finds
    /// then.
    pub(super) fn finish(mut self, wanted: impl FnOnce() -> Option<Held>) -> (Ended, Output) {
        let leader = &mut self.leader;
        let ended = bounded::follow(&mut [&mut self.said], self.end, || leader.end());
        if ended.is_none() {
            self.leader.kill(wanted().as_ref());
        }
        self.leader.forget();
        let output = Output { bytes: Zeroizing::new(self.said.bytes().to_vec()), is_cut: self.said.is_cut() };
        self.said.leave();
        (ended.unwrap_or(Ended::Not(self.limit)), output)
    }
}

/// What a unit is to run.
#[cfg(target_os = "linux")]
struct Task<'t> {
    order: &'t ApplyOrder,
    file: &'t Path,
    argv: &'t [&'t OsStr],
    home: &'t Path,
    environ: &'t Environ,
}

#[cfg(target_os = "linux")]
impl Task<'_> {
    /// Starts it in a unit. The environment goes the way of a consumer's: no key in a property.
    fn in_unit(&self, own: &str, [out, err]: [&OwnedFd; 2]) -> Result<Leader, String> {
        let bus = sys::Bus::connect()?;
        let consumer = &self.order.consumer;
        let spec = LaunchSpec {
            program: self.file.to_owned(),
            argv: self.argv.iter().map(OsString::from).collect(),
            dir: self.home.to_owned(),
            umask: None,
            nice: None,
            limits: Vec::new(),
            stdin: None,
            follower: None,
        };
        let bytes = spec.encode(self.environ).map_err(|error| error.to_string())?;
        let source = sys::spec_file(&bytes).map_err(|error| error.to_string())?;
        let name = bus.free_name(&format!("credd-{}-command", file_safe(consumer.name.as_str())))?;
        bus.start_command(&sys::Unit {
            name: &name,
            description: &format!("The command that restarts {}, run by credd", consumer.name),
            exec: (own, &[own, "launch"]),
            stdio: [&source, out, err],
            stop_timeout: consumer.stop_timeout,
        })?;
        Ok(Leader::Unit(bus, name))
    }
}

impl Leader {
    fn end(&mut self) -> Option<Ended> {
        match self {
            Self::Child(child) => bounded::end_of(child),
            #[cfg(target_os = "linux")]
            Self::Unit(bus, name) => match bus.command_end(name) {
                Ok(None) => None,
                Ok(Some((1, status))) => Some(Ended::Exit(status)),
                Ok(Some((_, signal))) => Some(Ended::Signal(signal)),
                // Somebody stopped it.
                Err(_) => Some(Ended::Signal(0)),
            },
        }
    }

    fn pid(&self) -> Option<i32> {
        match self {
            Self::Child(child) => i32::try_from(child.id()).ok(),
            #[cfg(target_os = "linux")]
            Self::Unit(bus, name) => bus.main_pid(name).ok(),
        }
    }

    /// Kills all that it started; where one of that is to be spared, all else.
    fn kill(&mut self, spared: Option<&Held>) {
        let Some(pid) = self.pid() else { return };
        match (spared, Held::open(pid)) {
            (Some(spared), Ok(leader)) => {
                let mut kept: Vec<i32> = sys::descendants(spared).iter().map(Held::pid).collect();
                kept.push(spared.pid());
                for process in sys::descendants(&leader).iter().filter(|process| !kept.contains(&process.pid())) {
                    let _ = process.signal(Signal::KILL);
                }
                let _ = leader.signal(Signal::KILL);
            }
            _ => bounded::kill_group(pid),
        }
        match self {
            // SIGKILL is not to be ignored: this ends.
            Self::Child(child) => drop(child.wait()),
            #[cfg(target_os = "linux")]
            Self::Unit(..) => {}
        }
    }

    fn forget(&self) {
        match self {
            Self::Child(_) => {}
            #[cfg(target_os = "linux")]
            Self::Unit(bus, name) => bus.forget(name),
        }
    }
}
