//! Others who write to the file at the same time, and an end at any moment.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use credd::rewrite::How;

use crate::generate::Random;
use crate::{KEY, age, set};

/// Names the file that this very program is to rewrite or edit, when a test starts it again as another process.
const FILE: &str = "CREDD_TEST_REWRITE_FILE";
/// What it is to do there.
const PART: &str = "CREDD_TEST_REWRITE_PART";

fn start(part: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["others::part", "--exact", "--nocapture"])
        .env(FILE, path)
        .env(PART, part)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Not a test: what another process does, if it was started to.
#[test]
fn part() {
    let (Some(path), Ok(part)) = (std::env::var_os(FILE).map(PathBuf::from), std::env::var(PART)) else {
        return;
    };
    match part.as_str() {
        "editor" => edit(&path),
        "holder" => hold(&path),
        name => {
            for turn in 0_u64.. {
                let _ = set(&path, name, &format!("value-{turn}-{}", "x".repeat(40)));
            }
        }
    }
}

const EDITS: usize = 500;

/// Adds `EDITS` lines in all ways that editors and scripts have, and never takes one away.
fn edit(path: &Path) {
    let mut random = Random::new(11);
    for index in 0..EDITS {
        let line = format!("# edit {index}\n");
        match random.below(4) {
            // Appended in one go, or slowly.
            0 => OpenOptions::new().append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap(),
            1 => {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                let (one, two) = line.split_at(4);
                file.write_all(one.as_bytes()).unwrap();
                thread::sleep(Duration::from_micros(random.below(3000) as u64));
                file.write_all(two.as_bytes()).unwrap();
            }
            // Rewritten in place.
            2 => {
                let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
                let mut text = String::new();
                std::io::Read::read_to_string(&mut file, &mut text).unwrap();
                let text = text + &line;
                std::io::Seek::rewind(&mut file).unwrap();
                file.write_all(text.as_bytes()).unwrap();
            }
            // Written beside and renamed.
            _ => {
                let text = fs::read_to_string(path).unwrap() + &line;
                let beside = path.with_extension("tmp");
                fs::write(&beside, text).unwrap();
                fs::rename(&beside, path).unwrap();
            }
        }
        thread::sleep(Duration::from_micros(random.below(12_000) as u64));
    }
}

/// Adds `EDITS` lines and takes its time between opening the file and writing to it, so that files are often replaced
/// in between.
fn hold(path: &Path) {
    let mut random = Random::new(12);
    for index in 0..EDITS {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        thread::sleep(Duration::from_micros(2000 + random.below(500) as u64));
        file.write_all(format!("# edit {index}\n").as_bytes()).unwrap();
        drop(file);
        thread::sleep(Duration::from_micros(random.below(4000) as u64));
    }
}

fn lines(path: &Path) -> HashSet<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// All files of a directory but the one.
fn beside(path: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|other| other != path).collect()
}

#[test]
fn no_edit_is_ever_lost() {
    none_is_lost("editor");
}

#[test]
fn no_line_of_a_slow_writer_is_ever_lost() {
    none_is_lost("holder");
}

/// Replaces a value again and again while another process adds lines in the given way.
fn none_is_lost(part: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    fs::write(&path, "export KEY='old'\n").unwrap();
    let mut editor = start(part, &path);
    let (mut done, mut superseded) = (0, 0);
    let status = loop {
        if let Some(status) = editor.try_wait().unwrap() {
            break status;
        }
        match set(&path, KEY, &format!("value-{done}")) {
            Ok(_) => done += 1,
            Err(refusal) => {
                assert!(refusal.superseded || refusal.message.contains("stops reading"), "{}", refusal.message);
                superseded += 1;
            }
        }
    };
    assert!(status.success());
    let mut found = lines(&path);
    let kept = beside(&path);
    for other in &kept {
        assert!(other.to_str().unwrap().contains("env.kept-by-credd-"), "{} is left", other.display());
        found.extend(lines(other));
    }
    let lost: Vec<usize> = (0..EDITS).filter(|index| !found.contains(&format!("# edit {index}"))).collect();
    eprintln!("{done} replaced, {superseded} given way, {} kept beside, {} of {EDITS} edits lost", kept.len(), lost.len());
    assert!(lost.is_empty(), "{lost:?}");
    assert!(done > 5 && superseded > 0);
}

#[test]
fn killed_at_any_moment_the_file_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    let (head, tail) = ("# head\nexport KEY='", format!("'\n# {}\n", "tail ".repeat(2000)));
    fs::write(&path, format!("{head}value-0{tail}")).unwrap();
    let mut random = Random::new(5);
    let mut left = 0;
    for _ in 0..200 {
        let mut child = start(KEY, &path);
        // It needs some milliseconds to start, and is at work from then on.
        thread::sleep(Duration::from_micros(8000 + random.below(25_000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let value = text.strip_prefix(head).and_then(|text| text.strip_suffix(&tail[..])).expect("a whole file");
        assert!(value.starts_with("value-") && (value == "value-0" || value.ends_with(&"x".repeat(40))), "{value}");
        left = left.max(beside(&path).len());
    }
    let leftovers = beside(&path);
    eprintln!("200 times killed, {} files left", leftovers.len());
    assert!(left > 0, "it was never killed at work");
    for file in &leftovers {
        age(&File::options().write(true).open(file).unwrap(), 120);
    }
    set(&path, KEY, "last").unwrap();
    assert_eq!(beside(&path), [] as [PathBuf; 0]);
}

#[test]
fn two_writers_of_one_file_both_get_theirs_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    for round in 0..30 {
        let _ = fs::remove_file(&path);
        if round % 2 == 0 {
            fs::write(&path, "export A='old'\nexport B='old'\n").unwrap();
        }
        thread::scope(|scope| {
            for name in ["A", "B"] {
                let path = &path;
                scope.spawn(move || {
                    for turn in 0..5 {
                        set(path, name, &format!("{name}-{turn}")).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("export A='A-4'\n") && text.contains("export B='B-4'\n"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn a_file_that_is_open_for_writing_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    fs::write(&path, "export KEY='old'\n").unwrap();
    let mut open = OpenOptions::new().append(true).open(&path).unwrap();
    let refusal = set(&path, KEY, "new").unwrap_err();
    assert!(refusal.superseded && refusal.message.contains("open in another program"), "{}", refusal.message);
    let closed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            open.write_all(b"B=1\n").unwrap();
            closed.store(true, Ordering::SeqCst);
            drop(open);
        });
        let done = set(&path, KEY, "new").unwrap();
        assert!(closed.load(Ordering::SeqCst));
        assert_eq!(done.how, How::Replaced);
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "export KEY='new'\nB=1\n");
}
