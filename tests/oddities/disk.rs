//! A full disk for LiteLLM's log.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::{Case, NEW, Turn};
use crate::support::daemon::SOON;
use crate::support::litellm::Options;
use crate::support::{run, wait};

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

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
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
    // LiteLLM ends where it can't write; the one that runs goes on.
    ended.is("rolled-back", &["was not touched", "ended before it was ready", "on a disk that is full: make room there"]);
    case.is_untouched();
    wait::until_true("an alert", SOON, || case.alerts() == ["rolled-back"]);

    disk.clear();
    let _turn = Turn::take();
    let said = daemon.ok(&["apply"]);
    assert!(said.contains("proven by a completion"), "{said}");
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);
}
