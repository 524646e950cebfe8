//! A disk that can be filled up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;

/// A small disk of its own, until it is dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Needs root, as mounting does.
    pub fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "credd-tests"]).arg(at));
        Self(at.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn fill(&self) {
        let full = fs::write(self.0.join("filler"), vec![b'x'; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    pub fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
