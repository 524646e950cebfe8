//! The way of a launch specification to the process that reads it.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

/// An anonymous file in memory that holds the bytes and stands at its start. (A pipe would block its
/// writer where the reader never comes.)
pub fn spec_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("credd-launch", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Empties what [`spec_file`] made, once it is read: the user's systemd keeps its copy of the
/// descriptor for as long as the unit lives.
pub fn wipe(file: &File) {
    use std::os::unix::fs::MetadataExt;
    // A file with a name isn't what we made.
    if file.metadata().is_ok_and(|data| data.nlink() == 0) {
        let _ = file.set_len(0);
    }
}

/// This very program, even if the file was replaced since it was started.
pub fn own_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}
