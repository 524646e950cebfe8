//! One worker at a time on each key's renewal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::consumers::file_safe;
use crate::core::KeyName;

/// Takes a key's lock until the file is dropped and every CLI has ended that got it along (see
/// [`crate::aws::Cli::holding`]); waits for whoever has it.
pub(super) fn lock(state_dir: &Path, key: &KeyName) -> io::Result<File> {
    let path = state_dir.join(format!("renewal-{}.lock", file_safe(key.as_str())));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    file.lock()?;
    Ok(file)
}
