//! `restart = "launchd"`: an agent of the user's launchd.
//!
//! An agent's environment is in its property list. Where a key stands there, that value alone is replaced and the
//! agent loaded again: `launchctl kickstart -k` would start it with the description as it was loaded. Where none of
//! the keys does, its own command fetches them, as a shell that sources the env file does, and `kickstart -k` is
//! enough. (`launchctl setenv` is no way: it gives the key to every program of the session, and takes it as an
//! argument, which everybody can see.)
//!
//! launchd can't run where the tests do: a stand-in for `launchctl` does (tests/data/launchctl).

mod launchctl;
mod plist;

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

use super::apply::{Attempt, End};
use super::environment::read_file;
use super::find::find;
use super::keys_held::await_successor;
use super::plain::{Memory, Restarting};
use super::start::Starter;
use super::sys::Held;
use crate::clock;
use crate::config::Verify;
use crate::core::Outcome;
use crate::secret::Secret;

#[cfg_attr(target_os = "linux", expect(unused_imports, reason = "asked where launchd is"))]
pub(super) use launchctl::label_of;

/// Has launchd restart the agent that runs a process. `known` are the pids of all the consumer's processes.
pub(super) fn restart(attempt: &mut Attempt<'_>, process: &Held, label: &str, known: &[i32]) -> End {
    let memory = match Memory::of(process, &attempt.order.consumer) {
        Ok(memory) => memory,
        Err(_) if process.is_gone() => return End::new(Outcome::Superseded, "it ended by itself: look again", None),
        Err(error) => return End::untouched(process, &format!("it can't be looked into ({error})")),
    };
    let change = match Change::of(attempt, label) {
        Ok(change) => change,
        Err(why) => return End::untouched(process, &why),
    };
    // launchd starts it: the starter is for processes of our own.
    let restarting = Restarting::new(attempt, memory, Starter::Child);
    AgentRestart { restarting, label, known, change }.run(process)
}

/// What changes in an agent's property list.
struct Change {
    plist: PathBuf,
    old: Secret,
    /// `None` where no key stands in it.
    new: Option<Secret>,
}

impl Change {
    /// The error says what is in the way.
    fn of(attempt: &Attempt<'_>, label: &str) -> Result<Self, String> {
        let path = launchctl::path(label)?;
        let old = read_file(&path).map_err(|error| format!("{} can't be read ({error})", path.display()))?;
        let text = std::str::from_utf8(old.expose()).ok();
        let found = text.and_then(|text| Some((text, plist::variables(text)?)));
        let (text, places) =
            found.ok_or_else(|| format!("{} is no property list in XML: plutil -convert xml1 makes it one", path.display()))?;
        let stands = |variable: &String| places.iter().any(|(name, _)| name == variable);
        let mut keys = attempt.order.keys.iter().map(|key| &key.variable);
        if !keys.any(stands) {
            return Ok(Self { plist: path, old, new: None });
        }
        let values = places.iter().filter_map(|(name, place)| Some((name, place, attempt.changes.get(name.as_bytes())?)));
        let values: Result<Vec<_>, String> = values
            .map(|(name, place, value)| {
                let escaped = plist::escape(value).ok_or_else(|| format!("a property list can't hold the value of {name}"));
                Ok((place.clone(), escaped?))
            })
            .collect();
        let new = Secret::new(plist::replaced(text, values?).into_bytes());
        let own = fs::symlink_metadata(&path).is_ok_and(|data| data.is_file());
        if own {
            Ok(Self { plist: path, old, new: Some(new) })
        } else {
            Err(format!("{} is a symlink, which isn't written through", path.display()))
        }
    }
}

struct AgentRestart<'a, 'b, 'r> {
    restarting: Restarting<'a, 'b>,
    label: &'r str,
    known: &'r [i32],
    change: Change,
}

