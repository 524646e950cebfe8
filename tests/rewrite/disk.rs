//! What the disk has afterwards: links, modes, attributes, bytes; and what is refused at once.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use credd::rewrite::{How, Refusal, replace};
use credd::secret::Secret;
use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::{KEY, age, set};

fn env(contents: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    fs::write(&path, contents).unwrap();
    (dir, path)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// The names in a directory.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn refused(path: &Path, what: &str) -> Refusal {
    let refusal = set(path, KEY, "new").unwrap_err();
    assert!(refusal.message.contains(what), "{}", refusal.message);
    assert!(refusal.message.contains(path.file_name().unwrap().to_str().unwrap()) && !refusal.fix.is_empty(), "{}", refusal.message);
    refusal
}

#[test]
fn only_the_bytes_of_the_value_change() {
    for (before, after) in [
        (&b"\xef\xbb\xbf# note\r\nexport KEY='old' # it\r\nB=1\r\n"[..], &b"\xef\xbb\xbf# note\r\nexport KEY='new' # it\r\nB=1\r\n"[..]),
        (b"A=1\r\nexport KEY=old\r\nB=1\r\n", b"A=1\r\nexport KEY=new\nB=1\r\n"),
        (b"B=1\nexport KEY=\"old\"", b"B=1\nexport KEY=\"new\""),
        (b"\n\n\t KEY=old;\n\n", b"\n\n\t KEY=new;\n\n"),
    ] {
        let (dir, path) = env(before);
        let done = set(&path, KEY, "new").unwrap();
        assert_eq!((done.how, done.path), (How::Replaced, path.canonicalize().unwrap()));
        assert_eq!(fs::read(&path).unwrap(), after);
        assert_eq!(names(dir.path()), ["env"]);
    }
}

#[test]
fn modes_and_attributes_stay() {
    for wanted in [0o600, 0o644, 0o400, 0o640] {
        let (_dir, path) = env(b"export KEY=old\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
        set(&path, KEY, "new").unwrap();
        assert_eq!(mode(&path), wanted);
    }
    let (_dir, path) = env(b"export KEY=old\n");
    rustix::fs::setxattr(&path, "user.note", b"mine", XattrFlags::empty()).unwrap();
    // version 2; user::rw-, user:1234:r--, group::r--, mask::r--, other::---
    let entry = |tag: u16, permissions: u16, id: u32| [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat();
    let none = u32::MAX;
    let entries = [entry(1, 6, none), entry(2, 4, 1234), entry(4, 4, none), entry(16, 4, none), entry(32, 0, none)];
    let acl = [2_u32.to_le_bytes().to_vec(), entries.concat()].concat();
    let has_acl = rustix::fs::setxattr(&path, "system.posix_acl_access", &acl, XattrFlags::empty()).is_ok();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, None, Some(4321)).unwrap();
    }
    let before = fs::metadata(&path).unwrap();
    set(&path, KEY, "new").unwrap();
    let mut value = [0; 100];
    assert_eq!(rustix::fs::getxattr(&path, "user.note", &mut value[..]), Ok(4));
    if has_acl {
        let length = rustix::fs::getxattr(&path, "system.posix_acl_access", &mut value[..]).unwrap();
        assert_eq!(value[..length], acl);
    } else {
        eprintln!("no ACLs here");
    }
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
    assert_ne!(before.ino(), after.ino());
}

