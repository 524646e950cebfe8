//! One worker at a time on each consumer.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::file_safe;
use crate::core::ConsumerName;
use crate::filesystem::lock_file;

/// The file whose lock a worker holds while it is at work on a consumer.
pub fn lock_path(state_dir: &Path, consumer: &ConsumerName) -> PathBuf {
    state_dir.join(format!("apply-{}.lock", file_safe(consumer.as_str())))
}

/// Whether a worker is at work on a consumer, be it one that an earlier daemon started.
pub fn is_at_work(state_dir: &Path, consumer: &ConsumerName) -> io::Result<bool> {
    match File::open(lock_path(state_dir, consumer)) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until no worker is at work on a consumer.
pub fn await_idle(state_dir: &Path, consumer: &ConsumerName) -> io::Result<()> {
    match File::open(lock_path(state_dir, consumer)) {
        Ok(file) => file.lock_shared(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the lock until the file is dropped; `None` where another worker has it. (The descriptor is closed
/// on exec, so that no consumer inherits it.)
pub(super) fn lock(state_dir: &Path, consumer: &ConsumerName) -> io::Result<Option<File>> {
    let file = lock_file(&lock_path(state_dir, consumer))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worker_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let name = ConsumerName::from("a/b");
        assert!(!is_at_work(dir.path(), &name).unwrap());
        let first = lock(dir.path(), &name).unwrap();
        assert!(first.is_some());
        assert!(is_at_work(dir.path(), &name).unwrap());
        assert!(lock(dir.path(), &name).unwrap().is_none());
        let waiter = {
            let dir = dir.path().to_owned();
            let name = name.clone();
            std::thread::spawn(move || await_idle(&dir, &name).unwrap())
        };
        assert!(!waiter.is_finished());
        drop(first);
        waiter.join().unwrap();
        assert!(!is_at_work(dir.path(), &name).unwrap());
        assert!(lock(dir.path(), &name).unwrap().is_some());
    }
}
