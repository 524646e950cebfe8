//! macOS (`FSEvents`) and others, through the `notify` crate; all files are looked at now and then
//! besides, as these systems are known to lose events.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::paths::Route;
use super::table::Touched;

/// What `notify`'s own thread has seen and the loop hasn't taken yet.
#[derive(Default)]
struct Seen {
    /// Last components of paths: the systems name the same directory in several ways
    /// (`/private/tmp` and `/tmp`).
    names: HashSet<OsString>,
    /// Events were lost, or one named nothing.
    all: bool,
}

/// Where events come from.
pub struct Source {
    watcher: RecommendedWatcher,
    seen: Arc<(Mutex<Seen>, Notify)>,
    directories: HashMap<PathBuf, HashSet<usize>>,
    names: HashMap<OsString, HashSet<usize>>,
    ties: HashMap<usize, (HashSet<PathBuf>, HashSet<OsString>)>,
}

impl Source {
    /// Opens the system's watcher.
    pub fn open() -> io::Result<Self> {
        let seen = Arc::new((Mutex::new(Seen::default()), Notify::new()));
        let teller = Arc::clone(&seen);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let mut seen = teller.0.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) if !event.need_rescan() && !event.paths.is_empty() => {
                    let names = event.paths.iter().filter_map(|path| path.file_name());
                    seen.names.extend(names.map(OsString::from));
                }
                _ => seen.all = true,
            }
            drop(seen);
            teller.1.notify_one();
        });
        Ok(Self {
            watcher: watcher.map_err(io::Error::other)?,
            seen,
            directories: HashMap::new(),
            names: HashMap::new(),
            ties: HashMap::new(),
        })
    }

    /// Watches a file's way instead of what was watched for it. Tells whether all of it could be.
    pub fn follow(&mut self, file: usize, route: &Route) -> io::Result<bool> {
        let mut covered = true;
        let mut directories = HashSet::new();
        let mut names = HashSet::new();
        for step in &route.steps {
            names.insert(step.name.clone());
            // A directory that is replaced is named in its own events.
            names.extend(step.directory.file_name().map(OsString::from));
            let known = self.directories.contains_key(&step.directory);
            let watched = known || self.watcher.watch(&step.directory, RecursiveMode::NonRecursive).is_ok();
            covered &= watched;
            if watched && directories.insert(step.directory.clone()) {
                let files = self.directories.entry(step.directory.clone());
                files.or_default().insert(file);
            }
        }
        for name in &names {
            self.names.entry(name.clone()).or_default().insert(file);
        }
        let (old_directories, old_names) = self.ties.remove(&file).unwrap_or_default();
        self.loosen(file, old_directories.difference(&directories), old_names.difference(&names));
        if !names.is_empty() {
            self.ties.insert(file, (directories, names));
        }
        Ok(covered)
    }

    /// Watches nothing for files whose number isn't below this.
    pub fn keep(&mut self, files: usize) {
        let needless: Vec<usize> = self.ties.keys().copied().filter(|&file| file >= files).collect();
        for file in needless {
            if let Some((directories, names)) = self.ties.remove(&file) {
                self.loosen(file, directories.iter(), names.iter());
            }
        }
    }

    fn loosen<'a>(&mut self, file: usize, directories: impl Iterator<Item = &'a PathBuf>, names: impl Iterator<Item = &'a OsString>) {
        for directory in directories {
            if let Some(files) = self.directories.get_mut(directory) {
                files.remove(&file);
                if files.is_empty() {
                    self.directories.remove(directory);
                    // It may be gone.
                    let _ = self.watcher.unwatch(directory);
                }
            }
        }
        for name in names {
            if let Some(files) = self.names.get_mut(name) {
                files.remove(&file);
                if files.is_empty() {
                    self.names.remove(name);
                }
            }
        }
    }

    /// How many watches are held.
    pub fn watches(&self) -> usize {
        self.directories.len()
    }

    /// Waits until there is something to [`Source::take`]. Cancel-safe.
    #[expect(clippy::unnecessary_wraps, reason = "inotify's can fail")]
    pub async fn ready(&self) -> io::Result<()> {
        self.seen.1.notified().await;
        Ok(())
    }

    /// Takes what happened.
    #[expect(clippy::unnecessary_wraps, reason = "inotify's can fail")]
    pub fn take(&mut self) -> io::Result<Touched> {
        let seen = std::mem::take(&mut *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner));
        let files = seen.names.iter().filter_map(|name| self.names.get(name));
        Ok(Touched { all: seen.all, perhaps: false, files: files.flatten().copied().collect() })
    }
}

/// Why watching failed, and what helps.
pub fn advice(error: &io::Error) -> String {
    format!("the system's file events don't work here ({error})")
}

/// Whether what is in a directory may have gone: nothing tells here, and the daemon looks now and then.
pub struct Presence;

impl Presence {
    /// Of a directory.
    pub fn of(_: &std::path::Path) -> Self {
        Self
    }

    /// Never comes.
    pub async fn stirred(&self) {
        std::future::pending().await
    }
}
