//! Who looks after a process.

use std::fs;

use super::procfs::{self, Stat};
use super::{Bus, Held};
use crate::consumers::find::file_name;
use crate::core::RunBy;

/// Programs that start another in a unit's place and wait for it: where one of them is the unit's main
/// process, its child in the same session is what the unit is for.
const WRAPPERS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "fish",
    "env",
    "timeout",
    "nice",
    "ionice",
    "uv",
    "uvx",
    "poetry",
    "pipenv",
    "pipx",
    "pdm",
    "hatch",
    "rye",
    "conda",
    "micromamba",
];

/// Whether a process is what a unit of the user's systemd runs.
///
/// Being in the unit's control group isn't enough: a LiteLLM that was started by hand in a terminal is in
/// the terminal's, and restarting that would close the user's windows. It must be the unit's main
/// process, or a wrapper must be, with the process below it in the same session (a terminal's shells
/// lead sessions of their own). Units that credd itself made count as plain processes, and so does
/// everything where the user's systemd can't be asked.
pub fn run_by(process: &Held) -> RunBy {
    unit_of(process).map_or(RunBy::Process, |unit| RunBy::Systemd { unit })
}

/// The id of the container that a process is in, by the name of its control group (Docker's `docker-ID.scope` and
/// `/docker/ID`).
pub fn container_of(process: &Held) -> Option<String> {
    procfs::container(&fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).ok()?).map(str::to_owned)
}

/// Whether a process is in the control group of a unit of the user's systemd.
pub fn is_in_unit(process: &Held, unit: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).unwrap_or_default();
    procfs::user_service(&text, rustix::process::getuid().as_raw()) == Some(unit)
}

fn unit_of(process: &Held) -> Option<String> {
    let cgroup = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok();
    let text = cgroup(&process.pid().to_string())?;
    let uid = rustix::process::getuid().as_raw();
    let unit = procfs::user_service(&text, uid)?;
    let own = cgroup("self");
    let own = own.as_deref().and_then(|text| procfs::user_service(text, uid));
    if unit == "credd.service" || unit.starts_with("credd-") || own == Some(unit) {
        return None;
    }
    let main = Bus::connect().ok()?.main_pid(unit).ok()?;
    (main == process.pid() || (!unit.starts_with("app-") && is_wrapped(process, main))).then(|| unit.to_owned())
}

fn is_wrapped(process: &Held, main: i32) -> bool {
    let Ok(wrapper) = Held::open(main) else {
        return false;
    };
    let known = wrapper.argv().is_ok_and(|argv| {
        argv.iter()
            // The wrapper itself, or the interpreter and then the wrapper.
            .take(2)
            .any(|word| WRAPPERS.iter().any(|name| name.as_bytes() == file_name(word)))
    });
    let session = |pid| Stat::of(pid).ok().map(|stat| stat.session);
    let same_session = session(process.pid()).is_some_and(|own| session(main) == Some(own));
    let mut ancestors = std::iter::successors(Stat::of(process.pid()).ok(), |stat| Stat::of(stat.ppid).ok());
    known && same_session && ancestors.any(|stat| stat.ppid == main)
}
