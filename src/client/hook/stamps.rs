//! Stamps: for each shell and watched file an empty file with the modification time that the shell has seen.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::checksum::crc32;
use crate::paths::private_dir;

/// Those of one shell.
pub struct Stamps {
    dir: PathBuf,
    pid: u32,
}

fn place(state_dir: &Path) -> PathBuf {
    state_dir.join("shells")
}

impl Stamps {
    /// Of the shell of this process id.
    pub fn new(state_dir: &Path, pid: u32) -> io::Result<Self> {
        private_dir(state_dir)?;
        let dir = place(state_dir);
        private_dir(&dir)?;
        let stamps = Self { dir, pid };
        // Better to say now that there can be none than to be called at each prompt.
        Self::open(&stamps.path(Path::new("")))?;
        Ok(stamps)
    }

    /// Makes the stamp of a file; none for one that isn't there. `None` where it can't be made, so that the file isn't watched.
    pub fn stamp(&self, file: &Path) -> Option<PathBuf> {
        let stamp = self.path(file);
        match fs::metadata(file).and_then(|found| found.modified()) {
            Ok(modified) => {
                Self::open(&stamp).and_then(|open| open.set_modified(modified)).ok()?;
                // Where times are kept less finely here, the two would differ for ever.
                (fs::metadata(&stamp).ok()?.modified().ok()? == modified).then_some(stamp)
            }
            Err(_) => match fs::remove_file(&stamp) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => None,
                _ => Some(stamp),
            },
        }
    }

    fn path(&self, file: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.dir.join(format!("{}.{:08x}", self.pid, crc32(file.as_os_str().as_bytes())))
    }

    fn open(stamp: &Path) -> io::Result<File> {
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow).open(stamp)
    }
}

/// Removes the stamps of shells that have ended.
pub fn sweep(state_dir: &Path) {
    for entry in fs::read_dir(place(state_dir)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('.').next()?.parse().ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_as_old_as_its_file_and_goes_with_its_shell() {
        let dir = tempfile::tempdir().unwrap();
        let (state, file) = (dir.path().join("state"), dir.path().join("env"));
        let own = Stamps::new(&state, std::process::id()).unwrap();
        let stamp = own.stamp(&file).unwrap();
        assert!(!stamp.exists());
        fs::write(&file, "").unwrap();
        assert_eq!(own.stamp(&file).unwrap(), stamp);
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&stamp), modified(&file));
        // A number that no process has: pid_max is at most 2^22 (proc(5)).
        let ended = Stamps::new(&state, 5_000_000).unwrap().stamp(&file).unwrap();
        assert!(ended.exists() && ended != stamp);
        sweep(&state);
        assert!(!ended.exists() && stamp.exists());
        fs::remove_file(&file).unwrap();
        own.stamp(&file).unwrap();
        assert!(!stamp.exists());
    }
}
