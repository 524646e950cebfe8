//! Hints that an env file may have changed, without a thread and without waking up while nothing
//! happens.
//!
//! A hint says "look", no more: what is in the file, and whether its writer is done, is told by a
//! worker that reads it ([`crate::worker`]), after the core has waited for quiet.
//!
//! On Linux, every name on the way to a file is watched in its directory (symlinks and their targets
//! included), and the file itself. After each event that concerns it, the way is looked at anew, so
//! that the watches hold whatever was replaced. What tells nobody of its changes (network file
//! systems, directories that may not be read, all files when the user's watches are used up) is
//! looked at from time to time, and said to be.

pub mod disk;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
pub mod paths;
mod polling;
#[cfg(target_os = "linux")]
mod presence;
pub mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::{Interval, MissedTickBehavior};

use disk::Disk;
#[cfg(target_os = "linux")]
use linux::{Source, advice};
#[cfg(not(target_os = "linux"))]
pub use other::Presence;
#[cfg(not(target_os = "linux"))]
use other::{Source, advice};
use paths::{Route, resolve};
use polling::{Blind, Plan, plan};
#[cfg(target_os = "linux")]
pub use presence::Presence;
use table::Touched;

/// How often the way to a file is looked at until it stands still long enough to be watched.
const MOST_ROUNDS: usize = 16;

/// What the watcher has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Something happened that may concern these files, named as configured.
    Files(Vec<PathBuf>),
    /// From now on, some changes are seen late: the problem `watch-degraded`.
    Degraded {
        /// Which files, why, and what to do, in one or two sentences.
        reason: String,
    },
    /// All changes are seen at once again.
    Restored,
}

/// Watches env files.
pub struct Watcher {
    files: Vec<File>,
    /// `None` while it can't be had.
    source: Result<Source, io::Error>,
    /// Files whose changes may not be told.
    blind: BTreeMap<usize, Blind>,
    /// The plan doesn't fit any more.
    outdated: bool,
    plan: Plan,
    interval: Option<Interval>,
    /// Ticks since the last attempt to have a source again.
    ticks: u32,
    hinted: BTreeSet<usize>,
    notices: VecDeque<Hint>,
}

struct File {
    configured: Arc<Path>,
    /// The same place, where that is absolute.
    absolute: Arc<Path>,
    /// Of the route when it was last looked at.
    digest: u64,
}

