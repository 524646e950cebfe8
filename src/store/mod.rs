//! What is kept on disk: the state as a journal, the history as a log, one daemon's lock.

mod history;
mod journal;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

pub use history::History;
pub use journal::{Damage, Journal, read_ledger};

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

/// For files of ours: nobody else's at any umask, and never through a symlink that somebody planted.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.mode(0o600).custom_flags(no_follow);
    options
}
