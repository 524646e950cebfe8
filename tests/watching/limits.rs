//! What happens when the kernel's limits are reached, and when file systems come and go: in a user
//! namespace of its own, so that nobody else feels it (`/proc/sys/user` is the namespace's own,
//! `/proc/sys/fs/inotify` everybody's).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use credd::watcher::{Hint, Watcher};
use rustix::fs::inotify::{self, CreateFlags};

use crate::rig::{Rig, block_on, hint_at, next};

/// Runs an ignored test of this binary in new namespaces, after a script.
fn inside(test: &str, script: &str) {
    let possible = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c"]).arg(script).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("{test}: skipped, no user namespaces here");
        return;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("{script} && exec \"$@\""))
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn write(path: &PathBuf, value: &str) {
    std::fs::write(path, format!("export KEY=\"{value}\"\n")).unwrap();
}

#[test]
fn without_inotify_instances_edits_are_seen_all_the_same() {
    inside("limits::inside_without_instances", "echo 4 >/proc/sys/user/max_inotify_instances");
}

#[test]
#[ignore = "run by the test above"]
fn inside_without_instances() {
    let rig = Rig::new();
    let path = rig.path("env");
    write(&path, "first");
    let mut taken = Vec::new();
    while let Ok(instance) = inotify::init(CreateFlags::CLOEXEC) {
        taken.push(instance);
    }
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        let Hint::Degraded { reason } = next(&mut watcher).await else { panic!("not degraded") };
        assert!(reason.contains("fs.inotify.max_user_instances"), "{reason}");
        assert_eq!(watcher.watches(), 0);
        for value in ["second", "third"] {
            write(&path, value);
            rig.sees(&mut watcher, &path, value).await.unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        hint_at(&mut watcher, &path).await;
        write(&rig.path("new"), "fourth");
        std::fs::rename(rig.path("new"), &path).unwrap();
        rig.sees(&mut watcher, &path, "fourth").await.unwrap();

        drop(taken);
        assert_eq!(next(&mut watcher).await, Hint::Restored);
        assert!(watcher.watches() > 0);
        write(&path, "fifth");
        rig.sees(&mut watcher, &path, "fifth").await.unwrap();
    });
}

#[test]
fn without_inotify_watches_edits_are_seen_all_the_same() {
    inside("limits::inside_without_watches", "echo 3 >/proc/sys/user/max_inotify_watches");
}

#[test]
#[ignore = "run by the test above"]
fn inside_without_watches() {
    let rig = Rig::new();
    let path = rig.path("a/b/c/env");
    std::fs::create_dir_all(rig.path("a/b/c")).unwrap();
    write(&path, "first");
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        let Hint::Degraded { reason } = next(&mut watcher).await else { panic!("not degraded") };
        assert!(reason.contains("fs.inotify.max_user_watches"), "{reason}");
        write(&path, "second");
        rig.sees(&mut watcher, &path, "second").await.unwrap();
        std::fs::write("/proc/sys/user/max_inotify_watches", "1000").unwrap();
        assert_eq!(next(&mut watcher).await, Hint::Restored);
        write(&path, "third");
        rig.sees(&mut watcher, &path, "third").await.unwrap();
    });
}

#[test]
fn a_file_system_mounted_over_the_directory_is_seen() {
    inside("limits::inside_with_mounts", "mount -t tmpfs none /mnt");
}

#[test]
#[ignore = "run by the test above"]
fn inside_with_mounts() {
    let rig = Rig::new();
    let directory = rig.path("home");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("env");
    let mount = |command: &str| {
        let status = Command::new("sh").args(["-c", command]).current_dir(rig.directory.path()).status();
        assert!(status.unwrap().success(), "{command}");
    };
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        mount("mount -t tmpfs none home");
        hint_at(&mut watcher, &path).await;
        for value in ["first", "second"] {
            write(&path, value);
            rig.sees(&mut watcher, &path, value).await.unwrap();
        }
        mount("mkdir b; echo 'export KEY=bound' >b/env; mount --bind b home");
        rig.sees(&mut watcher, &path, "bound").await.unwrap();
        mount("umount home && umount home");
        hint_at(&mut watcher, &path).await;
        write(&path, "third");
        rig.sees(&mut watcher, &path, "third").await.unwrap();
    });
}

/// With directories and mounts of its own, as other programs create files in `/tmp`.
#[test]
fn nothing_happens_while_nothing_happens() {
    inside("limits::inside_and_idle", "mount -t tmpfs none /mnt && export TMPDIR=/mnt");
}

#[test]
#[ignore = "run by the test above"]
fn inside_and_idle() {
    fn switches() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap().trim().parse().unwrap()
    }
    let rig = Rig::new();
    block_on(async {
        let mut watcher = Watcher::new(vec![rig.path("env"), rig.path("missing/env")]);
        // The table of mounts is looked at once.
        let first = tokio::time::timeout(Duration::from_millis(50), watcher.next()).await;
        assert!(first.is_err(), "{first:?}");
        let before = switches();
        let hint = tokio::time::timeout(Duration::from_secs(3), watcher.next()).await;
        assert!(hint.is_err(), "{hint:?}");
        // For this test's own time-out.
        let waking = switches() - before;
        assert!(waking <= 2, "woke up {waking} times");
    });
}
