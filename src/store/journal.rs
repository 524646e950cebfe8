//! The state as an append-only journal with compaction.
//!
//! Each line is a CRC-32 in hexadecimal, a space, and a JSON [`Record`]; the last record of a name
//! counts. A save appends its lines and syncs, so its cost doesn't grow with the number of keys. A
//! line that was torn by a crash ends the file and is cut off; any other damage keeps the whole file
//! aside, and everything that is still readable counts.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{append_to, private_options};
use crate::checksum::crc32;
use crate::core::{Ledger, Record};

const FILE: &str = "state.journal";
const VERSION: u32 = 1;
/// Compact once the file is this many times as long as what counts of it …
const GROWTH: u64 = 4;
/// … and at least so long (bytes).
const WORTH_COMPACTING: u64 = 256 * 1024;
/// Files that are kept aside in one second.
const MOST_KEPT: u32 = 100;

/// Where the journal of a state directory is.
pub fn journal_path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

#[derive(Serialize, Deserialize)]
struct Header {
    credd_state: u32,
}

/// Something was wrong with the state that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What, in one sentence.
    pub message: String,
    /// Where the damaged file is kept.
    pub kept: Option<PathBuf>,
}

/// The journal of a running daemon.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    file: Option<File>,
    length: u64,
    lines: u64,
    /// Shorter than that, it is not looked at whether it has grown.
    compact_at: u64,
}

/// What a journal's bytes say.
struct Scan {
    ledger: Ledger,
    /// Bytes up to the end of the last good line.
    good: u64,
    lines: u64,
    /// Only the last line, without its newline, was bad: the writer was cut off.
    torn: bool,
    bad_lines: usize,
    newer: bool,
}

/// Reads the state without touching it: for commands that run without a daemon.
pub fn read_ledger(state_dir: &Path) -> io::Result<(Ledger, Option<Damage>)> {
    match File::open(state_dir.join(FILE)) {
        Ok(file) => {
            let found = scan(BufReader::new(file))?;
            let damage = found.damage().map(|message| Damage { message, kept: None });
            Ok((found.ledger, damage))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Ledger::default(), None)),
        Err(error) => Err(error),
    }
}

impl Scan {
    /// What is wrong with it, in one sentence, where more is than a torn end.
    fn damage(&self) -> Option<String> {
        if self.newer {
            Some("the state was written by a newer credd; what this one understands of it counts".into())
        } else {
            (self.bad_lines > 0).then(|| format!("the state was damaged in {} place(s); everything else in it counts", self.bad_lines))
        }
    }
}

