//! The service's file on disk: ours is told from another's, and never more than it is touched.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;

use super::{Result, ServiceError};

/// In every file that we write.
pub(super) const MARKER: &str = "Installed by credd";
/// Larger than any service's file.
const LIMIT: u64 = 64 * 1_024;

/// What is at the file's path.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Absent,
    /// A file of ours, and what it says.
    Ours(String),
    /// Something else.
    Foreign(&'static str),
}

/// Looks, without following a symlink.
pub(super) fn look(path: &Path) -> Result<Found> {
    let failed = |source| ServiceError::File { path: path.to_owned(), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(failed(error)),
    };
    if metadata.is_symlink() {
        // Also what `systemctl mask` and `systemctl link` leave.
        return Ok(Found::Foreign("it is a symlink"));
    }
    if !metadata.is_file() || metadata.len() > LIMIT {
        return Ok(Found::Foreign("it is no service file"));
    }
    let bytes = fs::read(path).map_err(failed)?;
    match String::from_utf8(bytes) {
        Ok(text) if is_marked(&text) => Ok(Found::Ours(text)),
        _ => Ok(Found::Foreign("its first lines don't say so")),
    }
}

/// A comment of ours among the first lines; not just a mention.
fn is_marked(text: &str) -> bool {
    let ours = |line: &str| {
        let comment = line.strip_prefix("# ").or_else(|| line.strip_prefix("<!-- "));
        comment.is_some_and(|comment| comment.starts_with(MARKER))
    };
    text.lines().take(5).any(ours)
}

/// Writes it whole or not at all. What stands there is replaced by name: a symlink isn't followed.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let attempt = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            // Nobody else is to put a service there, whatever the umask.
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        let mut file = AtomicWriteFile::open(path)?;
        // Neither the old file's mode nor the umask's: there is no secret in it.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    attempt().map_err(|source| ServiceError::File { path: path.to_owned(), source })
}

/// Removes it; that it is gone already is fine.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ServiceError::File { path: path.to_owned(), source: error }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_no_mark() {
        assert!(is_marked("# Installed by credd\n[Unit]\n"));
        assert!(is_marked("<?xml?>\n<!DOCTYPE x>\n<!-- Installed by credd: x -->\n"));
        assert!(!is_marked("[Unit]\nDescription=Installed by credd\n"));
        assert!(!is_marked("\n\n\n\n\n\n# Installed by credd\n"));
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (target, path) = (dir.path().join("target"), dir.path().join("a/b/unit"));
        fs::write(&target, "mine").unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(look(&path).unwrap(), Found::Foreign(_)));
        write(&path, "# Installed by credd\n").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
        assert!(matches!(look(&path).unwrap(), Found::Ours(_)));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(matches!(look(&path).unwrap(), Found::Absent));
    }
}
