//! A new file beside the one that it is to replace.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use super::place::Place;

/// Between the file's name and the part that nobody can guess.
const MARK: &[u8] = b".credd-";

/// Bytes of that part, written in twice as many digits.
const RANDOM: usize = 8;

/// The longest name that file systems take, in bytes.
const LONGEST: usize = 255;

/// After so many seconds nobody can be at work any more on a file that is left.
const STALE: i64 = 3600;

/// A temporary file, removed when dropped unless it was let go.
pub(super) struct Temporary<'a> {
    dir: &'a OwnedFd,
    name: OsString,
    armed: bool,
}

impl<'a> Temporary<'a> {
    /// Makes an empty file for this user alone: `.NAME.credd-` and digits.
    pub(super) fn create(place: &'a Place) -> io::Result<(Self, File)> {
        let name = beside(place.name(), b".", MARK)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(place.dir(), &name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok((Self { dir: place.dir(), name, armed: true }, File::from(file)))
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Writes all of it, durably, and opens it for reading in place of writing.
    pub(super) fn fill(&self, mut file: File, contents: &[u8]) -> io::Result<File> {
        file.write_all(contents)?;
        file.sync_all()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A descriptor for writing would keep us from asking whether anybody else has one.
        drop(file);
        let reading = rustix::fs::openat(self.dir, &self.name, flags, Mode::empty())?;
        Ok(File::from(reading))
    }

    /// What has the name now isn't to be removed with this.
    pub(super) fn let_go(&mut self) {
        self.armed = false;
    }

    /// Removes what has the name now.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.armed = false;
        Ok(rustix::fs::unlinkat(self.dir, &self.name, AtFlags::empty())?)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.armed {
            let _ = self.remove();
        }
    }
}

/// A name beside another's that nobody can guess.
pub(super) fn beside(name: &OsStr, before: &[u8], mark: &[u8]) -> io::Result<OsString> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut bytes = stem(name, before, mark);
    for byte in random {
        bytes.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    Ok(OsString::from_vec(bytes))
}

/// All of such a name but its digits.
fn stem(name: &OsStr, before: &[u8], mark: &[u8]) -> Vec<u8> {
    let name = name.as_bytes();
    let room = LONGEST - before.len() - mark.len() - 2 * RANDOM;
    [before, name.get(..room).unwrap_or(name), mark].concat()
}

/// Removes what killed processes left beside the file: temporary files last written to more than an hour before `now`,
/// a file's time. The directory is locked, so that no other writer of credd's is at work here.
///
/// A process killed right after the exchange leaves the old file, with its old time: it goes at the first chance.
pub(super) fn sweep(place: &Place, now: i64) {
    let stem = stem(place.name(), b".", MARK);
    let own = rustix::process::geteuid().as_raw();
    let Ok(entries) = Dir::read_from(place.dir()) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        let digits = name.as_bytes().strip_prefix(&stem[..]).unwrap_or_default();
        if digits.len() != 2 * RANDOM || !digits.iter().all(u8::is_ascii_hexdigit) {
            continue;
        }
        if place.look(name).is_ok_and(|stat| stat.st_uid == own && now.saturating_sub(stat.st_mtime) > STALE) {
            let _ = rustix::fs::unlinkat(place.dir(), name, AtFlags::empty());
        }
    }
}
