//! What happened, as JSON lines that only grow: two files, the older of which is dropped when the
//! newer is full.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::append_to;
use crate::core::HistoryEntry;

const FILE: &str = "history.jsonl";
const OLDER: &str = "history.older.jsonl";
/// Bytes of one file, some thousand entries.
const FULL: u64 = 1024 * 1024;

/// What is held in memory while it can't be written.
const MOST_UNWRITTEN: usize = 256 * 1024;

/// Appends to the history of a state directory.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
    /// Lines for the next try.
    unwritten: Vec<u8>,
    /// The file was seen to end with a whole line.
    is_whole: bool,
}

impl History {
    /// The history of `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.into(), unwritten: Vec::new(), is_whole: false }
    }

    /// Appends entries, in order, and ahead of them those that couldn't be appended before. It isn't synced: the
    /// state is what decisions rest on.
    pub fn append(&mut self, entries: &[HistoryEntry]) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.unwritten);
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let written = self.write(&lines);
        self.is_whole = written.is_ok();
        if written.is_err() {
            let surplus = lines.len().saturating_sub(MOST_UNWRITTEN);
            let end = lines[surplus..].iter().position(|byte| *byte == b'\n').filter(|_| surplus > 0);
            lines.drain(..end.map_or(0, |end| surplus + end + 1));
            self.unwritten = lines;
        }
        written
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let path = self.dir.join(FILE);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() >= FULL) {
            fs::rename(&path, self.dir.join(OLDER))?;
        }
        let mut file = append_to(&path)?;
        let length = file.metadata()?.len();
        // Half a line would take the next one with it: from a daemon that was killed, or now.
        if !self.is_whole && length > 0 {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        file.write_all(lines).inspect_err(|_| _ = file.set_len(length))
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
        let mut history = History::new(dir.path());
        for n in 0..50 {
            history.append(&(n * 100..(n + 1) * 100).map(entry).collect::<Vec<_>>()).unwrap();
        }
        let last = history.last(3).unwrap();
        assert_eq!(last.iter().map(|entry| entry.at.as_second()).collect::<Vec<_>>(), [4997, 4998, 4999]);
        let size: u64 = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(size < 3 * FULL, "{size}");
        assert!(history.last(usize::MAX).unwrap().len() > 1000);
    }

    /// The seconds of the entries that can be read.
    fn seconds(dir: &Path) -> Vec<i64> {
        History::new(dir).last(usize::MAX).unwrap().iter().map(|entry| entry.at.as_second()).collect()
    }

    #[test]
    fn half_a_line_of_one_that_was_killed_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        History::new(dir.path()).append(&[entry(1), entry(2)]).unwrap();
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for cut in 1..whole.len() / 2 {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut next = History::new(dir.path());
            next.append(&[entry(3)]).unwrap();
            next.append(&[entry(4)]).unwrap();
            // Without its newline alone it is whole.
            assert_eq!(seconds(dir.path()), if cut == 1 { vec![1, 2, 3, 4] } else { vec![1, 3, 4] }, "{cut}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_written_later_and_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut history = History::new(&state);
        for n in 0..3 {
            history.append(&[entry(n)]).unwrap_err();
        }
        fs::create_dir(&state).unwrap();
        history.append(&[entry(3)]).unwrap();
        assert_eq!(seconds(&state), [0, 1, 2, 3]);
        assert!(history.unwritten.is_empty());

        fs::rename(&state, dir.path().join("elsewhere")).unwrap();
        for n in 4..1000 {
            history.append(&[entry(n)]).unwrap_err();
            assert!(history.unwritten.len() <= MOST_UNWRITTEN);
        }
        fs::create_dir(&state).unwrap();
        history.append(&[]).unwrap();
        let kept = seconds(&state);
        assert!(kept.len() > 200 && kept.is_sorted() && kept.last() == Some(&999), "{kept:?}");
    }
}