impl Journal {
    /// Opens the journal of `state_dir`, whose [`super::Lock`] the caller holds.
    pub fn open(state_dir: &Path, now: Timestamp) -> io::Result<(Self, Ledger, Option<Damage>)> {
        let path = state_dir.join(FILE);
        let mut journal = Self { dir: state_dir.into(), file: None, length: 0, lines: 0, compact_at: WORTH_COMPACTING };
        // For reading first: one that is damaged is kept as it is, and nothing more is written to it.
        let file = match private_options().read(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                journal.save_all(std::iter::empty())?;
                return Ok((journal, Ledger::default(), None));
            }
            Err(error) => return Err(error),
        };
        let found = scan(BufReader::new(&file))?;
        let Some(message) = found.damage() else {
            let file = append_to(&path)?;
            if found.torn {
                file.set_len(found.good)?;
                file.sync_data()?;
            }
            journal.length = found.good;
            journal.file = Some(file);
            journal.lines = found.lines;
            return Ok((journal, found.ledger, None));
        };
        let why = if found.newer { "newer" } else { "damaged" };
        let kept = keep_aside(&path, &format!("{FILE}.{why}-{}", now.strftime("%Y%m%dT%H%M%SZ")))?;
        journal.save_all(found.ledger.records())?;
        Ok((journal, found.ledger, Some(Damage { message, kept: Some(kept) })))
    }

    /// Writes the journal anew if it has grown: for a time when nothing waits.
    pub fn compact<I: Iterator<Item = Record>>(&mut self, all: impl Fn() -> I) -> io::Result<()> {
        if self.has_grown(1, &all) { self.save_all(all()) } else { Ok(()) }
    }

    /// Whether it is `times` as long as it need be before it is written anew.
    fn has_grown<I: Iterator<Item = Record>>(&mut self, times: u64, all: impl Fn() -> I) -> bool {
        if self.length > times * self.compact_at {
            // Much may have been written once, and all of it be true.
            let live = u64::try_from(all().count()).unwrap_or(u64::MAX).min(self.lines);
            self.compact_at = WORTH_COMPACTING.max(GROWTH * (self.length / self.lines.max(1)) * live);
        }
        self.length > times * self.compact_at
    }

    /// Makes `records` durable. `all` gives the whole state, should the journal be written anew, as it is after an
    /// error and where [`Self::compact`] wasn't called in time.
    ///
    /// After an error nothing of them is in the file; the next save writes all of the state.
    pub fn save<I: Iterator<Item = Record>>(&mut self, records: &[Record], all: impl Fn() -> I) -> io::Result<()> {
        if self.has_grown(2, &all) {
            return self.save_all(all());
        }
        let Some(file) = &mut self.file else { return self.save_all(all()) };
        let mut lines = Vec::new();
        for record in records {
            line(&mut lines, record)?;
        }
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a line in the middle of the file would be damage.
            let _ = file.set_len(self.length);
            self.file = None;
            return Err(error);
        }
        self.length += u64::try_from(lines.len()).unwrap_or_default();
        self.lines += u64::try_from(records.len()).unwrap_or_default();
        Ok(())
    }

    /// Writes the whole state to a new file and puts it in place of the old.
    pub fn save_all(&mut self, all: impl Iterator<Item = Record>) -> io::Result<()> {
        let path = self.dir.join(FILE);
        let new = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(&path)?;
        let mut out = BufWriter::new(new);
        line(&mut out, &Header { credd_state: VERSION })?;
        let mut lines = 1;
        for record in all {
            line(&mut out, &record)?;
            lines += 1;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
        File::open(&self.dir)?.sync_all()?;
        let mut file = private_options().append(true).open(&path)?;
        self.length = file.seek(SeekFrom::End(0))?;
        self.lines = lines;
        self.compact_at = WORTH_COMPACTING.max(GROWTH * self.length);
        self.file = Some(file);
        Ok(())
    }
}

