//! A state that is cut short, damaged, or another version's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use credd::core::{IssuedSource, KeyRecord, Record};
use credd::store::read_ledger;
use serde_json::{Value, json};

use crate::rig::{CREDD, Random, events, home, is_long, no_problem, one_problem};
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;

/// The files of a state as credd 0.1.0 writes them (`state.journal`, `salt`, `history.jsonl`), in January 2025, and a journal that has
/// every field of its records: to be read for ever, and never changed.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state/v1").join(name)
}

fn state_dir(home: &Home) -> PathBuf {
    home.state_dir().join("credd")
}

/// A home with the state that the first version left: the key `one`, whose date the user had declared.
fn from_fixture() -> Home {
    let home = home();
    fs::create_dir_all(state_dir(&home)).unwrap();
    for name in ["state.journal", "salt", "history.jsonl"] {
        fs::copy(fixture(name), state_dir(&home).join(name)).unwrap();
    }
    home
}

/// The bytes of a record's line.
fn line(record: &Value) -> Vec<u8> {
    let json = serde_json::to_vec(record).unwrap();
    [format!("{:08x} ", crc32fast::hash(&json)).as_bytes(), &json, b"\n"].concat()
}

#[test]
fn the_first_version_s_is_read_and_goes_on() {
    let home = from_fixture();
    let daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the key", SOON, |status| status["keys"][0]["detail"].is_null() && status["keys"][0]["state"] != "missing");
    let key = &status["keys"][0];
    assert_eq!((&key["issued_at"], &key["issued_source"]), (&json!("2025-01-05T09:30:00Z"), &json!("declared")));
    assert_eq!(key["fingerprint"], "1061358f20b55439d8fc9f5364dbd72d", "by the same salt");
    assert_eq!(key["alerts_sent"][0]["reason"], "day-25", "told in those days");
    assert_eq!(status["problems"], json!([]));
    let told = events(&daemon);
    assert!(told.starts_with(&["key-new".to_owned()]) && told.iter().all(|event| event != "state-recovered"), "{told:?}");
}

/// What is read of it is all of it: written again, each record is the same.
#[test]
fn every_field_of_the_first_version_is_known() {
    let text = fs::read_to_string(fixture("all-fields.journal")).unwrap();
    let mut records = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (_, json) = line.split_once(' ').unwrap();
        let written: Value = serde_json::from_str(json).unwrap();
        let read: Record = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        records.insert(line[9..40].to_owned(), read);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.journal"), text).unwrap();
    let (ledger, damage) = read_ledger(dir.path()).unwrap();
    assert_eq!((ledger.records().count(), damage), (records.len(), None));
}

#[test]
fn a_newer_version_s_is_kept_aside_and_read_as_far_as_it_is_understood() {
    let home = from_fixture();
    let journal = state_dir(&home).join("state.journal");
    let old = fs::read_to_string(&journal).unwrap();
    let (_, records) = old.split_once('\n').unwrap();
    let mut newer = line(&json!({"credd_state": 2, "more": true}));
    newer.extend_from_slice(records.as_bytes());
    newer.extend(line(&json!({"hovercraft": {"eels": 7}})));
    fs::write(&journal, &newer).unwrap();
    let mut daemon = Daemon::start(CREDD, &home);
    let message = one_problem(&daemon, "state-recovered");
    assert!(message.contains("a newer credd"), "{message}");
    assert_eq!(daemon.status()["keys"][0]["issued_at"], "2025-01-05T09:30:00Z");
    let kept: Vec<_> = kept(&home);
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(&kept[0]).unwrap(), newer);
    // It stays, whatever is written from now on, and until the user has seen to it.
    daemon.ok(&["issued", "bedrock", "2025-01-06"]);
    daemon.kill();
    let daemon = Daemon::start(CREDD, &home);
    assert_eq!(daemon.status()["keys"][0]["issued_at"], "2025-01-06T00:00:00Z");
    assert_eq!(fs::read(&kept[0]).unwrap(), newer);
}

/// What was kept aside.
fn kept(home: &Home) -> Vec<PathBuf> {
    let all = fs::read_dir(state_dir(home)).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("state.journal.")).collect()
}

/// The store's own tests take every length and every bit; here a sample goes through the whole program.
#[test]
fn cut_short_or_with_flipped_bits_it_is_read_as_far_as_it_is_whole() {
    let mut random = Random::new();
    let whole = fs::read(fixture("state.journal")).unwrap();
    let length = u64::try_from(whole.len()).unwrap();
    let mut declared = 0;
    for sample in 0..if is_long() { 400 } else { 24 } {
        let home = from_fixture();
        let mut bytes = whole.clone();
        let at = usize::try_from(random.below(length)).unwrap();
        let is_cut = sample % 2 == 0;
        if is_cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << random.below(8);
        }
        let what = format!("{} at {at}", if is_cut { "cut" } else { "flipped" });
        fs::write(state_dir(&home).join("state.journal"), &bytes).unwrap();
        let (left, _) = read_ledger(&state_dir(&home)).unwrap();
        let daemon = Daemon::start(CREDD, &home);
        let status = daemon.until(&what, SOON, |status| status["keys"][0]["state"] != "missing");
        let kept = kept(&home);
        if kept.is_empty() {
            // Torn, at most: the end of a line that was never acknowledged, or nothing that counts.
            assert_eq!(status["problems"], json!([]), "{what}");
            assert!(!daemon.log().contains("state-recovered"), "{what}");
            let begin = whole[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            // A checksum's digit in the other case is the same digit.
            let is_harmless = at + 1 == whole.len() || at - begin < 8;
            assert!(if is_cut { begin > 0 } else { is_harmless }, "{what}: lost without a word");
        } else {
            assert_eq!(fs::read(&kept[0]).unwrap(), bytes, "{what}");
            one_problem(&daemon, "state-recovered");
            fs::remove_file(&kept[0]).unwrap();
            no_problem(&daemon, SOON);
        }
        // Whatever is left of it counts.
        if let Some(known) = left.keys.get(&"bedrock".into()).and_then(KeyRecord::known_now) {
            assert_eq!(status["keys"][0]["issued_at"], json!(known.issued.at), "{what}");
            declared += usize::from(known.issued.source == IssuedSource::Declared);
        }
        assert!(!daemon.log().contains("panicked"), "{what}");
    }
    assert!(declared > 0, "no sample had a date left");
}
