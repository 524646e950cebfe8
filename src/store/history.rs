//! What happened, as JSON lines that only grow: two files, the older of which is dropped when the
//! newer is full.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::private_options;
use crate::core::HistoryEntry;

const FILE: &str = "history.jsonl";
const OLDER: &str = "history.older.jsonl";
/// Bytes of one file, some thousand entries.
const FULL: u64 = 1024 * 1024;

/// Appends to the history of a state directory.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
}

impl History {
    /// The history of `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.into() }
    }

    /// Appends entries, in order. It isn't synced: the state is what decisions rest on.
    pub fn append(&self, entries: &[HistoryEntry]) -> io::Result<()> {
        let path = self.dir.join(FILE);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() >= FULL) {
            fs::rename(&path, self.dir.join(OLDER))?;
        }
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let mut file: File = private_options().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        // Half a line would take the next one with it.
        file.write_all(&lines).inspect_err(|_| _ = file.set_len(length))
    }

    /// The last `n` entries, oldest first. A line that can't be read is passed over.
    pub fn last(&self, n: usize) -> io::Result<Vec<HistoryEntry>> {
        let mut entries = Vec::new();
        for file in [OLDER, FILE] {
            match fs::read(self.dir.join(file)) {
                Ok(bytes) => entries.extend(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let surplus = entries.len().saturating_sub(n);
        Ok(entries.split_off(surplus))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn entry(n: i64) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::from_second(n).unwrap(),
            event: "test".into(),
            key: None,
            consumer: None,
            fingerprint: None,
            message: "x".repeat(1000),
        }
    }

    #[test]
    fn keeps_the_newest_and_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path());
        for n in 0..50 {
            history.append(&(n * 100..(n + 1) * 100).map(entry).collect::<Vec<_>>()).unwrap();
        }
        let last = history.last(3).unwrap();
        assert_eq!(last.iter().map(|entry| entry.at.as_second()).collect::<Vec<_>>(), [4997, 4998, 4999]);
        let size: u64 = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(size < 3 * FULL, "{size}");
        assert!(history.last(usize::MAX).unwrap().len() > 1000);
    }
}
