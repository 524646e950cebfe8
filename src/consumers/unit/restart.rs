//! Restarting a unit with the keys ordered, and with the old ones where that fails.
//!
//! Whether a unit needs a file of variables from us is told beforehand, so that it is restarted once:
//!
//! - systemd would give it the new key by itself, since its `EnvironmentFile=` names the env file and
//!   systemd can read it (no `export`): a restart is enough;
//! - it has the variable, and nothing of systemd's explains that: its own command fetches the key, as a
//!   shell that sources the file does. A restart is enough, and where it turns out not to be, the file
//!   follows with a second one;
//! - else it gets the file.

use super::environment_file::fits;
use super::refresh::{Refresh, value};
use crate::config::Verify;
use crate::consumers::apply::{Attempt, End};
use crate::consumers::find::find;
use crate::consumers::keys_held::{has_keys, holds_keys};
use crate::consumers::plain::{Memory, Restarting};
use crate::consumers::start::Starter;
use crate::consumers::sys::{self, Bus, Held};
use crate::core::{Outcome, RunBy};

/// Restarts the unit that runs a process.
pub fn restart(attempt: &mut Attempt<'_>, process: &Held, unit: &str) -> End {
    let bus = match Bus::connect() {
        Ok(bus) => bus,
        Err(why) => return End::untouched(process, &why),
    };
    let unit = match bus.full_name(&with_suffix(unit)) {
        Ok(unit) => unit,
        Err(why) => return End::untouched(process, &format!("{unit} isn't known to systemd ({why})")),
    };
    if !sys::is_in_unit(process, &unit) {
        return End::untouched(process, &format!("{unit} doesn't run it: set unit to the one that does"));
    }
    let memory = match Memory::of(process, &attempt.order.consumer) {
        Ok(memory) => memory,
        Err(_) if process.is_gone() => return End::new(Outcome::Superseded, "it ended by itself: look again", None),
        Err(error) => return End::untouched(process, &format!("it can't be looked into ({error})")),
    };
    let refresh = match Refresh::of(&bus, &unit) {
        Ok(refresh) => refresh,
        Err(why) => return End::untouched(process, &why),
    };
    // systemd starts it: the starter is for processes of our own.
    let restarting = Restarting::new(attempt, memory, Starter::Child);
    UnitRestart { restarting, bus: &bus, unit: &unit, refresh }.run(process)
}

/// `systemctl restart litellm` means the service.
fn with_suffix(unit: &str) -> String {
    const SUFFIX: &str = ".service";
    if unit.ends_with(SUFFIX) { unit.to_owned() } else { format!("{unit}{SUFFIX}") }
}

/// How a unit comes by its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// systemd reads the env file for it.
    Given,
    /// Its own command does.
    Fetched,
    /// By a file of ours.
    Laid,
}

struct UnitRestart<'u, 'a, 'b> {
    restarting: Restarting<'a, 'b>,
    bus: &'u Bus,
    unit: &'u str,
    refresh: Refresh<'u>,
}

/// What came up with the keys, and what was proven.
struct Up {
    pid: i32,
    note: String,
}

/// An attempt that failed.
struct Down {
    why: String,
    /// It serves, though without the keys ordered.
    lacks_keys: bool,
}

