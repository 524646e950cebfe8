//! What has to be looked at from time to time, how often, and what to say of it.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::paths::{End, Route};
use crate::filesystem;

/// For all files, while nothing can be watched. An edit is then taken up two seconds later than
/// usual, which nobody who has just saved a file minds; the look is a handful of `lstat`s a file.
const WITHOUT_WATCHES: Duration = Duration::from_secs(2);

/// For files that can't be watched as things are: on a network file system, a look may cost a
/// round trip.
const FOR_FEW: Duration = Duration::from_secs(30);

/// Whether all files are looked at besides, as events are known to get lost on this system.
pub const BESIDES: bool = cfg!(not(target_os = "linux"));

/// Why a file's changes may not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// It is on this file system, which doesn't tell of what others do.
    Silent(&'static str),
    /// A directory on its way may not be read.
    Closed,
    /// Its way changed as often as it was looked at. That will pass.
    Restless,
}

/// How to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How often to look; `None` while nothing needs it.
    pub period: Option<Duration>,
    /// What the user should know.
    pub reason: Option<String>,
}

/// Why a file that is watched all along its way (or not) may still change unseen.
pub fn blind(route: &Route, covered: bool) -> Option<Blind> {
    let mut device = None;
    let end = match &route.end {
        End::File(path, stamp) => Some((path.clone(), stamp.id)),
        _ => None,
    };
    let directories = route.steps.iter().map(|step| (step.directory.clone(), step.id));
    for (path, id) in directories.chain(end) {
        // Few ways cross more than two file systems.
        if device.replace(id.device) != Some(id.device)
            && let Some(name) = filesystem::silent(&path)
        {
            return Some(Blind::Silent(name));
        }
    }
    (!covered).then_some(Blind::Closed)
}

/// Whether the source should be tried again: an instance costs nothing to try for, but watches are
/// taken from others while they are tried for.
pub fn time_to_retry(error: &io::Error, ticks: u32) -> bool {
    error.kind() != io::ErrorKind::StorageFull || ticks >= 15
}

/// What to do, where `lost` says why nothing at all can be watched.
pub fn plan<'a>(lost: Option<&str>, blind: impl Iterator<Item = (&'a Path, Blind)>, nothing_to_watch: bool) -> Plan {
    if nothing_to_watch {
        return Plan::default();
    }
    if let Some(why) = lost {
        let seconds = WITHOUT_WATCHES.as_secs();
        return Plan {
            period: Some(WITHOUT_WATCHES),
            reason: Some(format!("env files can't be watched and are looked at every {seconds} seconds instead: {why}")),
        };
    }
    let mut needed = false;
    let mut silent: Vec<(&str, Vec<PathBuf>)> = Vec::new();
    let mut closed = Vec::new();
    for (path, blind) in blind {
        needed = true;
        match blind {
            Blind::Silent(name) => match silent.iter_mut().find(|(known, _)| *known == name) {
                Some((_, paths)) => paths.push(path.into()),
                None => silent.push((name, vec![path.into()])),
            },
            Blind::Closed => closed.push(path.into()),
            Blind::Restless => {}
        }
    }
    let mut reason = String::new();
    for (name, paths) in &silent {
        clause(&mut reason, paths, &format!("on {name}, which doesn't tell of changes made elsewhere"));
    }
    clause(&mut reason, &closed, "reached through a directory that credd may not read");
    if !reason.is_empty() {
        let seconds = FOR_FEW.as_secs();
        let _ = write!(reason, ": looked at every {seconds} seconds instead");
    }
    Plan { period: (needed || BESIDES).then_some(FOR_FEW), reason: (!reason.is_empty()).then_some(reason) }
}

/// "a and 3 more are on NFS …", joined to what is there already.
fn clause(text: &mut String, paths: &[PathBuf], what: &str) {
    let Some(first) = paths.first() else { return };
    if !text.is_empty() {
        text.push_str("; ");
    }
    let _ = match paths.len() {
        1 => write!(text, "{} is {what}", first.display()),
        more => write!(text, "{} and {} more are {what}", first.display(), more - 1),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_it_is_looked_at() {
        let path = |name: &'static str| Path::new(name);
        let seen = plan(None, std::iter::empty(), false);
        assert_eq!((seen.period, seen.reason), (BESIDES.then_some(FOR_FEW), None));

        let lost = plan(Some("no room"), std::iter::empty(), false);
        assert_eq!(lost.period, Some(WITHOUT_WATCHES));
        assert_eq!(lost.reason.unwrap(), "env files can't be watched and are looked at every 2 seconds instead: no room");
        assert_eq!(plan(Some("no room"), std::iter::empty(), true), Plan::default());

        let restless = plan(None, [(path("/a"), Blind::Restless)].into_iter(), false);
        assert_eq!((restless.period, restless.reason), (Some(FOR_FEW), None));

        let few = [(path("/n/a"), Blind::Silent("NFS")), (path("/n/b"), Blind::Silent("NFS")), (path("/c"), Blind::Closed)];
        assert_eq!(
            plan(None, few.into_iter(), false).reason.unwrap(),
            "/n/a and 1 more are on NFS, which doesn't tell of changes made elsewhere; /c is reached \
             through a directory that credd may not read: looked at every 30 seconds instead"
        );
    }

    #[test]
    fn instances_are_tried_for_at_once_and_watches_later() {
        let instances = io::Error::from_raw_os_error(24);
        let watches = io::Error::from_raw_os_error(28);
        assert!(time_to_retry(&instances, 1));
        assert!(!time_to_retry(&watches, 1));
        assert!(time_to_retry(&watches, 15));
    }
}
