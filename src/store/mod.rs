//! What is kept on disk: the state as a journal, the history as a log, one daemon's lock.

mod history;
mod journal;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
    pub fn take(state_dir: &Path) -> io::Result<Option<Self>> {
        let file = private_options().create(true).write(true).open(state_dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// For files of ours: nobody else's at any umask, and never through a symlink that somebody planted.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.mode(0o600).custom_flags(no_follow);
    options
}
