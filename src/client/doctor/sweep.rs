//! Looks for keys where they shouldn't be: in processes, start-up files and copies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::look;
use super::walk::{self, Places, Sort};
use super::wanted::Keys;
use crate::clock;
use crate::consumers::environment::Environ;
use crate::consumers::survey::{Seen, survey};
use crate::consumers::sys;
use crate::core::Fingerprint;
use crate::core::order;

/// For all files together.
const LIMIT: Duration = Duration::from_secs(2);

/// A process that was started with a key that has been replaced since.
#[derive(Debug, PartialEq, Eq)]
pub struct InProcess {
    /// Which key.
    pub print: Fingerprint,
    /// Its process.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// How many that it started, or those did, have the key too.
    pub below: usize,
    /// It is credd itself: the shell that started it has the key.
    pub is_here: bool,
}

/// A file that has a key in it.
#[derive(Debug, PartialEq, Eq)]
pub struct InFile {
    /// Which key.
    pub print: Fingerprint,
    /// Which file.
    pub path: PathBuf,
    /// What that is.
    pub sort: Sort,
    /// The first line with the key.
    pub line: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Sightings {
    /// The topmost processes, oldest first.
    pub processes: Vec<InProcess>,
    /// Files.
    pub files: Vec<InFile>,
    /// Why there may be more, in one sentence each.
    pub missed: Vec<String>,
}

/// Looks everywhere. `consumers` are processes that the daemon looks after.
pub fn sweep(keys: &Arc<Keys>, mut places: Places, consumers: &[i32]) -> Sightings {
    let mut sightings = Sightings::default();
    if keys.is_empty() {
        return sightings;
    }
    match survey() {
        Ok(seen) => {
            places.working_dirs.extend(working_dirs(&seen, consumers));
            sightings.processes = in_processes(keys, &seen, consumers);
        }
        Err(error) => sightings.missed.push(format!("processes can't be looked at: {error}")),
    }
    in_files(keys, places, &mut sightings);
    sightings
}

/// Where consumers run: they may read an `.env` there.
fn working_dirs(seen: &[Seen], consumers: &[i32]) -> Vec<PathBuf> {
    let of_consumers = seen.iter().filter(|seen| consumers.contains(&seen.held.pid()));
    of_consumers.filter_map(|seen| Some(sys::traits(&seen.held, &seen.held.environ().ok()?).ok()?.dir)).collect()
}

fn in_processes(keys: &Keys, seen: &[Seen], consumers: &[i32]) -> Vec<InProcess> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let parents: HashMap<i32, i32> = seen.iter().filter_map(|seen| Some((seen.held.pid(), seen.parent?))).collect();
    // Bounded, since the table isn't one instant's and could show a circle.
    let line = |pid: i32| std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(parents.len() + 1);
    let mut holders: BTreeMap<Fingerprint, Vec<(i32, &str)>> = BTreeMap::new();
    for process in seen {
        let pid = process.held.pid();
        if line(pid).any(|pid| consumers.contains(&pid)) {
            continue;
        }
        // Whoever hides its environment, or has ended, is passed over. This process hides its own.
        let environ = if pid == own { Ok(Environ::own()) } else { process.held.environ() };
        let Ok(environ) = environ else { continue };
        for print in keys.replaced_in(environ.entries()) {
            holders.entry(print).or_default().push((pid, &process.name));
        }
    }
    let mut found = Vec::new();
    for (print, holders) in holders {
        let pids = order::each_once(holders.iter().map(|(pid, _)| *pid));
        let top = |pid: i32| line(pid).filter(|pid| pids.binary_search(pid).is_ok()).last();
        for (pid, name) in holders.iter().filter(|(pid, _)| top(*pid) == Some(*pid)) {
            let below = pids.iter().filter(|other| **other != *pid && **other != own && top(**other) == Some(*pid)).count();
            found.push(InProcess { print, pid: *pid, name: (*name).to_owned(), below, is_here: *pid == own });
        }
    }
    found
}

/// In a thread of its own: a file system that doesn't answer holds up that one alone.
fn in_files(keys: &Arc<Keys>, places: Places, sightings: &mut Sightings) {
    let (sender, receiver) = mpsc::channel();
    let end = clock::monotonic() + LIMIT;
    let keys = Arc::clone(keys);
    std::thread::spawn(move || search(&keys, &places, end, &sender));
    loop {
        // A file that is being read may take a moment longer.
        match receiver.recv_timeout((end + LIMIT / 4).saturating_duration_since(clock::monotonic())) {
            Ok(Told::Found(found)) => sightings.files.push(found),
            Ok(Told::Missed(why)) => sightings.missed.push(why),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                sightings.missed.push("not all files could be looked at in time: a file system doesn't answer".to_owned());
                return;
            }
        }
    }
}

enum Told {
    Found(InFile),
    Missed(String),
}

fn search(keys: &Keys, places: &Places, end: Instant, told: &Sender<Told>) {
    let mut seen = BTreeSet::new();
    let mut late = false;
    let whole = walk::walk(places, &mut |sort, path| {
        late = late || clock::monotonic() >= end;
        if !late {
            for found in in_file(keys, sort, path, &mut seen) {
                let _ = told.send(Told::Found(found));
            }
        }
    });
    if late {
        let _ = told.send(Told::Missed(format!("not all files could be looked at within {} s", LIMIT.as_secs())));
    } else if !whole {
        let _ = told.send(Told::Missed("not all files could be looked at: there are too many in the home directory".to_owned()));
    }
}

/// A file is read once, whatever names it has: as the first of them.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "widths differ between systems")]
fn in_file(keys: &Keys, sort: Sort, path: &Path, seen: &mut BTreeSet<(u64, u64)>) -> Vec<InFile> {
    let Some((text, stat)) = look::read(path) else { return Vec::new() };
    if !seen.insert((stat.st_dev as u64, stat.st_ino as u64)) {
        return Vec::new();
    }
    let found = keys.in_text(&text).into_iter();
    found.map(|(print, line)| InFile { print, path: path.to_owned(), sort, line }).collect()
}
