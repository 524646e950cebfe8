//! Where a file really is, a lock on its directory, and a careful look at what is there.
//!
//! **The lock** is flock(2) on the directory that the file is in: it is there whatever the file is, survives the file's
//! being replaced, leaves no lock file behind, and ends with the process. It only keeps credd's own writers apart, and
//! covers all from reading to replacing, so that none of them loses another's change. Where a file system has no such
//! locks, the comparisons of `swap` are what is left.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::Refusal;
use crate::filesystem::read_exactly;

/// The reader of env files takes no more (see `worker/read.rs`).
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Links that are followed before they count as a circle: as many as the kernel's.
const MOST_LINKS: usize = 40;

/// How often and how far apart somebody else is waited for: ten seconds for another writer of credd's, two for
/// somebody who has the file open.
const PAUSE: Duration = Duration::from_millis(5);
const LOCK_TRIES: usize = 2000;
const WRITER_TRIES: usize = 400;

/// A file's place, locked against other writers of credd's until this is dropped.
pub(super) struct Place {
    path: PathBuf,
    dir: OwnedFd,
    name: OsString,
}

/// A file that was read.
pub(super) struct Original {
    file: File,
    stat: Stat,
    bytes: Zeroizing<Vec<u8>>,
}

impl Place {
    /// Finds the file behind `path`, which need not exist, and locks its directory.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        // Links may change while the lock is waited for.
        for _ in 0..5 {
            let (parent, name) = resolve(path)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = rustix::fs::open(&parent, flags, Mode::empty())
                .map_err(|errno| failed(&parent, "can't be opened", &errno, "check the owner and mode of that directory"))?;
            lock(&dir, &parent)?;
            let place = Self { path: parent.join(&name), dir, name };
            if place.is_behind(path) {
                return Ok(place);
            }
        }
        Err(changed(path))
    }

    /// Whether `path` still leads here.
    pub(super) fn is_behind(&self, path: &Path) -> bool {
        let same_dir = |parent: &Path| match (rustix::fs::fstat(&self.dir), rustix::fs::stat(parent)) {
            (Ok(one), Ok(two)) => (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino),
            _ => false,
        };
        resolve(path).is_ok_and(|(parent, name)| name == self.name && same_dir(&parent))
    }

    /// The file's path, behind all links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// What is at the file's name, or another's in its directory; links aren't followed.
    pub(super) fn look(&self, name: &OsStr) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The file's contents; `None` where there is no file.
    pub(super) fn read(&self) -> Result<Option<Original>, Refusal> {
        let path = &self.path;
        // Opening a device may do something, so what it is is asked first, and again once it is open.
        match self.look(&self.name) {
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(path, "can't be looked at", &errno, "check the mode of its directory")),
            Ok(stat) => fit(path, &stat)?,
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT | Errno::LOOP | Errno::AGAIN | Errno::INTR) => return Err(changed(path)),
            Err(errno) => return Err(failed(path, "can't be read", &errno, "check its mode")),
        };
        if (0..WRITER_TRIES).all(|_| {
            let busy = written_to(&file, path);
            if busy {
                sleep(PAUSE);
            }
            busy
        }) {
            return Err(busy(path));
        }
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(path, "can't be looked at", &errno, "check its disk"))?;
        fit(path, &stat)?;
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        let bytes = read_exactly(&file, size).map_err(|error| match error {
            Some(error) => failed(path, "can't be read", &error, "check its disk"),
            None => changed(path),
        })?;
        Ok(Some(Original { file, stat, bytes }))
    }
}

impl Original {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Whether nothing whatever happened to the file since it was read, and it still stands at its name.
    pub(super) fn stands(&self, place: &Place) -> bool {
        let changed_at = |stat: &Stat| (stat.st_ctime, stat.st_ctime_nsec);
        let in_time = rustix::fs::fstat(&self.file).is_ok_and(|stat| changed_at(&stat) == changed_at(&self.stat));
        in_time && self.is_as_read(place, place.name())
    }

    /// Whether `name` is the file, and as it was read: contents, owner, mode, names. (A rename changes the time of its
    /// last change, which therefore says nothing after one.)
    pub(super) fn is_as_read(&self, place: &Place, name: &OsStr) -> bool {
        place.look(name).is_ok_and(|stat| identity(&stat) == identity(&self.stat)) && self.holds(&self.bytes)
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        read_exactly(&self.file, bytes.len()).is_ok_and(|has| *has == bytes)
    }
}

