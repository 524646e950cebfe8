//! When a change of an env file counts (contract, promise 2): once the file has been quiet, nobody
//! holds it open for writing, and what it says isn't likely to be half of something.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{FileBody, FileContents, FileReport, Finding, KeyName};

/// How long a file must have been left alone before it is read.
pub const QUIET: SignedDuration = SignedDuration::from_millis(250);
/// How long a file that is missing, empty, unfinished or has lost a variable is given.
pub const HOLD: SignedDuration = SignedDuration::from_secs(5);
/// How long a value that ends with the file, without a newline or quote, is given. Long enough for a
/// second `write` of the same editor, short enough for people whose files simply end so.
const HOLD_CUT_SHORT: SignedDuration = SignedDuration::from_millis(1200);
/// When to look again at a file that was open for writing, or couldn't be looked at; doubled each time.
/// Its closing is a hint that comes sooner; this is for writers that never close.
const BUSY_RETRY: SignedDuration = SignedDuration::from_secs(2);
/// Longest wait between such looks.
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(60);
/// A file that is never quiet for so long is believed all the same, once two looks found the same.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// What is to be done about a file after a look at it.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Take the report for true.
    Believe(FileReport),
    /// Not yet: the file will be read again.
    Wait,
}

#[derive(Debug, PartialEq)]
enum Phase {
    /// Nothing happened since the last look.
    Quiet,
    /// To be read at that time, if no further hint comes before.
    Settling(Timestamp),
    /// Being read; `stirred` if a hint came meanwhile.
    Reading { stirred: bool },
}

/// Follows one env file.
#[derive(Debug)]
pub struct FileTrack {
    /// Where it is.
    pub path: Arc<std::path::Path>,
    /// The keys it assigns.
    pub keys: Vec<KeyName>,
    /// The last report that was believed; `None` before the first.
    pub believed: Option<FileBody>,
    /// When a report of it was first believed in this run: what was modified before wasn't seen to
    /// happen.
    pub watched_since: Option<Timestamp>,
    /// When a report of it was last believed.
    looked_at: Option<Timestamp>,
    phase: Phase,
    suspected: Option<Suspected>,
    /// Since when it hasn't been quiet.
    restless_since: Option<Timestamp>,
    /// What a look found that a change made void.
    void: Option<FileBody>,
    /// How many looks in a row came to nothing: somebody writes, or it can't be looked at.
    troubles: u32,
    /// There was such a look since the last report that was believed.
    was_troubled: bool,
}

impl FileTrack {
    /// A file that was not looked at yet.
    pub fn new(path: Arc<std::path::Path>) -> Self {
        Self {
            path,
            keys: Vec::new(),
            believed: None,
            watched_since: None,
            looked_at: None,
            phase: Phase::Quiet,
            suspected: None,
            restless_since: None,
            void: None,
            troubles: 0,
            was_troubled: false,
        }
    }

    /// What the last believed look found, if the file could be read.
    pub fn contents(&self) -> Option<&FileContents> {
        match &self.believed {
            Some(FileBody::Read(contents)) => Some(contents),
            _ => None,
        }
    }

    /// Something touched it.
    pub fn stir(&mut self, now: Timestamp) {
        self.restless_since.get_or_insert(now);
        let patient = self.is_patient(now);
        match &mut self.phase {
            Phase::Reading { stirred } => *stirred = true,
            Phase::Settling(_) if !patient => {}
            phase => *phase = Phase::Settling(later(now, QUIET)),
        }
    }

    fn is_patient(&self, now: Timestamp) -> bool {
        self.restless_since.is_none_or(|since| now < later(since, PATIENCE))
    }

