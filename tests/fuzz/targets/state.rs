//! The state file. Of a line that starts with `=` the checksum is made, so that what is inside is reached; all others
//! are as they stand. Whatever the file, it is read without and with a daemon alike, nothing of it is lost unseen, what
//! was read comes back as it was, and the core can go on from it.
#![no_main]

use std::cell::OnceCell;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use credd::core::{Event, Ledger, Record};
use credd::store::{Journal, read_ledger};
use credd_fuzz::outside::World;
use jiff::Timestamp;
use tempfile::TempDir;

/// A time in 2027.
const NOW: i64 = 1_800_000_000;
const FILE: &str = "state.journal";

thread_local! {
    static DIR: OnceCell<TempDir> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let bytes = summed(input);
    DIR.with(|dir| through(dir.get_or_init(|| tempfile::tempdir().expect("a directory")).path(), &bytes));
});

/// The lines with their checksums.
fn summed(input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"=") {
            None => bytes.extend_from_slice(line),
            Some(rest) => {
                let json = rest.strip_suffix(b"\n").unwrap_or(rest);
                write!(bytes, "{:08x} ", crc32fast::hash(json)).expect("a vector takes it");
                bytes.extend_from_slice(rest);
            }
        }
    }
    bytes
}

fn through(dir: &Path, bytes: &[u8]) {
    let now = Timestamp::from_second(NOW).expect("a time");
    let path = dir.join(FILE);
    fs::write(&path, bytes).expect("written");
    let (seen, complaint) = read_ledger(dir).expect("readable");
    let (mut journal, ledger, damage) = Journal::open(dir, now).expect("readable and writable");
    assert!(seen == ledger, "the same without a daemon");
    assert_eq!(complaint.map(|damage| damage.message), damage.as_ref().map(|damage| damage.message.clone()));
    match &damage {
        Some(damage) => {
            let kept = damage.kept.as_ref().expect("kept aside");
            assert!(fs::read(kept).expect("readable") == bytes, "as it was");
            fs::remove_file(kept).expect("removed");
        }
        // No more is gone than the beginning of a line.
        None => {
            let left = fs::read(&path).expect("readable");
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            assert!(left == bytes[..whole] && whole > 0, "whole lines stay");
            assert!(records(&left) >= ledger.records().count(), "each record stands on a line");
            assert!(left.split_inclusive(|byte| *byte == b'\n').all(is_summed), "a line that isn't as it was written");
        }
    }
    same_again(dir, &ledger, "what was read");
    let mut more = ledger.clone();
    let clock = Record::Clock(now);
    more.absorb(clock.clone());
    journal.save(&[clock], || more.records()).expect("saved");
    same_again(dir, &more, "with one more record");
    journal.save_all(more.records()).expect("saved");
    same_again(dir, &more, "written anew");
    go_on(more);
}

fn same_again(dir: &Path, ledger: &Ledger, what: &str) {
    let (again, damage) = read_ledger(dir).expect("readable");
    assert!(damage.is_none() && again == *ledger, "{what}");
}

/// Whether a line's checksum is that of the rest of it.
fn is_summed(line: &[u8]) -> bool {
    let sum = line.get(..8).and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    sum.is_some_and(|sum| sum == crc32fast::hash(&line[9..line.len() - 1]))
}

fn records(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
}

/// Takes the core some steps from there.
fn go_on(ledger: Ledger) {
    let mut world = World::new(ledger);
    world.step(Event::Start);
    for _ in 0..8 {
        world.wait();
    }
    world.document();
}
