//! What is kept on disk: the state as a journal, the history as a log, one daemon's lock.

mod history;
mod journal;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;

pub use history::History;
pub use journal::{Damage, Journal, journal_path, read_ledger};

/// The lock that one daemon holds on a state directory for its life. The kernel drops it when the
/// process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock; `None` if another daemon holds it.
    ///
    /// One that was ended may have started a worker just then, which has its files until it runs its own program:
    /// for the moment that takes, the lock is held by nobody who stays.
    pub fn take(state_dir: &Path) -> io::Result<Option<Self>> {
        const TRIES: u32 = 25;
        let file = private_options().create(true).write(true).open(state_dir.join("lock"))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// A state directory, held by what it is rather than by its name: whatever is put in its place later, even a symlink to
/// another, nothing of ours is written there.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _held: File,
}

impl StateDir {
    /// Holds the directory that is there now.
    pub fn hold(dir: &Path) -> io::Result<Self> {
        let flags = i32::try_from(rustix::fs::OFlags::DIRECTORY.bits()).unwrap_or_default();
        let held = OpenOptions::new().read(true).custom_flags(flags).open(dir)?;
        // A name for what is open, which Linux alone has (proc_pid_fd(5)).
        let path = Path::new("/proc/self/fd").join(held.as_raw_fd().to_string());
        let path = if path.is_dir() { path } else { dir.to_owned() };
        Ok(Self { path, _held: held })
    }

    /// By this, it is reached in this process, for as long as it is held.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a file of ours to append to it. One with another name (a hard link) is copied first: what is written is written
/// here alone.
fn append_to(path: &Path) -> io::Result<File> {
    let file = private_options().create(true).append(true).read(true).open(path)?;
    if file.metadata()?.nlink() < 2 {
        return Ok(file);
    }
    let mut own = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(path)?;
    io::copy(&mut &file, &mut own)?;
    own.commit()?;
    private_options().append(true).read(true).open(path)
}

/// For files of ours: nobody else's at any umask, and never through a symlink that somebody planted.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.mode(0o600).custom_flags(no_follow);
    options
}
