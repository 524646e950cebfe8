//! The real file system, as [`super::paths`] looks at it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::paths::{Id, Look, Stamp, Tree};

/// The file system of this machine.
pub struct Disk;

impl Tree for Disk {
    fn look(&self, path: &Path) -> Look {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) => return absent(&error),
        };
        let id = Id { device: metadata.dev(), inode: metadata.ino() };
        let stamp = Stamp {
            id,
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            Look::Directory(id)
        } else if kind.is_symlink() {
            match path.read_link() {
                Ok(target) => Look::Link(target),
                // EINVAL: replaced by something else since. The next look tells; this one must not
                // equal it.
                Err(error) => absent(&error),
            }
        } else if kind.is_file() {
            Look::File(stamp)
        } else {
            Look::Other(stamp)
        }
    }
}

fn absent(error: &io::Error) -> Look {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Missing,
        _ => Look::Refused,
    }
}
