//! One look at all processes, for any number of consumers.
//!
//! What is cheap to tell of each process, its command line, is asked of all; everything else is asked of sysinfo,
//! about those that match and their ancestors alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::find::{called, matches};
use super::sys::{self, Held};
use crate::clock;
use crate::core::order;

/// For how long one look serves: what starts while a container engine takes its seconds for one consumer is seen
/// for the next.
const FRESH: Duration = Duration::from_millis(100);

/// Finds the processes of consumers.
pub struct Lookup {
    /// Pids of the top-level processes that match the words, as of the last look.
    found: BTreeMap<Vec<String>, Vec<i32>>,
    looked_at: Option<Instant>,
}

impl Lookup {
    /// Looks for all of these at once, when the first is asked for.
    pub fn new<'w>(wanted: impl IntoIterator<Item = &'w [String]>) -> Self {
        Self { found: order::gathered(wanted.into_iter().map(|words| (words.to_vec(), Vec::new()))), looked_at: None }
    }

    /// Every top-level process of this user that matches, oldest first, each held by its identity.
    ///
    /// A process that ends meanwhile is left out, and so is one of another PID namespace (a container's): its
    /// program and files aren't this system's. The error is of looking at processes at all.
    pub fn find(&mut self, words: &[String]) -> io::Result<Vec<Held>> {
        let mut held = self.all(words)?;
        held.retain(sys::is_native);
        Ok(held)
    }

    /// Matching processes of this user in other PID namespaces: those of containers, seen from outside.
    pub fn contained(&mut self, words: &[String]) -> io::Result<Vec<Held>> {
        let mut held = self.all(words)?;
        held.retain(|process| !sys::is_native(process));
        Ok(held)
    }

    fn all(&mut self, words: &[String]) -> io::Result<Vec<Held>> {
        let mut held: Vec<Held> = self
            .candidates(words)?
            .iter()
            .filter_map(|pid| Held::open(*pid).ok())
            // Looked up by a number that may have changed hands since: ask the one that is held.
            .filter(|process| process.argv().is_ok_and(|argv| matches(words, &argv)))
            .collect();
        order::sort_by_key(&mut held, |process| (process.start_ticks(), process.pid()));
        Ok(held)
    }

    /// Pids of matching processes of this user without a matching ancestor.
    fn candidates(&mut self, words: &[String]) -> io::Result<&[i32]> {
        let now = clock::monotonic();
        let is_fresh = self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < FRESH);
        if !is_fresh || !self.found.contains_key(words) {
            self.found.entry(words.to_vec()).or_default();
            self.look()?;
            self.looked_at = Some(now);
        }
        Ok(self.found.get(words).map(Vec::as_slice).unwrap_or_default())
    }

    fn look(&mut self) -> io::Result<()> {
        // By program, so that a process is compared with those that it could be, not with all.
        let mut by_program: HashMap<&[u8], Vec<_>> = HashMap::new();
        for (words, pids) in &mut self.found {
            pids.clear();
            if let Some(program) = words.first() {
                by_program.entry(program.as_bytes()).or_default().push((words.as_slice(), pids));
            }
        }
        sys::each_command_line(&mut |pid, argv| {
            for name in called(argv) {
                for (words, pids) in by_program.get_mut(name).into_iter().flatten() {
                    // It may be called by the same name twice.
                    if pids.last() != Some(&pid) && matches(words, argv) {
                        pids.push(pid);
                    }
                }
            }
        })?;
        if self.found.values().all(Vec::is_empty) {
            return Ok(());
        }
        let system = with_ancestors(self.found.values().flatten().copied())?;
        for pids in self.found.values_mut() {
            *pids = topmost(pids, &system);
        }
        Ok(())
    }
}

/// What sysinfo says of some processes and of all above them.
fn with_ancestors(pids: impl Iterator<Item = i32>) -> io::Result<System> {
    let mut system = System::new().map_err(|error| io::Error::other(error.to_string()))?;
    let mut asked = HashSet::new();
    let mut next: Vec<Pid> = pids.filter_map(|pid| u32::try_from(pid).ok()).map(Pid::from_u32).filter(|pid| asked.insert(*pid)).collect();
    while !next.is_empty() {
        let kind = ProcessRefreshKind::nothing().with_user(UpdateKind::Always).without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&next), false, kind);
        next = next.iter().filter_map(|pid| system.process(*pid)?.parent()).filter(|pid| asked.insert(*pid)).collect();
    }
    Ok(system)
}

