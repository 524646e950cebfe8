//! A full disk for LiteLLM's log.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::{Case, NEW};
use crate::support::litellm::Options;
use crate::support::run;

/// A small disk of its own, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Needs root, as mounting does.
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "credd-oddities"]).arg(at));
        Self(at.to_owned())
    }

    fn fill(&self) {
        let full = fs::write(self.0.join("filler"), vec![b'x'; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_for_the_log_is_no_loss() {
    let dir = tempfile::Builder::new().prefix("credd-litellm-").tempdir().unwrap();
    let disk = Disk::mount(&dir.path().join("disk"));
    symlink(disk.0.join("litellm.log"), dir.path().join("litellm.log")).unwrap();
    let case = Case::start(&Options { dir: Some(dir.path()), ..Options::default() }, "");
    let daemon = case.daemon();
    disk.fill();
    let client = case.client();
    let ended = case.change(&daemon, NEW);
    println!("{} {}", ended.outcome, ended.detail);
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
}