impl AgentRestart<'_, '_, '_> {
    fn run(mut self, process: &Held) -> End {
        if let Some(new) = &self.change.new
            && let Err(error) = write(&self.change.plist, new)
        {
            return End::untouched(process, &format!("{} can't be written ({error})", self.change.plist.display()));
        }
        (self.restarting.attempt.progress)("stopping");
        match self.up() {
            Ok((pid, note)) => End::new(Outcome::Applied, note, Some(pid)),
            Err((why, up)) => self.go_back(&why, up),
        }
    }

    fn start(&self) -> Result<(), String> {
        if self.change.new.is_some() { launchctl::reload(self.label, &self.change.plist) } else { launchctl::kickstart(self.label) }
    }

    /// Has it come up with the keys ordered. The error says why that failed, with what came up.
    fn up(&mut self) -> Result<(i32, String), (String, Option<Held>)> {
        self.start().map_err(|why| (why, None))?;
        (self.restarting.attempt.progress)("waiting for a process with the new key");
        let end = clock::monotonic() + self.restarting.attempt.order.consumer.ready_timeout;
        let Some(new) = await_successor(self.restarting.attempt, self.known, end, || false) else {
            let lacks = format!(
                "{} was restarted, but doesn't get its key: give it one in EnvironmentVariables of {}",
                self.label,
                self.change.plist.display()
            );
            return Err((lacks, None));
        };
        let environ = self.restarting.memory.environ.overlaid(self.restarting.attempt.changes);
        let verify = self.restarting.attempt.order.consumer.verify;
        match self.restarting.check(&new, &environ, verify) {
            Ok(note) => Ok((new.pid(), note)),
            Err(why) => Err((why, Some(new))),
        }
    }

    /// Has it come up as it was before.
    fn go_back(&mut self, why: &str, up: Option<Held>) -> End {
        (self.restarting.attempt.progress)("going back");
        if self.change.new.is_none() {
            // What its own command reads can't be put back.
            let left = up.filter(|process| !process.is_gone()).or_else(|| self.successor());
            let outcome = if left.is_some() && self.serves(left.as_ref()).is_ok() { Outcome::RolledBack } else { Outcome::Failed };
            return End::new(outcome, why, left.as_ref().map(Held::pid));
        }
        let again = write(&self.change.plist, &self.change.old)
            .map_err(|error| format!("{} can't be written ({error})", self.change.plist.display()))
            .and_then(|()| self.start())
            .and_then(|()| {
                let end = clock::monotonic() + self.restarting.attempt.order.consumer.ready_timeout;
                let is_new = |process: &Held| up.as_ref().is_none_or(|up| up.pid() != process.pid());
                while clock::monotonic() < end {
                    if let Some(process) = self.successor().filter(is_new) {
                        return self.serves(Some(&process)).map(|()| process.pid());
                    }
                    std::thread::sleep(std::time::Duration::from_millis(200));
                }
                Err("it didn't come back".to_owned())
            });
        match again {
            Ok(pid) => End::new(Outcome::RolledBack, format!("it runs with its old key again, since with the new one {why}"), Some(pid)),
            Err(again) => {
                let detail = format!("it doesn't serve: with the new key {why}; with the old one {again}; see to it yourself");
                End::new(Outcome::Failed, detail, None)
            }
        }
    }

    /// A process of the consumer's that wasn't there before.
    fn successor(&self) -> Option<Held> {
        let found = find(&self.restarting.attempt.order.consumer.matches).unwrap_or_default();
        found.into_iter().find(|process| !self.known.contains(&process.pid()))
    }

    fn serves(&mut self, process: Option<&Held>) -> Result<(), String> {
        let process = process.ok_or("it doesn't run")?;
        let environ = process.environ().map_err(|error| error.to_string())?;
        let ready = if self.restarting.attempt.order.consumer.verify == Verify::None { Verify::None } else { Verify::Readiness };
        self.restarting.check(process, &environ, ready).map(drop)
    }
}

/// Whole or not at all; for this user alone, since there is a key in it.
fn write(path: &Path, bytes: &Secret) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes.expose())?;
    file.commit()
}
