//! What is known, as `OpenMetrics` text, and in the older format that `node_exporter` reads from text files. Dates are
//! timestamps, never ages: the text changes when something happens, not because time passes.

use std::io::{self, Write};

use super::{Holders, Viewpoint, problems_at, subjects};
use crate::core::consumer::{Consumer, ConsumerState};
use crate::core::key::{Key, KeyState};
use crate::core::{Machine, Outcome, order};
use crate::protocol::Severity;

/// Bytes of a piece, up to the end of the entry that reaches them.
const PIECE: usize = 16 * 1024;
/// Entries of a piece: problems are counted before anything is written of them.
const ENTRIES: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Build,
    Up,
    Deadline,
    Expiry,
    Issued,
    KeyState,
    ConsumerState,
    Applies,
    Alerts,
    Problems,
}

/// In the order of the text, with names and helps.
const FAMILIES: [(Family, &str, &str); 10] = [
    (Family::Build, "credd_build_info", "The version of credd, with the value 1."),
    (Family::Up, "credd_up", "1 from a running daemon, 0 from its last saved state."),
    (Family::Deadline, "credd_next_deadline_timestamp_seconds", "When a living daemon does something, at the latest."),
    (Family::Expiry, "credd_key_expiry_timestamp_seconds", "When the key ends."),
    (Family::Issued, "credd_key_issued_timestamp_seconds", "When the key was issued, as far as is known."),
    (Family::KeyState, "credd_key_state", "1 for the state that the key is in."),
    (Family::ConsumerState, "credd_consumer_state", "1 for the state that the consumer is in."),
    (Family::Applies, "credd_applies_total", "Attempts to have the consumer take up keys, by outcome."),
    (Family::Alerts, "credd_alerts_total", "Alerts that reached the user, by reason."),
    (Family::Problems, "credd_problems", "How much is wrong, by code and severity."),
];

const KEY_STATES: [(KeyState, &str); 7] = [
    (KeyState::Ok, "ok"),
    (KeyState::Due, "due"),
    (KeyState::Expired, "expired"),
    (KeyState::Rejected, "rejected"),
    (KeyState::Missing, "missing"),
    (KeyState::Dynamic, "dynamic"),
    (KeyState::Unreadable, "unreadable"),
];

const CONSUMER_STATES: [(ConsumerState, &str); 6] = [
    (ConsumerState::Current, "current"),
    (ConsumerState::Stale, "stale"),
    (ConsumerState::Applying, "applying"),
    (ConsumerState::Pending, "pending"),
    (ConsumerState::Failed, "failed"),
    (ConsumerState::Absent, "absent"),
];

/// Shown from nought on, so that the first one is seen as a change.
const OUTCOMES: [Outcome; 4] = [Outcome::Applied, Outcome::RolledBack, Outcome::Failed, Outcome::Refused];

