//! A unit of the user's systemd: systemd restarts it, from its own description.

use super::apply::{Attempt, End};
use super::sys::Held;

/// Restarts a unit and looks whether it came back with the keys ordered.
///
/// A unit's environment comes from its own files. It can't be given one from outside without the keys
/// standing in a property that every process of the user can read, so a unit that doesn't read the env
/// file itself is reported, not changed.
#[cfg(target_os = "linux")]
pub(super) fn restart(attempt: &mut Attempt<'_>, process: &Held, unit: &str) -> End {
    use super::find::find;
    use super::ready::{Place, Waited};
    use super::sys::{self, Bus};
    use crate::config::Verify;
    use crate::core::{Outcome, RunBy};

    let consumer = &attempt.order.consumer;
    let bus = match Bus::connect() {
        Ok(bus) => bus,
        Err(why) => return End::untouched(process, &why),
    };
    let argv = process.argv().unwrap_or_default();
    let place = Place::of(process, &argv, consumer.url.as_deref());
    let see = format!("see journalctl --user -u {unit}");
    (attempt.progress)("stopping");
    let patience = consumer.stop_timeout + consumer.ready_timeout;
    let main = match bus.restart(unit, patience) {
        Ok(main) => main,
        Err(why) => {
            return End::new(Outcome::Failed, format!("{unit} didn't come back: {why}; {see}"), None);
        }
    };
    let Ok(new) = Held::open(main) else {
        return End::new(Outcome::Failed, format!("{unit} ended at once; {see}"), None);
    };
    if consumer.verify != Verify::None {
        (attempt.progress)("waiting until it is ready");
        match place.wait(&new, consumer.ready_timeout) {
            Waited::Ready(_) => {}
            Waited::Died => {
                return End::new(Outcome::Failed, format!("{unit} ended before it was ready; {see}"), None);
            }
            Waited::Taken(port) => {
                let detail = format!("{unit} found its port {port} taken by another process");
                return End::new(Outcome::Failed, detail, Some(main));
            }
            Waited::TimedOut => {
                return End::new(Outcome::Failed, format!("{unit} was not ready in time; {see}"), Some(main));
            }
        }
    }
    let has_keys = |process: &Held| {
        process.environ().is_ok_and(|environ| {
            attempt.order.keys.iter().all(|key| {
                let value = environ.get(key.variable.as_bytes());
                value.is_some_and(|value| attempt.salt.fingerprint(value) == key.fingerprint)
            })
        })
    };
    // Below a wrapper, the keys are in the environment of what it started.
    let took_it = has_keys(&new) || {
        let run_by = RunBy::Systemd { unit: unit.to_owned() };
        let matching = find(&consumer.matches).unwrap_or_default();
        matching.iter().any(|process| sys::run_by(process) == run_by && has_keys(process))
    };
    if took_it {
        End::new(Outcome::Applied, format!("{unit} was restarted and has the new key"), Some(main))
    } else {
        let file = attempt.order.keys.first().map_or_else(String::new, |key| key.env_file.display().to_string());
        let detail = format!(
            "{unit} was restarted, but doesn't take its key from {file}: start it through a shell that sources the file, or set restart = \"process\""
        );
        End::new(Outcome::RolledBack, detail, Some(main))
    }
}

/// There is no systemd.
#[cfg(not(target_os = "linux"))]
pub(super) fn restart(_attempt: &mut Attempt<'_>, process: &Held, unit: &str) -> End {
    End::untouched(process, &format!("there is no systemd here to restart {unit}"))
}
