//! The release program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::costs::{Mode, hold};

/// Issue 6.
const MOST_BYTES: u64 = 5_000_000;

/// The program, if it is one of these sources; a failure where everything is to be compared.
pub fn release() -> Option<&'static str> {
    let path = Path::new(env!("CARGO_BIN_EXE_credd")).parent()?.with_file_name("release").join("credd");
    let why = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
        Ok(built) if built >= newest_source() => return Some(path.to_str()?.to_owned().leak()),
        Ok(_) => "is older than its sources",
        Err(_) => "isn't there",
    };
    let said = format!("{} {why}: cargo build --release --locked", path.display());
    assert!(Mode::now() == Mode::Ordinary, "{said}");
    eprintln!("left out: {said}");
    None
}

fn newest_source() -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut directories = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                newest = newest.max(metadata.modified().unwrap());
            }
        }
    }
    newest
}

#[test]
fn is_small() {
    let Some(program) = release() else { return };
    let size = fs::metadata(program).unwrap().len();
    hold("bytes of the program", size);
    assert!(size <= MOST_BYTES, "the program has {size} bytes, more than {MOST_BYTES}");
}

#[test]
fn tells_its_errors_where_backtraces_are_wanted() {
    let Some(program) = release() else { return };
    let run = Command::new(program).args(["run", "--state-dir", "/dev/null/state"]).env("RUST_BACKTRACE", "1").output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(1) && said.contains("/dev/null/state can't be used"), "{:?}: {said}", run.status);
}
