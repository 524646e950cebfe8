//! Putting a file in the place of another, without ever losing what somebody else wrote.
//!
//! The new file is complete and on the disk before it takes the other's name, so that at any moment there is one whole
//! file there, old or new. Where the system can *exchange* two names, the old file is looked at once more after the
//! swap, when nobody can open it by its name any more: if somebody wrote to it in the last moment, or replaced it, the
//! two are exchanged back. Elsewhere (NFS, for one) a plain rename follows the last look, and a few microseconds remain.
//!
//! Should both files have been written to in these microseconds, both are kept and the refusal says where.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, Stat};
use rustix::io::Errno;

use super::Refusal;
use super::attributes;
use super::place::{Original, Place, busy, changed, failed, holds, written_to};
use super::temporary::{Temporary, beside, sweep};

/// Of a file with an edit that could neither stay nor be put back.
const KEPT: &[u8] = b".kept-by-credd-";

/// Puts `contents` in the place of `original`.
pub(super) fn exchange(place: &Place, original: &Original, contents: &[u8]) -> Result<(), Refusal> {
    let path = place.path();
    let (mut temporary, file) = Temporary::create(place).map_err(|error| no_room(path, &error))?;
    attributes::copy(original.file(), original.stat(), &file).map_err(|(what, error)| {
        failed(path, &format!("can't be replaced without losing {what}"), &error, "edit it yourself, or let this user keep that")
    })?;
    let file = temporary.fill(file, contents).map_err(|error| no_room(path, &error))?;
    let ours = rustix::fs::fstat(&file).map_err(|errno| no_room(path, &errno.into()))?;
    sweep(place, ours.st_mtime);
    if written_to(original.file(), path) {
        return Err(busy(path));
    }
    if !original.stands(place) {
        return Err(changed(path));
    }
    match swap_names(place, temporary.name()) {
        Ok(()) => {
            temporary.let_go();
            let ours = Ours { file: &file, stat: &ours, contents };
            after(place, original, &mut temporary, &ours)?;
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::renameat(place.dir(), temporary.name(), place.dir(), place.name()).map_err(|errno| no_room(path, &errno.into()))?;
            temporary.let_go();
        }
        Err(Errno::NOENT) => return Err(changed(path)),
        Err(errno) => return Err(no_room(path, &errno.into())),
    }
    settle(place);
    Ok(())
}

/// The file that we wrote.
struct Ours<'a> {
    file: &'a File,
    stat: &'a Stat,
    contents: &'a [u8],
}

impl Ours<'_> {
    /// Whether `name` is our file, as we wrote it, with nobody about to write to it.
    fn is_untouched(&self, place: &Place, name: &OsStr) -> bool {
        self.is_at(place, name) && !written_to(self.file, place.path()) && holds(self.file, self.contents)
    }

    fn is_at(&self, place: &Place, name: &OsStr) -> bool {
        place.look(name).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (self.stat.st_dev, self.stat.st_ino))
    }
}

/// Names are exchanged: removes the old file, or undoes all if it isn't the one that was read any more.
fn after(place: &Place, original: &Original, temporary: &mut Temporary<'_>, ours: &Ours<'_>) -> Result<(), Refusal> {
    let path = place.path();
    // Asked twice: who opened it before and closed it in between has changed it, who opened it later has it open.
    let quiet = || !written_to(original.file(), path);
    if quiet() && original.is_as_read(place, temporary.name()) && quiet() {
        return temporary.remove().map_err(|error| {
            let old = path.with_file_name(temporary.name());
            failed(&old, &format!("holds the old contents of {} and can't be removed", path.display()), &error, "remove it yourself")
        });
    }
    put_back(place, temporary, ours)
}

/// Gives the file that was displaced its name back: somebody wrote to it, or put it there, in the last moment.
fn put_back(place: &Place, temporary: &mut Temporary<'_>, ours: &Ours<'_>) -> Result<(), Refusal> {
    let path = place.path();
    if ours.is_at(place, place.name()) && swap_names(place, temporary.name()).is_ok() {
        if ours.is_untouched(place, temporary.name()) {
            let _ = temporary.remove();
            settle(place);
            return Err(changed(path));
        }
        // The new file was written to as well, or replaced: that is the later one.
        let _ = swap_names(place, temporary.name());
    }
    let kept = keep(place, temporary.name());
    settle(place);
    Err(Refusal {
        message: format!(
            "{} was written to twice by others while it was replaced; what it was before is in {}",
            path.display(),
            kept.display()
        ),
        fix: "compare the two, and remove that file".to_owned(),
        superseded: true,
    })
}

/// Gives what has this name one that isn't swept away.
fn keep(place: &Place, name: &OsStr) -> std::path::PathBuf {
    let kept = beside(place.name(), b"", KEPT).ok();
    let kept = kept.filter(|kept| rustix::fs::renameat(place.dir(), name, place.dir(), kept).is_ok());
    place.path().with_file_name(kept.as_deref().unwrap_or(name))
}

/// Makes a file with `contents` where there is none, for this user alone.
pub(super) fn create(place: &Place, contents: &[u8]) -> Result<(), Refusal> {
    let path = place.path();
    let (mut temporary, file) = Temporary::create(place).map_err(|error| no_room(path, &error))?;
    // The mask of this process takes bits away, and a default ACL of the directory may give some.
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(|errno| no_room(path, &errno.into()))?;
    let file = temporary.fill(file, contents).map_err(|error| no_room(path, &error))?;
    if let Ok(stat) = rustix::fs::fstat(&file) {
        sweep(place, stat.st_mtime);
    }
    // Neither a rename with this flag nor a link takes the place of a file that is there by now. Some file systems don't
    // know the one, and some not the other.
    let placed = match move_in(place, temporary.name()) {
        Ok(()) => {
            temporary.let_go();
            Ok(())
        }
        Err(Errno::EXIST) => return Err(changed(path)),
        Err(_) if rustix::fs::linkat(place.dir(), temporary.name(), place.dir(), place.name(), AtFlags::empty()).is_ok() => {
            temporary.remove()
        }
        Err(_) if place.look(place.name()).is_err() => {
            let moved = rustix::fs::renameat(place.dir(), temporary.name(), place.dir(), place.name());
            moved.map(|()| temporary.let_go()).map_err(io::Error::from)
        }
        Err(errno) => Err(errno.into()),
    };
    placed.map_err(|error| no_room(path, &error))?;
    settle(place);
    Ok(())
}

/// Gives what is called `other` the file's name, if nothing has that.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn move_in(place: &Place, other: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(place.dir(), other, place.dir(), place.name(), rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn move_in(_: &Place, _: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Exchanges the file's name and `other`.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn swap_names(place: &Place, other: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(place.dir(), other, place.dir(), place.name(), rustix::fs::RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn swap_names(_: &Place, _: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Makes the names durable. Where that fails, nothing is undone: the file is what it is to be.
fn settle(place: &Place) {
    let _ = rustix::fs::fsync(place.dir());
}

fn no_room(path: &Path, error: &io::Error) -> Refusal {
    let fix = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
        io::ErrorKind::ReadOnlyFilesystem => "its file system is read-only: mount it writable, or keep the key elsewhere",
        io::ErrorKind::PermissionDenied => "let this user write to its directory",
        _ => "check its disk and directory",
    };
    failed(path, "can't be replaced", error, fix)
}