impl Watcher {
    /// Starts to watch files, which need not exist. Every edit from here on is hinted at; for what
    /// was before, read each file once.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn new(paths: impl IntoIterator<Item = impl Into<Arc<Path>>>) -> Self {
        let mut watcher = Self {
            files: Vec::new(),
            source: Source::open(),
            blind: BTreeMap::new(),
            outdated: true,
            plan: Plan::default(),
            interval: None,
            ticks: 0,
            hinted: BTreeSet::new(),
            notices: VecDeque::new(),
        };
        watcher.set_paths(paths);
        watcher
    }

    /// Watches these files instead; those that are new are hinted at if they change from here on.
    pub fn set_paths(&mut self, paths: impl IntoIterator<Item = impl Into<Arc<Path>>>) {
        let old = std::mem::take(&mut self.files);
        self.blind.clear();
        self.outdated = true;
        let hinted = std::mem::take(&mut self.hinted);
        let mut known: HashMap<Arc<Path>, (u64, bool)> = HashMap::with_capacity(old.len());
        for (number, file) in old.into_iter().enumerate() {
            known.insert(file.configured, (file.digest, hinted.contains(&number)));
        }
        let mut seen = BTreeSet::new();
        for configured in paths.into_iter().map(Into::into) {
            if !seen.insert(configured.clone()) {
                continue;
            }
            let absolute = match std::path::absolute(&configured) {
                Ok(absolute) if absolute != *configured => absolute.into(),
                _ => configured.clone(),
            };
            let (digest, hinted) = known.remove(&configured).unwrap_or_else(|| (look(&absolute).digest(), false));
            if hinted {
                self.hinted.insert(self.files.len());
            }
            self.files.push(File { configured, absolute, digest });
        }
        self.follow_all();
        if let Ok(source) = &mut self.source {
            source.keep(self.files.len());
        }
        self.review();
    }

    /// Waits for the next hint. Cancel-safe: a hint is lost only to a caller that got it.
    pub async fn next(&mut self) -> Hint {
        loop {
            if let Some(hint) = self.pending() {
                return hint;
            }
            tokio::select! {
                ready = ready(&self.source) => self.take(ready),
                () = tick(self.interval.as_mut()) => self.poll(),
            }
            self.review();
        }
    }

    /// How many directories and files are watched.
    pub fn watches(&self) -> usize {
        self.source.as_ref().map_or(0, Source::watches)
    }

    fn pending(&mut self) -> Option<Hint> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        if self.hinted.is_empty() {
            return None;
        }
        let hinted = std::mem::take(&mut self.hinted);
        let paths = hinted.into_iter().filter_map(|number| Some(self.files.get(number)?.configured.to_path_buf()));
        Some(Hint::Files(paths.collect()))
    }

    /// Deals with what the source has.
    fn take(&mut self, ready: io::Result<()>) {
        let Ok(source) = &mut self.source else { return };
        let touched = match ready.and_then(|()| source.take()) {
            Ok(touched) => touched,
            Err(error) => {
                self.lose(error);
                Touched { all: true, ..Touched::default() }
            }
        };
        if touched.all || touched.perhaps {
            self.follow_all();
        }
        if touched.all {
            self.hinted.extend(0..self.files.len());
        } else {
            for &number in &touched.files {
                self.follow(number);
            }
            self.hinted.extend(touched.files);
        }
    }

    fn follow_all(&mut self) {
        for number in 0..self.files.len() {
            self.follow(number);
        }
    }

    /// Looks at a file's way and watches it, until nothing changed in between; hints at it if it
    /// isn't as it was.
    fn follow(&mut self, number: usize) {
        let Some(file) = self.files.get_mut(number) else {
            return;
        };
        let mut route = look(&file.absolute);
        let mut failed = None;
        let mut blind = None;
        if let Ok(source) = &mut self.source {
            blind = Some(Blind::Restless);
            for _ in 0..MOST_ROUNDS {
                let covered = match source.follow(number, &route) {
                    Ok(covered) => covered,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                // A change between the look and the watch brings no event.
                let again = look(&file.absolute);
                let still = again.same_way(&route);
                route = again;
                if still {
                    blind = polling::blind(&route, covered);
                    break;
                }
            }
        }
        let digest = route.digest();
        if digest != file.digest {
            file.digest = digest;
            self.hinted.insert(number);
        }
        let known = match blind {
            Some(blind) => self.blind.insert(number, blind),
            None => self.blind.remove(&number),
        };
        self.outdated |= known != blind;
        if let Some(error) = failed {
            self.lose(error);
        }
    }

    /// Goes on without a source.
    fn lose(&mut self, error: io::Error) {
        self.source = Err(error);
        self.outdated = true;
        self.ticks = 0;
    }

    /// Looks at what tells nothing by itself.
    fn poll(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
        if let Err(error) = &self.source
            && polling::time_to_retry(error, self.ticks)
        {
            self.ticks = 0;
            self.source = Source::open();
            if self.source.is_ok() {
                self.outdated = true;
                self.follow_all();
                return;
            }
        }
        if self.source.is_err() || polling::BESIDES {
            self.follow_all();
        } else {
            let blind: Vec<usize> = self.blind.keys().copied().collect();
            for number in blind {
                self.follow(number);
            }
        }
    }

    /// Says what changed about seeing, and sets the pace of looking.
    fn review(&mut self) {
        if !std::mem::take(&mut self.outdated) {
            return;
        }
        let lost = self.source.as_ref().err().map(advice);
        let blind = self.blind.iter().filter_map(|(&number, &blind)| Some((&*self.files.get(number)?.configured, blind)));
        let plan = plan(lost.as_deref(), blind, self.files.is_empty());
        if plan.reason != self.plan.reason {
            self.notices.push_back(match &plan.reason {
                Some(reason) => Hint::Degraded { reason: reason.clone() },
                None => Hint::Restored,
            });
        }
        if plan.period != self.plan.period {
            self.interval = plan.period.map(|period| {
                let mut interval = tokio::time::interval(period);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                interval.reset();
                interval
            });
        }
        self.plan = plan;
    }
}

fn look(path: &Path) -> Route {
    resolve(&Disk, path)
}

async fn ready(source: &Result<Source, io::Error>) -> io::Result<()> {
    match source {
        Ok(source) => source.ready().await,
        Err(_) => std::future::pending().await,
    }
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