impl UnitRestart<'_, '_, '_> {
    fn run(mut self, process: &Held) -> End {
        let way = match self.way() {
            Ok(way) => way,
            Err(why) => return End::untouched(process, &why),
        };
        if let Err(why) = self.lay(way) {
            let _ = self.refresh.put_back();
            return End::untouched(process, &why);
        }
        let mut result = self.serve(true);
        let mut way = way;
        if let Err(Down { lacks_keys: true, .. }) = &result
            && way != Way::Laid
        {
            way = Way::Laid;
            result = self.lay(way).map_err(|why| Down { why, lacks_keys: true }).and_then(|()| self.serve(true));
        }
        match result {
            Ok(up) if way == Way::Laid => End::new(Outcome::Applied, format!("{}; {}", up.note, self.refresh.told()), Some(up.pid)),
            Ok(up) => End::new(Outcome::Applied, up.note, Some(up.pid)),
            Err(down) => self.go_back(&down.why, way),
        }
    }

    /// How the unit will come by its keys. The error says what keeps it from them.
    fn way(&self) -> Result<Way, String> {
        let given = self.refresh.given(false)?;
        let laid = self.refresh.laid_before();
        let mut way = Way::Given;
        for name in self.key_names() {
            let new = self.restarting.attempt.changes.get(name);
            if new.is_some() && value(&given, name) == new {
                continue;
            }
            let has = self.restarting.memory.environ.get(name).is_some();
            if has && value(&given, name).is_none() && value(&laid, name).is_none() {
                way = Way::Fetched;
            } else {
                return Ok(Way::Laid);
            }
        }
        // A rejected key in the same file would come along.
        let comes_along = self.kept().any(|(name, old)| value(&given, name) != Some(old));
        match way {
            Way::Fetched if comes_along => {
                Err("its own command reads the env file, in which another key is rejected: put that right first".to_owned())
            }
            Way::Given if comes_along => Ok(Way::Laid),
            way => Ok(way),
        }
    }

    /// Keys that are withheld, with the values that it runs with.
    fn kept(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let old = &self.restarting.memory.environ;
        self.restarting.attempt.order.withheld.iter().filter_map(|name| Some((name.as_bytes(), old.get(name.as_bytes())?)))
    }

    fn key_names(&self) -> impl Iterator<Item = &[u8]> {
        self.restarting.attempt.order.keys.iter().map(|key| key.variable.as_bytes())
    }

    /// Lays over the unit what it needs. The error says what is in the way.
    fn lay(&self, way: Way) -> Result<(), String> {
        if way != Way::Laid {
            // What was needed once may stand in the way now.
            return if self.refresh.is_laid() { self.refresh.lay(NOTHING) } else { Ok(()) };
        }
        let changes = self.restarting.attempt.changes;
        for name in self.key_names() {
            let fit = changes.get(name).map_or(Ok(()), |value| fits(name, value));
            fit.map_err(|unfit| format!("systemd can't be given {}: it {}", String::from_utf8_lossy(name), unfit.why()))?;
        }
        // (What else doesn't fit, a prompt in colours for instance, isn't worth keeping a proxy on an old key.)
        let all = self.kept().chain(changes.assignments()).filter(|(name, value)| fits(name, value).is_ok());
        self.refresh.lay(Some(all))?;
        self.is_given(|name| changes.get(name))
    }

    /// Whether systemd, which has read its files again, will give the unit these values.
    fn is_given<'v>(&self, wanted: impl Fn(&[u8]) -> Option<&'v [u8]>) -> Result<(), String> {
        let given = self.refresh.given(true)?;
        match self.key_names().find(|name| wanted(name).is_some() && value(&given, name) != wanted(name)) {
            None => Ok(()),
            Some(name) => {
                let name = String::from_utf8_lossy(name);
                Err(format!("{} sets {name} in another file after credd's: see systemctl --user cat {}", self.unit, self.unit))
            }
        }
    }

    /// Has systemd restart it and sees to it that it serves, with the keys ordered and a proof of them where
    /// that is wanted.
    fn serve(&mut self, with_keys: bool) -> Result<Up, Down> {
        let down = |why: String| Down { why, lacks_keys: false };
        let see = format!("see journalctl --user -u {}", self.unit);
        let consumer = &self.restarting.attempt.order.consumer;
        let verify = consumer.verify;
        (self.restarting.attempt.progress)("stopping");
        let patience = consumer.stop_timeout + consumer.ready_timeout;
        let main = self.bus.restart(self.unit, patience).map_err(|why| down(format!("{} didn't come back: {why}; {see}", self.unit)))?;
        let new = Held::open(main).map_err(|_| down(format!("{} ended at once; {see}", self.unit)))?;
        let environ = self.restarting.memory.environ.overlaid(self.restarting.attempt.changes);
        let ready = if verify == Verify::None { Verify::None } else { Verify::Readiness };
        let failed = |why: String| down(format!("{why}; {see}"));
        let note = self.restarting.check(&new, &environ, ready).map_err(failed)?;
        if !with_keys {
            return Ok(Up { pid: main, note });
        }
        // Before the proof: a completion with the old key proves nothing.
        if !self.took_keys(&new) {
            return Err(Down { why: format!("{} was restarted, but doesn't get its key", self.unit), lacks_keys: true });
        }
        let note = if verify == Verify::Completion { self.restarting.check(&new, &environ, verify).map_err(failed)? } else { note };
        Ok(Up { pid: main, note })
    }

    /// Below a wrapper, the keys are in the environment of what it started.
    fn took_keys(&self, main: &Held) -> bool {
        let attempt = &*self.restarting.attempt;
        let run_by = RunBy::Systemd { unit: self.unit.to_owned() };
        let below = || find(&attempt.order.consumer.matches).unwrap_or_default();
        holds_keys(attempt, main) || below().iter().any(|process| sys::run_by(process) == run_by && holds_keys(attempt, process))
    }

    /// Gives it its old environment again.
    fn go_back(&mut self, why: &str, way: Way) -> End {
        (self.restarting.attempt.progress)("going back");
        let back = self.put_back();
        let again = match back.map_err(|why| Down { why, lacks_keys: false }).and_then(|()| self.serve(false)) {
            Ok(up) => up,
            Err(again) => {
                let unit = self.unit;
                let detail = match way {
                    Way::Fetched => format!(
                        "it doesn't serve: with the new key {why}; its own command reads the env file, so it can't be given the old one: put the file right, then: systemctl --user restart {unit}"
                    ),
                    Way::Given | Way::Laid => {
                        format!("it doesn't serve: with the new key {why}; with the old one {}; see to it yourself", again.why)
                    }
                };
                return End::new(Outcome::Failed, detail, None);
            }
        };
        let has_new = Held::open(again.pid).is_ok_and(|process| self.took_keys(&process));
        let already = has_keys(self.restarting.attempt, &self.restarting.memory.environ);
        if has_new && !already && way == Way::Fetched {
            let unit = self.unit;
            let detail = format!(
                "{why}; {unit} runs, but with the new key, since its own command reads it and can't be given the old one: put a key that works into the env file"
            );
            return End::new(Outcome::Failed, detail, Some(again.pid));
        }
        let detail = format!("it runs with its old key again, since with the new one {why}");
        End::new(Outcome::RolledBack, detail, Some(again.pid))
    }

    /// Has the unit start with the old values from now on.
    fn put_back(&self) -> Result<(), String> {
        self.refresh.put_back()?;
        let old = &self.restarting.memory.environ;
        if self.is_given(|name| old.get(name)).is_ok() {
            return Ok(());
        }
        // It reads the env file by itself, which has the new value: so it is told the old ones.
        let old = self.restarting.attempt.changes.assignments().filter_map(|(name, _)| Some((name, old.get(name)?)));
        self.refresh.lay(Some(old.filter(|(name, value)| fits(name, value).is_ok())))
    }
}

/// No variables at all.
const NOTHING: Option<std::iter::Empty<(&[u8], &[u8])>> = None;
