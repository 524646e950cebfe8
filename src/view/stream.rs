//! The status document as text, a piece at a time: of ten thousand keys it has megabytes, which nobody
//! should hold at once.

use serde::Serialize;

use super::{Holders, SCHEMA, Viewpoint, consumer_status, key_status_among, problems_at, subjects};
use crate::core::Machine;
use crate::protocol::Severity;

/// Bytes of a piece, up to the end of the entry that reaches them.
const PIECE: usize = 16 * 1024;

/// How far the writing of a document has come.
///
/// Between two pieces the world may move on: each entry is as it was when it was written. All are of the
/// configuration that the caller passes, the same each time, so that each key is there once.
#[derive(Debug)]
pub struct Stream {
    part: Part,
    /// The next entry of the part.
    next: usize,
    /// The list has an entry already.
    goes_on: bool,
    /// Leaves out what changes while nothing happens.
    is_ageless: bool,
    holders: Holders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Keys,
    Consumers,
    /// The worst first, in three rounds.
    Problems(Severity),
    Done,
}

impl Stream {
    /// Nothing is written yet.
    pub fn new(machine: &Machine) -> Self {
        Self { part: Part::Head, next: 0, goes_on: false, is_ageless: false, holders: Holders::of(machine) }
    }

    /// The same without ages.
    pub(super) fn ageless(machine: &Machine) -> Self {
        Self { is_ageless: true, ..Self::new(machine) }
    }

    /// Whether all is written.
    pub fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// Writes the next piece.
    pub fn write(&mut self, machine: &Machine, at: &Viewpoint) -> serde_json::Result<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() < PIECE && !self.is_done() {
            self.entry(machine, at, &mut out)?;
        }
        Ok(out)
    }

    fn entry(&mut self, machine: &Machine, at: &Viewpoint, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let n = self.next;
        self.next += 1;
        match self.part {
            Part::Head => {
                out.extend_from_slice(format!("{{\"schema\":{SCHEMA},\"live\":{},\"daemon\":", at.daemon.is_some()).as_bytes());
                serde_json::to_writer(&mut *out, &at.daemon)?;
                self.turn_to(Part::Keys, b",\"keys\":[", out);
            }
            Part::Keys => match at.config.keys.get(n) {
                Some(spec) => {
                    if let Some(key) = machine.key(&spec.name) {
                        let mut key = key_status_among(machine, key, at.now, at.calendar, &self.holders);
                        if self.is_ageless {
                            (key.age_days, key.days_left) = (None, None);
                        }
                        self.item(&key, out)?;
                    }
                }
                None => self.turn_to(Part::Consumers, b"],\"consumers\":[", out),
            },
            Part::Consumers => match at.config.consumers.get(n) {
                Some(spec) => {
                    if let Some(consumer) = machine.consumer(&spec.name) {
                        self.item(&consumer_status(machine, consumer, spec), out)?;
                    }
                }
                None => self.turn_to(Part::Problems(Severity::Error), b"],\"problems\":[", out),
            },
            Part::Problems(severity) if n < subjects(at.config) => {
                for problem in problems_at(machine, at, &self.holders, n).iter().filter(|problem| problem.severity == severity) {
                    self.item(problem, out)?;
                }
            }
            Part::Problems(severity) => {
                self.next = 0;
                self.part = match severity {
                    Severity::Error => Part::Problems(Severity::Warning),
                    Severity::Warning => Part::Problems(Severity::Info),
                    Severity::Info => {
                        out.extend_from_slice(b"]}");
                        Part::Done
                    }
                };
            }
            Part::Done => {}
        }
        Ok(())
    }

    fn turn_to(&mut self, part: Part, with: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(with);
        (self.part, self.next, self.goes_on) = (part, 0, false);
    }

    fn item(&mut self, item: &impl Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
        if std::mem::replace(&mut self.goes_on, true) {
            out.push(b',');
        }
        serde_json::to_writer(out, item)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use super::super::{Viewpoint, problem, settings, status};
    use super::*;
    use crate::config::{Config, KeyConfig, Surroundings};
    use crate::core::{Calendar, KeyName, Ledger};

    /// Plans nothing.
    pub(in crate::view) struct Never;

    impl Calendar for Never {
        fn next_reminder(&self, _: Timestamp) -> Option<Timestamp> {
            None
        }

        fn tomorrow(&self, now: Timestamp) -> Timestamp {
            now
        }

        fn next_probe(&self, _: &KeyName, _: Timestamp) -> Option<Timestamp> {
            None
        }
    }

    fn streamed_and_whole(keys: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
        let key = config.keys.remove(0);
        config.keys.extend((0..keys).map(|n| KeyConfig { name: format!("k{n}").as_str().into(), ..key.clone() }));
        let machine = Machine::new(settings(&config), Ledger::default());
        let problems = [Severity::Info, Severity::Error, Severity::Warning].map(|how| problem("code", how, "what".into(), "fix".into()));
        let at = || Viewpoint {
            now: Timestamp::UNIX_EPOCH,
            calendar: &Never,
            config: &config,
            home: "/home/u".as_ref(),
            daemon: None,
            problems: problems.to_vec(),
        };
        let mut stream = Stream::new(&machine);
        let mut pieces = Vec::new();
        while !stream.is_done() {
            pieces.push(stream.write(&machine, &at()).unwrap());
        }
        (pieces, serde_json::to_vec(&status(&machine, at())).unwrap())
    }

    #[test]
    fn pieces_make_the_whole_document() {
        for keys in [0, 1, 3, 500] {
            let (pieces, whole) = streamed_and_whole(keys);
            assert!(pieces.concat() == whole, "{keys}");
        }
    }

    #[test]
    fn many_keys_are_many_pieces_of_bounded_size() {
        let (pieces, whole) = streamed_and_whole(500);
        assert!(pieces.len() > whole.len() / (2 * PIECE), "{}", pieces.len());
        assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE));
        assert_eq!(streamed_and_whole(1).0.len(), 1, "few are sent at once");
    }
}
