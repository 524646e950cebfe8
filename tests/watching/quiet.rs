//! What brings no hint, what brings one later, and what must not cost much.

use std::path::PathBuf;
use std::time::Duration;

use credd::core::FileBody;
use credd::watcher::{Hint, Watcher};

use crate::rig::{Rig, block_on, hint_at, next};

fn write(path: &PathBuf, value: &str) {
    std::fs::write(path, format!("export KEY=\"{value}\"\n")).unwrap();
}

#[test]
fn ten_thousand_writes_end_in_the_last_value() {
    let rig = Rig::new();
    let path = rig.path("env");
    write(&path, "first");
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        let file = path.clone();
        let writing = tokio::task::spawn_blocking(move || {
            for number in 0..10_000 {
                write(&file, &format!("number {number}"));
            }
        });
        let (done, seen) = tokio::join!(writing, rig.sees(&mut watcher, &path, "number 9999"));
        done.unwrap();
        seen.unwrap();
        write(&path, "after");
        rig.sees(&mut watcher, &path, "after").await.unwrap();
    });
}

#[test]
fn other_files_and_reading_bring_no_hint() {
    let rig = Rig::new();
    let path = rig.path("env");
    write(&path, "first");
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        let directory = rig.directory.path().to_owned();
        let busy = tokio::task::spawn_blocking(move || {
            for number in 0..1_000 {
                let other = directory.join(format!("other{number}"));
                write(&other, "x");
                std::fs::rename(&other, directory.join("renamed")).unwrap();
                std::fs::read(directory.join("env")).unwrap();
                std::fs::read_dir(&directory).unwrap().count();
            }
            std::fs::remove_file(directory.join("renamed")).unwrap();
        });
        tokio::select! {
            biased;
            hint = watcher.next() => panic!("{hint:?}"),
            done = busy => done.unwrap(),
        }
        for _ in 0..100 {
            assert!(rig.holds(&path, "first"));
        }
        // What came after the last look.
        let hint = tokio::time::timeout(Duration::from_millis(300), watcher.next()).await;
        assert!(hint.is_err(), "{hint:?}");
        write(&path, "second");
        rig.sees(&mut watcher, &path, "second").await.unwrap();
    });
}

#[test]
fn what_is_not_there_yet_is_seen_when_it_comes() {
    let rig = Rig::new();
    let path = rig.path("a/b/c/env");
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        assert_eq!(rig.read(&path), FileBody::Missing);
        std::fs::create_dir_all(rig.path("a/b")).unwrap();
        hint_at(&mut watcher, &path).await;
        std::fs::create_dir(rig.path("a/b/c")).unwrap();
        hint_at(&mut watcher, &path).await;
        write(&path, "first");
        rig.sees(&mut watcher, &path, "first").await.unwrap();
    });
}

#[test]
fn a_circle_of_symlinks_is_watched_until_it_is_broken() {
    let rig = Rig::new();
    let path = rig.path("env");
    std::os::unix::fs::symlink("other", &path).unwrap();
    std::os::unix::fs::symlink("env", rig.path("other")).unwrap();
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        std::fs::remove_file(rig.path("other")).unwrap();
        write(&rig.path("other"), "first");
        rig.sees(&mut watcher, &path, "first").await.unwrap();
    });
}

#[test]
fn paths_can_be_changed_and_named_in_any_way() {
    let rig = Rig::new();
    let (one, two) = (rig.path("one"), rig.path("sub/../two"));
    std::fs::create_dir(rig.path("sub")).unwrap();
    write(&one, "first");
    block_on(async {
        let mut watcher = Watcher::new(vec![one.clone(), one.clone()]);
        let few = watcher.watches();
        watcher.set_paths(vec![two.clone()]);
        write(&one, "not seen");
        write(&two, "second");
        rig.sees(&mut watcher, &two, "second").await.unwrap();
        watcher.set_paths(vec![two.clone(), one.clone()]);
        write(&one, "third");
        rig.sees(&mut watcher, &one, "third").await.unwrap();
        watcher.set_paths(vec![one.clone()]);
        assert_eq!(watcher.watches(), few);
        watcher.set_paths(Vec::<PathBuf>::new());
        assert_eq!(watcher.watches(), 0);
        write(&one, "fourth");
        let hint = tokio::time::timeout(Duration::from_millis(300), watcher.next()).await;
        assert!(hint.is_err(), "{hint:?}");
    });
}

#[test]
fn a_hint_that_nobody_took_yet_survives_new_paths() {
    let rig = Rig::new();
    let (one, two) = (rig.path("one"), rig.path("two"));
    block_on(async {
        let mut watcher = Watcher::new(vec![one.clone()]);
        write(&one, "first");
        watcher.set_paths(vec![two, one.clone()]);
        assert_eq!(next(&mut watcher).await, Hint::Files(vec![one.clone()]));
    });
}

#[test]
fn two_thousand_files_share_their_directories() {
    let rig = Rig::new();
    let paths: Vec<PathBuf> = (0..2_000).map(|number| rig.path(&format!("env{number}"))).collect();
    for path in &paths {
        write(path, "first");
    }
    block_on(async {
        let mut watcher = Watcher::new(paths.clone());
        assert!(watcher.watches() < 2_010, "{}", watcher.watches());
        write(&paths[1_234], "second");
        assert_eq!(next(&mut watcher).await, Hint::Files(vec![paths[1_234].clone()]));
        assert!(rig.holds(&paths[1_234], "second"));
        // All at once, through the directory.
        let away = rig.directory.path().with_extension("away");
        std::fs::rename(rig.directory.path(), &away).unwrap();
        std::fs::rename(&away, rig.directory.path()).unwrap();
        match next(&mut watcher).await {
            Hint::Files(files) => assert_eq!(files.len(), 2_000),
            other => panic!("{other:?}"),
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn lost_events_lose_no_edit() {
    let rig = Rig::new();
    let path = rig.path("env");
    let most: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    if most > 200_000 {
        eprintln!("skipped: a queue of {most} events takes too long to fill");
        return;
    }
    block_on(async {
        let mut watcher = Watcher::new(vec![path.clone()]);
        for number in 0..=most {
            std::fs::create_dir(rig.path(&format!("d{number}"))).unwrap();
        }
        write(&path, "first");
        rig.sees(&mut watcher, &path, "first").await.unwrap();
        write(&path, "second");
        rig.sees(&mut watcher, &path, "second").await.unwrap();
    });
}
