//! A careful look at one env file: never at half of one, never blocking, never keeping a value.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::contents;
use super::job::FileQuery;
use crate::core::{FileBody, FileContents, FileReport};
use crate::filesystem::read_exactly;
use crate::git;
use crate::salt::Salt;

/// An env file is a few hundred bytes; more than this is something else.
const MOST_BYTES: usize = 1 << 20;

/// Reads an env file if it stands still, and tells what it says of the variables asked after.
///
/// `home` is the value of `HOME`, which a `~` in the file stands for.
pub fn read(query: &FileQuery, salt: &Salt, home: &[u8]) -> FileReport {
    let body = match whole(&query.path) {
        Ok((bytes, stat)) => {
            let contents = contents::contents(&bytes, &query.variables, salt, home);
            // No key is held while git is asked.
            drop(bytes);
            let tracker = git::tracker(&query.path, Path::new(OsStr::from_bytes(home)));
            FileBody::Read(FileContents {
                modified_at: timestamp(stat.st_mtime, stat.st_mtime_nsec),
                changed_at: timestamp(stat.st_ctime, stat.st_ctime_nsec),
                mode: permissions(&stat),
                tracked: tracker.as_ref().map(git::Tracked::path),
                tracked_in: tracker.and_then(|tracker| tracker.repository()),
                ..contents
            })
        }
        Err(body) => body,
    };
    FileReport { path: query.path.clone(), body }
}

/// The whole of a file that nobody writes to, wiped when dropped.
pub fn whole(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Stat), FileBody> {
    // Opening a device may do something, so what it is is asked first, and again once it is open.
    regular(path, &rustix::fs::stat(path).map_err(|errno| refused(path, errno))?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| refused(path, errno))?;
    let file = File::from(descriptor);
    let before = rustix::fs::fstat(&file).map_err(|errno| refused(path, errno))?;
    regular(path, &before)?;
    let size = usize::try_from(before.st_size).unwrap_or(usize::MAX);
    if size > MOST_BYTES {
        return Err(unreadable(path, "is larger than 1 MiB", "point env_file at the file that assigns the key"));
    }
    if written_to(&file, path) {
        return Err(FileBody::Busy);
    }
    let bytes = read_exactly(&file, size)
        .map_err(|error| error.map_or(FileBody::Busy, |error| unreadable(path, &format!("can't be read ({error})"), "check its disk")))?;
    let after = rustix::fs::fstat(&file).map_err(|errno| refused(path, errno))?;
    let there = rustix::fs::stat(path).map_err(|_| FileBody::Busy)?;
    let still = same(&before, &after) && same(&before, &there);
    if !still || written_to(&file, path) {
        return Err(FileBody::Busy);
    }
    Ok((bytes, before))
}

fn same(one: &Stat, two: &Stat) -> bool {
    let key =
        |stat: &Stat| ((stat.st_dev, stat.st_ino, stat.st_size), (stat.st_mtime, stat.st_mtime_nsec), (stat.st_ctime, stat.st_ctime_nsec));
    key(one) == key(two)
}

/// Whether somebody is known to have the file open for writing.
#[cfg(target_os = "linux")]
fn written_to(file: &File, path: &Path) -> bool {
    // A network file system refuses leases for other reasons as well.
    crate::lease::open_for_writing(file).unwrap_or(false) && crate::filesystem::silent(path).is_none()
}

/// Nothing tells on other systems; the core's wait for quiet is all there is.
#[cfg(not(target_os = "linux"))]
fn written_to(_: &File, _: &Path) -> bool {
    false
}

#[allow(clippy::useless_conversion, reason = "16 bits on some systems")]
fn permissions(stat: &Stat) -> u32 {
    u32::from(stat.st_mode) & 0o7777
}

fn regular(path: &Path, stat: &Stat) -> Result<(), FileBody> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "is a directory",
        FileType::Fifo => "is a named pipe",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        _ => "is not a regular file",
    };
    Err(unreadable(path, what, "point env_file at the file that assigns the key"))
}

fn refused(path: &Path, errno: Errno) -> FileBody {
    match errno {
        Errno::NOENT | Errno::NOTDIR => FileBody::Missing,
        // Somebody holds a lease that forbids reading.
        Errno::AGAIN | Errno::INTR => FileBody::Busy,
        Errno::LOOP => unreadable(path, "is a symlink that leads in a circle", "make it point at the file that assigns the key"),
        Errno::ACCESS | Errno::PERM => {
            unreadable(path, "may not be read by this user", "check the owner and mode of the file and of its directories")
        }
        errno => unreadable(path, &format!("can't be opened ({errno})"), "check the path and its file system"),
    }
}

fn unreadable(path: &Path, what: &str, next: &str) -> FileBody {
    FileBody::Unreadable(format!("{} {what}; {next}", path.display()))
}

/// A file can be given any time by its owner; those out of range are clamped.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "widths differ between systems")]
fn timestamp(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<i32>) -> Timestamp {
    let seconds = seconds.try_into().unwrap_or(i64::MAX);
    let nanoseconds = nanoseconds.try_into().unwrap_or(0);
    Timestamp::new(seconds, nanoseconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "read_tests.rs"]
mod tests;