/// All of a file that a rename leaves as it is.
#[allow(clippy::useless_conversion, reason = "widths differ between systems")]
fn identity(stat: &Stat) -> impl PartialEq {
    let names = u64::from(stat.st_nlink);
    ((stat.st_dev, stat.st_ino, stat.st_mode, names), (stat.st_uid, stat.st_gid, stat.st_size), (stat.st_mtime, stat.st_mtime_nsec))
}

/// Whether a file holds these bytes and no others.
pub(super) fn holds(file: &File, bytes: &[u8]) -> bool {
    read_exactly(file, bytes.len()).is_ok_and(|has| *has == bytes)
}

/// The real directory of a path and the name in it, links followed as far as there is something.
fn resolve(path: &Path) -> Result<(PathBuf, OsString), Refusal> {
    let point = "point env_file at the file that assigns the key";
    let mut at = std::path::absolute(path).map_err(|error| failed(path, "can't be found", &error, point))?;
    for _ in 0..MOST_LINKS {
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
            return Err(unfit(path, "is a directory", point));
        };
        let parent = parent.canonicalize().map_err(|error| {
            let fix = if error.kind() == io::ErrorKind::NotFound {
                "make that directory first"
            } else {
                "check that directory and those above it"
            };
            failed(parent, "can't be entered", &error, fix)
        })?;
        let whole = parent.join(name);
        match std::fs::read_link(&whole) {
            Ok(target) => at = parent.join(target),
            // No link, or nothing.
            Err(_) => return Ok((parent, name.to_owned())),
        }
    }
    Err(unfit(path, "is a symlink that leads in a circle", "make it point at the file that assigns the key"))
}

fn lock(dir: &OwnedFd, path: &Path) -> Result<(), Refusal> {
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => sleep(PAUSE),
            Err(Errno::INTR) => {}
            // Or the file system has no locks.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(Refusal {
        message: format!("{} has been locked by another program for ten seconds", path.display()),
        fix: "try again when that is done".to_owned(),
        superseded: false,
    })
}

/// Whether a file is one that we may put another in the place of.
#[allow(clippy::useless_conversion, reason = "widths differ between systems")]
fn fit(path: &Path, stat: &Stat) -> Result<(), Refusal> {
    let point = "point env_file at the file that assigns the key";
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("is a directory"),
        FileType::Fifo => Some("is a named pipe"),
        FileType::Socket => Some("is a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("is a device"),
        _ => Some("is not a regular file"),
    };
    if let Some(what) = what {
        return Err(unfit(path, what, point));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(unfit(path, "belongs to another user", "run credd as that user, or edit the file yourself"));
    }
    if u64::from(stat.st_nlink) > 1 {
        let what = "has another name (a hard link), which would keep the old key";
        return Err(unfit(path, what, "remove the other name, or make it a symlink (find -samefile shows it)"));
    }
    if usize::try_from(stat.st_size).unwrap_or(usize::MAX) > MOST_BYTES {
        return Err(unfit(path, "is larger than 1 MiB", point));
    }
    Ok(())
}

/// Whether somebody is known to have the file open for writing.
#[cfg(target_os = "linux")]
pub(super) fn written_to(file: impl AsFd, path: &Path) -> bool {
    // A network file system refuses leases for other reasons as well.
    crate::lease::open_for_writing(file).unwrap_or(false) && crate::filesystem::silent(path.parent().unwrap_or(path)).is_none()
}

/// Nothing tells on other systems.
#[cfg(not(target_os = "linux"))]
pub(super) fn written_to(_: impl AsFd, _: &Path) -> bool {
    false
}

pub(super) fn busy(path: &Path) -> Refusal {
    Refusal {
        message: format!("{} is open in another program that may be writing to it", path.display()),
        fix: "try again when that is done".to_owned(),
        superseded: true,
    }
}

pub(super) fn changed(path: &Path) -> Refusal {
    Refusal {
        message: format!("{} was changed by somebody else meanwhile", path.display()),
        fix: "look at what it holds now, and try again".to_owned(),
        superseded: true,
    }
}

pub(super) fn unfit(path: &Path, what: &str, fix: &str) -> Refusal {
    Refusal { message: format!("{} {what}", path.display()), fix: fix.to_owned(), superseded: false }
}

/// A refusal because of what the system said.
pub(super) fn failed(path: &Path, what: &str, error: &dyn Display, fix: &str) -> Refusal {
    unfit(path, &format!("{what} ({error})"), fix)
}