/// Of processes that match, those that are this user's and have none of them above them.
fn topmost(pids: &[i32], system: &System) -> Vec<i32> {
    let own = rustix::process::getuid().as_raw();
    let is_ours = |pid: &Pid| {
        let process = system.process(*pid);
        process.is_some_and(|process| process.thread_kind().is_none() && process.user_id().is_some_and(|uid| **uid == own))
    };
    let matching: HashSet<Pid> = pids.iter().filter_map(|pid| u32::try_from(*pid).ok()).map(Pid::from_u32).filter(is_ours).collect();
    let parent = |pid: &Pid| system.process(*pid)?.parent();
    let is_below_another = |pid: Pid| {
        // Bounded, since the table isn't one instant's and could show a circle.
        std::iter::successors(parent(&pid), parent).take(system.processes().len()).any(|ancestor| matching.contains(&ancestor))
    };
    matching.iter().filter(|pid| !is_below_another(**pid)).filter_map(|pid| i32::try_from(pid.as_u32()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn words(program: &str) -> Vec<String> {
        vec![program.to_owned(), "600".to_owned()]
    }

    /// Two processes that are called so, and their parent.
    struct Family(Child);

    impl Family {
        fn new(name: &str, other: &str) -> Self {
            let script = format!("(exec -a {name} sleep 600) & (exec -a {other} sleep 600) & wait");
            Self(Command::new("bash").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap())
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            let parent = Held::open(i32::try_from(self.0.id()).unwrap()).unwrap();
            for below in sys::descendants(&parent) {
                let _ = below.signal(rustix::process::Signal::KILL);
            }
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn until_found(lookup: &mut Lookup, words: &[String]) -> Vec<Held> {
        for _ in 0..1000 {
            let found = lookup.find(words).unwrap();
            if !found.is_empty() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never found: {words:?}");
    }

    #[test]
    fn one_look_serves_all_and_each_gets_its_own() {
        let (one, two) = (words("credd-lookup-one"), words("credd-lookup-two"));
        let _family = Family::new(&one[0], &two[0]);
        until_found(&mut Lookup::new([&two[..]]), &two);
        until_found(&mut Lookup::new([&one[..]]), &one);
        let mut lookup = Lookup::new([&one[..], &two[..]]);
        let first = lookup.find(&one).unwrap();
        let looked_at = lookup.looked_at;
        let second = lookup.candidates(&two).unwrap().to_vec();
        // On a machine that took longer than this for two lines, there is nothing to be told.
        if clock::monotonic().saturating_duration_since(looked_at.unwrap()) < FRESH {
            assert_eq!(lookup.looked_at, looked_at);
        }
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first[0].pid(), second[0]);
        assert!(lookup.contained(&one).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_named_at_first_is_looked_for_all_the_same() {
        let name = words("credd-lookup-late");
        let _family = Family::new(&name[0], "credd-lookup-other");
        until_found(&mut Lookup::new([&name[..]]), &name);
        let mut lookup = Lookup::new([]);
        assert!(lookup.find(&words("credd-lookup-none")).unwrap().is_empty());
        assert_eq!(lookup.find(&name).unwrap().len(), 1);
    }

    #[test]
    fn a_huge_command_line_is_read_to_its_end() {
        let zeros = "0".repeat(100_000);
        let mut child =
            Command::new("sleep").arg0("credd-lookup-huge").args(vec![&zeros; 15]).arg("600").stdin(Stdio::null()).spawn().unwrap();
        let name = words("credd-lookup-huge");
        let found = until_found(&mut Lookup::new([&name[..]]), &name);
        assert_eq!(u32::try_from(found[0].pid()), Ok(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_starts_after_the_look_is_seen_by_the_next() {
        let name = words("credd-lookup-young");
        let mut lookup = Lookup::new([&name[..]]);
        assert!(lookup.find(&name).unwrap().is_empty());
        let _family = Family::new(&name[0], "credd-lookup-other");
        assert_eq!(until_found(&mut lookup, &name).len(), 1);
    }
}
