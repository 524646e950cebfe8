//! One worker at a time on keys of IAM's, whosever they are, and on each key that is minted.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::consumers::file_safe;
use crate::core::KeyName;
use crate::filesystem::lock_file;

/// Takes the lock of what makes keys in IAM, and undoes that: who settles a renewal must not take another's new key,
/// which is in no file yet, for what was left. Held until the file is dropped and every CLI has ended that got it along
/// (see [`crate::aws::Cli::holding`]); waits for whoever has it.
pub(super) fn renewals(state_dir: &Path) -> io::Result<File> {
    take(&state_dir.join("renewals.lock"))
}

/// Takes a key's lock until the file is dropped; waits for whoever has it.
pub(super) fn minting(state_dir: &Path, key: &KeyName) -> io::Result<File> {
    take(&state_dir.join(format!("minting-{}.lock", file_safe(key.as_str()))))
}

fn take(path: &Path) -> io::Result<File> {
    let file = lock_file(path)?;
    file.lock()?;
    Ok(file)
}