#[test]
fn the_default_acl_of_a_directory_is_not_taken_on() {
    let (dir, path) = env(b"export KEY=old\n");
    let entry = |tag: u16, permissions: u16, id: u32| [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat();
    let none = u32::MAX;
    let entries = [entry(1, 6, none), entry(2, 6, 1234), entry(4, 6, none), entry(16, 6, none), entry(32, 0, none)];
    let acl = [2_u32.to_le_bytes().to_vec(), entries.concat()].concat();
    if rustix::fs::setxattr(dir.path(), "system.posix_acl_default", &acl, XattrFlags::empty()).is_err() {
        eprintln!("no ACLs here");
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    set(&path, KEY, "new").unwrap();
    assert!(rustix::fs::getxattr(&path, "system.posix_acl_access", &mut [0; 100][..]).is_err());
    assert_eq!(mode(&path), 0o644);
    let made = dir.path().join("made");
    set(&made, KEY, "new").unwrap();
    assert_eq!(mode(&made), 0o600);
}

#[test]
fn links_lead_to_the_file_and_stay() {
    let (dir, path) = env(b"export KEY=old\n");
    fs::create_dir(dir.path().join("sub")).unwrap();
    symlink("../env", dir.path().join("sub/relative")).unwrap();
    symlink(dir.path().join("sub/relative"), dir.path().join("first")).unwrap();
    symlink("sub", dir.path().join("linked")).unwrap();
    for (through, new) in [("first", "one"), ("linked/relative", "two"), ("linked/../env", "three")] {
        let done = set(&dir.path().join(through), KEY, new).unwrap();
        assert_eq!(done.path, path.canonicalize().unwrap());
        assert_eq!(fs::read(&path).unwrap(), format!("export KEY={new}\n").as_bytes());
    }
    assert!(dir.path().join("first").is_symlink() && dir.path().join("sub/relative").is_symlink());
    assert_eq!(names(dir.path()), ["env", "first", "linked", "sub"]);

    symlink("sub/target", dir.path().join("dangling")).unwrap();
    assert_eq!(set(&dir.path().join("dangling"), KEY, "new").unwrap().how, How::Created);
    assert_eq!(fs::read(dir.path().join("sub/target")).unwrap(), b"export KEY='new'\n");
    assert!(dir.path().join("dangling").is_symlink());

    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    refused(&dir.path().join("a"), "circle");
}

#[test]
fn a_missing_file_is_made_for_us_alone() {
    let dir = tempfile::tempdir().unwrap();
    // The mask is the whole process's: other tests of this binary set the modes that they look at.
    for (mask, name) in [(0o000, "a"), (0o077, "b")] {
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
        let path = dir.path().join(name);
        let done = set(&path, KEY, "it's");
        rustix::process::umask(before);
        assert_eq!(done.unwrap().how, How::Created);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"export KEY='it'\\''s'\n");
    }
    assert_eq!(names(dir.path()), ["a", "b"]);
    let refusal = set(&dir.path().join("no/env"), KEY, "new").unwrap_err();
    assert!(refusal.fix.contains("make that directory"), "{refusal:?}");
}

#[test]
fn what_is_no_file_of_ours_is_refused_at_once() {
    let (dir, path) = env(b"export KEY=old\n");
    fs::hard_link(&path, dir.path().join("other")).unwrap();
    refused(&path, "hard link");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("directory")).unwrap();
    refused(&at("directory"), "is a directory");
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    refused(&at("fifo"), "named pipe");
    let _socket = UnixListener::bind(at("socket")).unwrap();
    refused(&at("socket"), "socket");
    refused(Path::new("/dev/null"), "device");
    File::create(at("large")).unwrap().set_len((1 << 20) + 1).unwrap();
    refused(&at("large"), "1 MiB");
    if rustix::process::geteuid().is_root() {
        fs::write(at("theirs"), "export KEY=old\n").unwrap();
        std::os::unix::fs::chown(at("theirs"), Some(4321), None).unwrap();
        refused(&at("theirs"), "another user");
    }
}

#[test]
fn a_value_that_is_not_expected_stays() {
    let (_dir, path) = env(b"export KEY=old\n");
    let mut asked = Vec::new();
    let new = Secret::copy(b"new");
    let refusal = replace(&path, KEY, &new, Path::new("/"), &mut |now| {
        asked.push(now.map(<[u8]>::to_vec));
        false
    })
    .unwrap_err();
    assert!(refusal.superseded);
    assert_eq!(asked, [Some(b"old".to_vec())]);
    fs::write(&path, "export KEY=\n").unwrap();
    replace(&path, KEY, &new, Path::new("/"), &mut |now| now.is_none()).unwrap();
    for (variable, new) in [(KEY, ""), (KEY, "a\nb"), (KEY, "a\r"), ("K;id", "new"), ("1K", "new")] {
        let before = fs::read(&path).unwrap();
        assert!(!set(&path, variable, new).unwrap_err().superseded);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn what_a_killed_process_left_goes_after_an_hour() {
    let (dir, path) = env(b"export KEY=old\n");
    let left = |name: &str, minutes: u64| {
        let file = File::create(dir.path().join(name)).unwrap();
        age(&file, minutes);
    };
    left(".env.credd-0123456789abcdef", 61);
    left(".env.credd-1123456789abcdef", 30);
    left(".env.credd-0123456789abcde", 61);
    left(".env.credd-0123456789abcdeg", 61);
    left(".env2.credd-0123456789abcdef", 61);
    set(&path, KEY, "new").unwrap();
    let expected =
        [".env.credd-0123456789abcde", ".env.credd-0123456789abcdeg", ".env.credd-1123456789abcdef", ".env2.credd-0123456789abcdef", "env"];
    assert_eq!(names(dir.path()), expected);
}

/// A small disk of its own, until it is dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` where this user may not mount.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "credd-rewrite"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_or_read_only_disk_leaves_all_as_it_is() {
    let Some(disk) = Disk::mount() else {
        eprintln!("nothing can be mounted here");
        return;
    };
    let path = disk.0.path().join("env");
    fs::write(&path, "export KEY=old\n").unwrap();
    fs::write(disk.0.path().join("filler"), vec![b'x'; 1 << 20]).unwrap_err();
    let refusal = refused(&path, "can't be replaced");
    assert!(refusal.fix.contains("make room"), "{refusal:?}");
    assert_eq!(names(disk.0.path()), ["env", "filler"]);
    fs::remove_file(disk.0.path().join("filler")).unwrap();
    let remount = |how: &str| Command::new("mount").args(["-o", how]).arg(disk.0.path()).status().unwrap();
    assert!(remount("remount,ro").success());
    let refusal = refused(&path, "can't be replaced");
    assert!(refusal.fix.contains("read-only"), "{refusal:?}");
    assert!(remount("remount,rw").success());
    assert_eq!(fs::read(&path).unwrap(), b"export KEY=old\n");
    set(&path, KEY, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"export KEY=new\n");
    assert_eq!(names(disk.0.path()), ["env"]);
}