    /// It is to be read at once; after that, if it is being read.
    pub fn read_now(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Quiet => self.phase = Phase::Settling(now),
            // It is to be quiet first.
            Phase::Settling(_) => {}
            Phase::Reading { stirred } => *stirred = true,
        }
    }

    /// Nobody tells that git doesn't track it any more: whether it is to be looked at again, where that was a while ago.
    pub fn mind_git(&mut self, now: Timestamp) -> bool {
        let is_tracked = self.contents().is_some_and(|contents| contents.tracked.is_some());
        let is_recent = self.looked_at.is_some_and(|at| at <= now && now < later(at, HOLD));
        let is_due = self.phase == Phase::Quiet && is_tracked && !is_recent;
        if is_due {
            self.phase = Phase::Settling(now);
        }
        is_due
    }

    /// Whether a look is to come, and likely to tell something: decisions wait for that.
    pub fn is_awaited(&self) -> bool {
        self.phase != Phase::Quiet && self.troubles == 0
    }

    /// Whether what it holds now can't be told, and when it can is anybody's guess.
    pub fn is_troubled(&self) -> bool {
        self.troubles > 0
    }

    /// Whether decisions went without it before the report that was believed just now.
    pub fn take_recovered(&mut self) -> bool {
        std::mem::take(&mut self.was_troubled)
    }

    /// When it is to be read.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Settling(at) => Some(at),
            _ => None,
        }
    }

    /// Whether it is to be read now; if so, it is taken to be under way.
    pub fn take_due(&mut self, now: Timestamp) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        if due {
            self.phase = Phase::Reading { stirred: false };
        }
        due
    }

    /// The clock was set back: what was to be done at a time that is now far away is done soon.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Settling(at) if at > later(now, HOLD)) {
            self.phase = Phase::Settling(later(now, QUIET));
        }
        for since in [&mut self.restless_since, &mut self.watched_since] {
            *since = since.map(|since| since.min(now));
        }
        if let Some(suspected) = &mut self.suspected {
            suspected.since = suspected.since.min(now);
        }
    }

    /// The look came to nothing.
    pub fn look_failed(&mut self, now: Timestamp) {
        self.troubles = self.troubles.saturating_add(1);
        self.was_troubled = true;
        let wait = BUSY_RETRY * (1 << (self.troubles - 1).min(5));
        self.phase = Phase::Settling(later(now, wait.min(LONGEST_RETRY)));
    }

    /// What to make of a report. `expected` are the variables that held a value when the file was
    /// last believed.
    pub fn judge(&mut self, report: FileReport, expected: &[&str], now: Timestamp) -> Verdict {
        let Phase::Reading { stirred } = self.phase else { return Verdict::Wait };
        let restless = stirred && (self.is_patient(now) || !self.void.as_ref().is_some_and(|void| says_the_same(void, &report.body)));
        if restless {
            self.void = Some(report.body);
            self.phase = Phase::Settling(later(now, QUIET));
            return Verdict::Wait;
        }
        self.restless_since = None;
        self.void = None;
        if report.body == FileBody::Busy {
            self.look_failed(now);
            return Verdict::Wait;
        }
        self.troubles = 0;
        // A file that nothing is known of has nothing to lose; but half a value is no value.
        let nothing_to_lose = self.believed.is_none() && expected.is_empty();
        let suspicion = suspicion(&report.body, expected).filter(|suspicion| *suspicion != Suspicion::Lost || !nothing_to_lose);
        if let Some(suspicion) = suspicion.filter(|_| self.believed.as_ref() != Some(&report.body)) {
            let since = self.suspected_since(suspicion, &report.body).unwrap_or(now);
            let until = later(since, suspicion.hold());
            if now < until {
                self.suspected = Some(Suspected { suspicion, since, body: report.body });
                self.phase = Phase::Settling(until);
                return Verdict::Wait;
            }
        }
        self.suspected = None;
        self.phase = Phase::Quiet;
        self.watched_since.get_or_insert(now);
        self.looked_at = Some(now);
        self.believed = Some(report.body.clone());
        Verdict::Believe(report)
    }
}

impl FileTrack {
    /// Since when this was seen. What is lost in one way may be lost in another meanwhile; half of
    /// something is given its time anew whenever it changes.
    fn suspected_since(&self, suspicion: Suspicion, body: &FileBody) -> Option<Timestamp> {
        let before = self.suspected.as_ref().filter(|before| before.suspicion == suspicion)?;
        (suspicion == Suspicion::Lost || before.body == *body).then_some(before.since)
    }
}

/// Whether two looks found the same values, be the dates of the file what they may.
fn says_the_same(one: &FileBody, other: &FileBody) -> bool {
    match (one, other) {
        (FileBody::Read(one), FileBody::Read(other)) => one.variables == other.variables,
        _ => one == other,
    }
}

/// Why a report may be of half a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    /// Something that was there is not.
    Lost,
    /// It breaks off in the middle of a construct.
    Unfinished,
    /// A value ends where the file does.
    CutShort,
}

impl Suspicion {
    /// How long it is given to turn out well.
    fn hold(self) -> SignedDuration {
        match self {
            Self::Lost | Self::Unfinished => HOLD,
            Self::CutShort => HOLD_CUT_SHORT,
        }
    }
}

/// A report that was not believed yet.
#[derive(Debug)]
struct Suspected {
    suspicion: Suspicion,
    since: Timestamp,
    body: FileBody,
}

fn suspicion(body: &FileBody, expected: &[&str]) -> Option<Suspicion> {
    let contents = match body {
        FileBody::Missing => return Some(Suspicion::Lost),
        FileBody::Read(contents) => contents,
        FileBody::Busy | FileBody::Unreadable(_) => return None,
    };
    let lost = |variable: &&str| {
        !contents.variables.iter().any(|report| *report.variable == **variable && matches!(report.finding, Finding::Present(_)))
    };
    if contents.unfinished {
        Some(Suspicion::Unfinished)
    } else if contents.empty || expected.iter().any(lost) {
        Some(Suspicion::Lost)
    } else {
        contents.variables.iter().any(|report| report.cut_short).then_some(Suspicion::CutShort)
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
