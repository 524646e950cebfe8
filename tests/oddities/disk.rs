//! A full disk for LiteLLM's log.

use std::os::unix::fs::symlink;

use crate::rig::{Case, NEW, Turn};
use crate::support::daemon::SOON;
use crate::support::disk::Disk;
use crate::support::litellm::Options;
use crate::support::wait;

#[test]
fn a_full_disk_for_the_log_is_no_loss() {
    let dir = tempfile::Builder::new().prefix("credd-litellm-").tempdir().unwrap();
    let disk = Disk::mount(&dir.path().join("disk"));
    symlink(disk.path().join("litellm.log"), dir.path().join("litellm.log")).unwrap();
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