/// How far the writing of the text has come: a piece at a time, as with [`super::Stream`], and with families for parts.
#[derive(Debug)]
pub struct Metrics {
    /// Of [`FAMILIES`]; beyond them is the end.
    family: usize,
    /// The next key or consumer, or of problems the next subject.
    next: usize,
    /// What ends the labels of every sample of a text file; `None` for `OpenMetrics`.
    textfile: Option<Vec<u8>>,
    problems: Vec<((String, &'static str), i64)>,
    holders: Holders,
}

impl Metrics {
    /// `OpenMetrics` of which nothing is written yet.
    pub fn new(machine: &Machine) -> Self {
        Self { family: 0, next: 0, textfile: None, problems: Vec::new(), holders: Holders::of(machine) }
    }

    /// A text file of which nothing is written yet. Each sample has these labels, too: other users' files may stand beside
    /// it, and no sample may be there twice.
    pub fn textfile(machine: &Machine, labels: &[(&str, &str)]) -> Self {
        let mut text = Vec::new();
        put_labels(&mut text, labels);
        Self { textfile: Some(text), ..Self::new(machine) }
    }

    /// Whether all is written.
    pub fn is_done(&self) -> bool {
        self.family > FAMILIES.len()
    }

    /// Writes the next piece.
    pub fn write(&mut self, machine: &Machine, at: &Viewpoint) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for _ in 0..ENTRIES {
            if out.len() < PIECE && !self.is_done() {
                self.entry(machine, at, &mut out)?;
            }
        }
        Ok(out)
    }

    fn entry(&mut self, machine: &Machine, at: &Viewpoint, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(&(family, name, help)) = FAMILIES.get(self.family) else {
            self.family += 1;
            return if self.textfile.is_none() { out.write_all(b"# EOF\n") } else { Ok(()) };
        };
        let n = self.next;
        self.next += 1;
        if n == 0 {
            let (titled, kind) = match name.strip_suffix("_total") {
                None => (name, "gauge"),
                // To OpenMetrics the ending is the sample's, to the older format the family's as well.
                Some(stem) => (if self.textfile.is_none() { stem } else { name }, "counter"),
            };
            write!(out, "# HELP {titled} {help}\n# TYPE {titled} {kind}\n")?;
        }
        let key = at.config.keys.get(n);
        let consumer = match family {
            // Behind those of keys.
            Family::Alerts => n.checked_sub(at.config.keys.len()).and_then(|n| at.config.consumers.get(n)),
            _ => at.config.consumers.get(n),
        };
        match (family, key, consumer) {
            (Family::Build, ..) if n == 0 => self.sample(out, name, &[("version", env!("CARGO_PKG_VERSION"))], 1),
            (Family::Up, ..) if n == 0 => self.sample(out, name, &[], at.daemon.is_some().into()),
            (Family::Deadline, ..) if n == 0 => match machine.next_deadline().filter(|_| at.daemon.is_some()) {
                // What is due is about to be done.
                Some(deadline) => self.sample(out, name, &[], deadline.max(at.now).as_second()),
                None => Ok(()),
            },
            (Family::Expiry | Family::Issued | Family::KeyState | Family::Alerts, Some(spec), _) => match machine.key(&spec.name) {
                Some(key) => self.of_key(out, family, name, key, key.state(&machine.settings().days, at.now)),
                None => Ok(()),
            },
            (Family::ConsumerState | Family::Applies | Family::Alerts, _, Some(spec)) => match machine.consumer(&spec.name) {
                Some(consumer) => self.of_consumer(out, family, name, consumer, machine.consumer_state(consumer)),
                None => Ok(()),
            },
            (Family::Problems, ..) if n < subjects(at.config) => {
                for problem in problems_at(machine, at, &self.holders, n) {
                    let kind = (problem.code, severity(problem.severity));
                    match self.problems.iter_mut().find(|(known, _)| *known == kind) {
                        Some((_, count)) => *count += 1,
                        None => self.problems.push((kind, 1)),
                    }
                }
                Ok(())
            }
            _ => {
                (self.family, self.next) = (self.family + 1, 0);
                let mut problems = std::mem::take(&mut self.problems);
                order::sort_by(&mut problems, Ord::cmp);
                problems
                    .iter()
                    .try_for_each(|((code, severity), count)| self.sample(out, name, &[("code", code), ("severity", severity)], *count))
            }
        }
    }

    fn of_key(&self, out: &mut Vec<u8>, family: Family, name: &str, key: &Key, state: KeyState) -> io::Result<()> {
        let labels = [("key", key.spec.name.as_str()), ("variable", &*key.spec.variable)];
        let life = key.life();
        let date = match family {
            Family::Expiry => life.and_then(|life| life.expires_at),
            Family::Issued => life.map(|life| life.issued_at),
            Family::KeyState => {
                let states = KEY_STATES.map(|(one, called)| (called, (one == state).into()));
                return self.each(out, name, &labels, "state", &mut states.into_iter());
            }
            _ => return key.record.told.iter().try_for_each(|told| self.each(out, name, &labels, "reason", &mut told.iter())),
        };
        date.map_or(Ok(()), |date| self.sample(out, name, &labels, date.as_second()))
    }

    fn of_consumer(&self, out: &mut Vec<u8>, family: Family, name: &str, consumer: &Consumer, state: ConsumerState) -> io::Result<()> {
        let labels = [("consumer", consumer.spec.name.as_str())];
        match family {
            // Nobody has looked.
            Family::ConsumerState if consumer.processes.is_none() && state == ConsumerState::Absent => Ok(()),
            Family::ConsumerState => {
                let states = CONSUMER_STATES.map(|(one, called)| (called, (one == state).into()));
                self.each(out, name, &labels, "state", &mut states.into_iter())
            }
            Family::Applies => {
                let outcomes = OUTCOMES.map(|outcome| (outcome.as_str(), consumer.record.applies.of(outcome.as_str())));
                self.each(out, name, &labels, "outcome", &mut outcomes.into_iter())
            }
            _ => self.each(out, name, &labels, "reason", &mut consumer.record.told.iter()),
        }
    }

    /// A sample for each value of one more label.
    fn each(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        labels: &[(&str, &str)],
        label: &str,
        values: &mut dyn Iterator<Item = (&str, i64)>,
    ) -> io::Result<()> {
        for (value, sample) in values {
            self.sample(out, name, &[labels, &[(label, value)]].concat(), sample)?;
        }
        Ok(())
    }

    fn sample(&self, out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], value: i64) -> io::Result<()> {
        out.extend_from_slice(name.as_bytes());
        let more = self.textfile.as_deref().unwrap_or_default();
        if !labels.is_empty() || !more.is_empty() {
            out.push(b'{');
            put_labels(out, labels);
            if !labels.is_empty() && !more.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(more);
            out.push(b'}');
        }
        writeln!(out, " {value}")
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Names and codes need no escaping; hosts and users are called as they are called.
fn put_labels(out: &mut Vec<u8>, labels: &[(&str, &str)]) {
    for (n, (label, value)) in labels.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        for byte in value.bytes() {
            match byte {
                b'\n' => out.extend_from_slice(b"\\n"),
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                _ => out.push(byte),
            }
        }
        out.push(b'"');
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