/// Gives the file at `path` a second name beside it, that of an earlier try if there is one: it takes no room on a disk
/// that is full, and each moment there is a whole file under the first name.
fn keep_aside(path: &Path, name: &str) -> io::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let own = fs::symlink_metadata(path)?;
    if own.nlink() > 1 {
        let is_it = |entry: &fs::DirEntry| entry.path() != path && entry.metadata().is_ok_and(|found| found.ino() == own.ino());
        if let Some(kept) = fs::read_dir(dir)?.flatten().find(is_it) {
            return Ok(kept.path());
        }
    }
    for number in 1..=MOST_KEPT {
        let kept = dir.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        match fs::hard_link(path, &kept) {
            Ok(()) => return Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_KEPT => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn line(out: &mut impl Write, entry: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_vec(entry)?;
    write!(out, "{:08x} ", crc32(&json))?;
    out.write_all(&json)?;
    out.write_all(b"\n")
}

fn scan(mut source: impl BufRead) -> io::Result<Scan> {
    let mut found = Scan { ledger: Ledger::default(), good: 0, lines: 0, torn: false, bad_lines: 0, newer: false };
    let mut line = Vec::new();
    let mut first = true;
    while source.read_until(b'\n', &mut line)? > 0 {
        let Some(body) = line.strip_suffix(b"\n") else {
            found.torn = true;
            break;
        };
        let body = checked(body);
        let header = body.filter(|_| first).and_then(|body| serde_json::from_slice::<Header>(body).ok());
        match (header, body.and_then(|body| serde_json::from_slice::<Record>(body).ok())) {
            (Some(header), _) => found.newer = header.credd_state > VERSION,
            (None, Some(record)) if !first => found.ledger.absorb(record),
            // A first line that isn't a header, with records behind it, lost its header.
            (None, Some(record)) => {
                found.ledger.absorb(record);
                found.bad_lines += 1;
            }
            // A newer credd may know other records; they are kept in the copy.
            (None, None) if found.newer && body.is_some() => {}
            (None, None) => found.bad_lines += 1,
        }
        first = false;
        found.good += u64::try_from(line.len()).unwrap_or_default();
        found.lines += 1;
        line.clear();
    }
    // A torn header means that nothing was ever saved; an empty file wasn't written by us.
    if first {
        found.bad_lines += 1;
    }
    Ok(found)
}

/// The JSON of a line whose checksum holds.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (line[8] == b' ' && crc32(json) == sum).then_some(json)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::core::{ConsumerRecord, Fingerprint, KeyRecord};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn key(n: u8) -> Record {
        Record::Key(format!("k{}", n % 7).as_str().into(), KeyRecord { current: Some(Fingerprint::new([n; 16])), ..KeyRecord::default() })
    }

    fn filled(dir: &Path, records: u8) -> Ledger {
        let (mut journal, mut ledger, damage) = Journal::open(dir, now()).unwrap();
        assert_eq!(damage, None);
        for n in 0..records {
            ledger.absorb(key(n));
            journal.save(&[key(n)], || -> std::iter::Empty<Record> { unreachable!() }).unwrap();
        }
        let consumer = Record::Consumer("litellm".into(), ConsumerRecord::default());
        ledger.absorb(consumer.clone());
        journal.save(&[consumer, Record::Clock(now())], || -> std::iter::Empty<Record> { unreachable!() }).unwrap();
        ledger.clock = Some(now());
        ledger
    }

    #[test]
    fn comes_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = filled(dir.path(), 30);
        let (_, read, damage) = Journal::open(dir.path(), now()).unwrap();
        assert_eq!((read, damage), (ledger.clone(), None));
        assert_eq!(read_ledger(dir.path()).unwrap(), (ledger, None));
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn truncated_at_any_length_it_has_every_whole_line_and_is_never_reset_unseen() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 10);
        let whole = fs::read(dir.path().join(FILE)).unwrap();
        for length in 0..whole.len() {
            let cut = tempfile::tempdir().unwrap();
            fs::write(cut.path().join(FILE), &whole[..length]).unwrap();
            let lines = whole[..length].split(|byte| *byte == b'\n').count() - 1;
            let (mut journal, ledger, damage) = Journal::open(cut.path(), now()).unwrap();
            assert_eq!(damage.is_some(), lines == 0, "at {length}");
            assert_eq!(ledger.keys.len(), lines.saturating_sub(1).min(7), "at {length}");
            journal.save(&[key(3)], || ledger.records()).unwrap();
            let (_, again, damage) = Journal::open(cut.path(), now()).unwrap();
            assert_eq!(damage, None, "at {length}");
            assert!(again.keys.contains_key(&"k3".into()));
        }
    }

    #[test]
    fn a_flipped_bit_costs_a_line_or_two_and_the_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = filled(dir.path(), 10);
        let whole = fs::read(dir.path().join(FILE)).unwrap();
        let flipped = tempfile::tempdir().unwrap();
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(flipped.path().join(FILE), &bytes).unwrap();
            let (read, damage) = read_ledger(flipped.path()).unwrap();
            // Harmless: a checksum's digit in the other case. Torn: the last newline is gone.
            assert!(damage.is_some() || read == ledger || at == whole.len() - 1, "bit {bit} of {at}");
            // A newline that is flipped away takes its neighbour along.
            assert!(read.keys.len() + 2 >= ledger.keys.len());
            // Writing it anew takes its time: not for every bit.
            if at % 7 == 0 && at % 8 == bit {
                let unopened = (read, damage.is_some());
                let (_, read, damage) = Journal::open(flipped.path(), now()).unwrap();
                assert_eq!(unopened, (read, damage.is_some()), "the same without a daemon");
                if let Some(kept) = damage.and_then(|damage| damage.kept) {
                    assert_eq!(fs::read(&kept).unwrap(), bytes);
                    fs::remove_file(kept).unwrap();
                }
            }
        }
    }

    #[test]
    fn what_is_damaged_is_kept_once_however_often_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 10);
        let path = dir.path().join(FILE);
        let kept = |name: &str| dir.path().join(format!("{FILE}.damaged-{name}"));
        let damaged = |byte: usize| {
            let mut bytes = fs::read(&path).unwrap();
            bytes[byte] ^= 1;
            fs::write(&path, &bytes).unwrap();
            bytes
        };
        let first = damaged(40);
        // One that was killed when it had kept the file, and not written a new one.
        fs::hard_link(&path, kept("earlier")).unwrap();
        let (_, _, damage) = Journal::open(dir.path(), now()).unwrap();
        assert_eq!(damage.unwrap().kept, Some(kept("earlier")));
        assert_eq!(fs::read(kept("earlier")).unwrap(), first);
        // Twice in a second.
        for name in ["20270115T080000Z", "20270115T080000Z-2"] {
            let bytes = damaged(40);
            let (_, _, damage) = Journal::open(dir.path(), now()).unwrap();
            assert_eq!(damage.unwrap().kept, Some(kept(name)));
            assert_eq!(fs::read(kept(name)).unwrap(), bytes);
        }
        assert_eq!(fs::read(kept("earlier")).unwrap(), first);
    }

    #[test]
    fn a_newer_state_is_kept_aside_and_read_as_far_as_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        line(&mut bytes, &Header { credd_state: 2 }).unwrap();
        line(&mut bytes, &key(1)).unwrap();
        line(&mut bytes, &serde_json::json!({"hovercraft": {"eels": 7}})).unwrap();
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        let (_, ledger, damage) = Journal::open(dir.path(), now()).unwrap();
        assert_eq!(ledger.keys.len(), 1);
        assert_eq!(fs::read(damage.unwrap().kept.unwrap()).unwrap(), bytes);
    }

    /// The longest that a journal gets by many records of few names.
    fn longest(mut on_each: impl FnMut(&mut Journal, &Ledger)) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, mut ledger, _) = Journal::open(dir.path(), now()).unwrap();
        let mut longest = 0;
        for n in 0..20_000_u32 {
            let record = key(u8::try_from(n % 250).unwrap());
            ledger.absorb(record.clone());
            // Durability is not what is tested here, so the file is written without syncing.
            let mut lines = Vec::new();
            line(&mut lines, &record).unwrap();
            if journal.length > 2 * journal.compact_at {
                journal.save(&[record], || ledger.records()).unwrap();
            } else {
                journal.file.as_mut().unwrap().write_all(&lines).unwrap();
                journal.length += lines.len() as u64;
                journal.lines += 1;
            }
            on_each(&mut journal, &ledger);
            longest = longest.max(journal.length);
        }
        assert_eq!(read_ledger(dir.path()).unwrap(), (ledger, None));
        longest
    }

    #[test]
    fn is_compacted_when_it_has_grown_and_there_is_time() {
        let longest = longest(|journal, ledger| journal.compact(|| ledger.records()).unwrap());
        assert!(longest < WORTH_COMPACTING + 4096, "{longest}");
    }

    #[test]
    fn without_ever_time_it_is_compacted_later() {
        let longest = longest(|_, _| {});
        assert!((WORTH_COMPACTING + 4096..2 * WORTH_COMPACTING + 4096).contains(&longest), "{longest}");
    }

    #[test]
    fn what_grew_before_a_start_is_compacted_after_it() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 10);
        let path = dir.path().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        let (header, records) = whole.split_once('\n').unwrap();
        fs::write(&path, format!("{header}\n{}", records.repeat(1000))).unwrap();
        let (mut journal, ledger, _) = Journal::open(dir.path(), now()).unwrap();
        assert!(journal.length > WORTH_COMPACTING);
        journal.compact(|| ledger.records()).unwrap();
        assert!(journal.length < 2 * whole.len() as u64, "{}", journal.length);
        assert_eq!(read_ledger(dir.path()).unwrap(), (ledger, None));
    }

    #[test]
    fn what_is_all_of_use_is_left_alone_after_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _, _) = Journal::open(dir.path(), now()).unwrap();
        let all = (0..9000).map(|n| Record::Key(format!("k{n}").as_str().into(), KeyRecord::default()));
        journal.save_all(all).unwrap();
        let file = |journal: &Journal| journal.file.as_ref().unwrap().metadata().unwrap().ino();
        assert!(journal.length > WORTH_COMPACTING, "{}", journal.length);
        let (mut journal, ledger, _) = Journal::open(dir.path(), now()).unwrap();
        let before = file(&journal);
        journal.compact(|| ledger.records()).unwrap();
        assert_eq!(file(&journal), before, "not written anew");
    }

    #[test]
    fn a_symlink_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("precious");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join(FILE)).unwrap();
        assert!(Journal::open(dir.path(), now()).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"precious");
    }
}
