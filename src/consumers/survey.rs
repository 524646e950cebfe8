//! All processes of this user, whoever started them.

use std::os::unix::ffi::OsStrExt;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::find::{file_name, is_interpreter};
use super::sys::Held;
use crate::core::order;

/// A name that is longer than this is no name.
const LONGEST_NAME: usize = 40;

/// A process, held by its identity.
pub struct Seen {
    /// It.
    pub held: Held,
    /// The process that started it, or the one that has taken that one's place.
    pub parent: Option<i32>,
    /// Its name, and its script's where it is an interpreter; none of its other arguments, which may hold anything.
    pub name: String,
}

/// Every process of this user that can be held, oldest first. The error is of looking at processes at all.
pub fn survey() -> Result<Vec<Seen>, sysinfo::Error> {
    let mut system = System::new()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_user(UpdateKind::Always).without_tasks(),
    );
    let own = rustix::process::getuid().as_raw();
    let number = |pid: Pid| i32::try_from(pid.as_u32()).ok();
    let mut seen: Vec<Seen> = system
        .processes()
        .iter()
        .filter(|(_, process)| process.thread_kind().is_none() && process.user_id().is_some_and(|uid| **uid == own))
        .filter_map(|(pid, process)| {
            let held = Held::open(number(*pid)?).ok()?;
            Some(Seen { held, parent: process.parent().and_then(number), name: name(process) })
        })
        .collect();
    order::sort_by_key(&mut seen, |seen| (seen.held.start_ticks(), seen.held.pid()));
    Ok(seen)
}

fn name(process: &sysinfo::Process) -> String {
    let name: String = process.name().to_string_lossy().chars().take(LONGEST_NAME).collect();
    let argv = process.cmd();
    let script = argv.get(1).map(|word| file_name(word.as_bytes())).filter(|script| {
        argv.first().is_some_and(|first| is_interpreter(first.as_bytes())) && !script.starts_with(b"-") && script.len() <= LONGEST_NAME
    });
    match script {
        Some(script) if !script.is_empty() && script != name.as_bytes() => format!("{name} {}", String::from_utf8_lossy(script)),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_among_them() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let all = survey().unwrap();
        let own = all.iter().find(|seen| seen.held.pid() == pid).unwrap();
        assert!(!own.name.is_empty());
        assert_ne!(own.parent, None);
    }
}
