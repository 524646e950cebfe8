//! Asking after one key: when it is due, what is under way, and what the answers have come to.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Calendar, Ticket};
use super::key::Key;
use super::rare::Unset;
use super::{Fingerprint, KeyKind, PopupRecord, ProbeManner, ProbeReport, ProbeVerdict, Reason};

/// The variable that AWS's own clients read: whatever it holds is sent to Bedrock anyway.
const BEDROCK_VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
/// A verdict is no older than this when something is done on the strength of it.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// A key that was issued so long ago is known everywhere by now (IAM is eventually consistent: seconds).
const PROPAGATED: SignedDuration = SignedDuration::from_mins(10);
/// A worker tries for a minute, then asks consumers; an answer that takes this long has been lost. One worker
/// may be given many keys, so it is given as long for each.
pub const ANSWER_LIMIT: SignedDuration = SignedDuration::from_mins(5);
/// A limit that is noticed so much later than it was set for ran out in a suspend, or the clock was set.
const LATE: SignedDuration = SignedDuration::from_secs(5);
/// From a probe that found another value in the file to the next, if that value doesn't turn up.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// So many values of one key are asked after at once: a new one doesn't wait for the minute that the
/// one before is given, and a file that is rewritten all the time doesn't fill the machine with workers.
const MOST_UNDER_WAY: usize = 3;

/// The latest answer about a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What was said.
    pub verdict: ProbeVerdict,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub detail: String,
}

/// A value's issuer has rejected it, and hasn't accepted it since: that nobody could be reached in the
/// meantime changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What the issuer said, in words.
    pub detail: String,
    /// The user was told, or is being told.
    pub told: bool,
}

/// What an answer has changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// The verdict is another than before.
    pub is_news: bool,
    /// It was rejected before and is good.
    pub accepted_again: bool,
    /// A popup that is no longer true.
    pub popup: Option<PopupRecord>,
}

/// How the asking goes in this run of the daemon.
#[derive(Debug, Default)]
pub struct Probing {
    under_way: Vec<UnderWay>,
    /// To be asked ahead of its time, in this manner.
    wanted: Option<ProbeManner>,
    /// Nobody is asked before that, unless a user waits.
    not_before: Option<Timestamp>,
    /// Users who wait for a probe that is yet to begin.
    waiting: Vec<Ticket>,
}

#[derive(Debug)]
struct UnderWay {
    print: Fingerprint,
    manner: ProbeManner,
    /// The answer is lost if it hasn't come by then.
    until: Timestamp,
    limit: SignedDuration,
    waiting: Vec<Ticket>,
}

impl Unset for Probing {
    const UNSET: &'static Self = &Self { under_way: Vec::new(), wanted: None, not_before: None, waiting: Vec::new() };
}

impl Probing {
    fn asks_about(&self, print: Fingerprint) -> bool {
        self.under_way.iter().any(|under_way| under_way.print == print)
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Another value counts: who waits, waits for that.
    pub fn start_over(&mut self) {
        let waiting = self.under_way.iter_mut().flat_map(|under_way| under_way.waiting.drain(..));
        self.waiting.extend(waiting);
        self.wanted = None;
        self.not_before = None;
    }

    /// An answer about a value has come. Returns who waits for it.
    pub fn ended(&mut self, print: Fingerprint) -> Vec<Ticket> {
        let ended = self.under_way.iter().position(|under_way| under_way.print == print);
        ended.map(|index| self.under_way.remove(index).waiting).unwrap_or_default()
    }

    /// The file didn't hold the value that was to be asked after.
    pub fn put_off(&mut self, now: Timestamp) {
        self.not_before = now.checked_add(ASK_AGAIN).ok();
    }

    /// Everybody who waits for an answer.
    pub fn take_waiting(&mut self) -> Vec<Ticket> {
        self.start_over();
        std::mem::take(&mut self.waiting)
    }

    /// Takes out what was never answered: of which values, and who waits.
    pub fn take_lost(&mut self, now: Timestamp) -> Vec<(Fingerprint, Vec<Ticket>)> {
        for under_way in &mut self.under_way {
            if now.duration_since(under_way.until) > LATE {
                under_way.until = later(now, under_way.limit);
            }
        }
        self.under_way.extract_if(.., |under_way| under_way.until <= now).map(|under_way| (under_way.print, under_way.waiting)).collect()
    }

    fn clock_went_back(&mut self, now: Timestamp) {
        for under_way in &mut self.under_way {
            under_way.until = under_way.until.min(later(now, under_way.limit));
        }
        self.not_before = None;
    }
}

impl Key {
    /// Whether anybody may be asked after it: nothing but a key of Bedrock's is ever sent there, unless
    /// the user has named whom to ask.
    pub fn is_askable(&self) -> bool {
        let Some(known) = self.record.known_now().filter(|_| self.spec.probed) else { return false };
        let is_bedrock_s = matches!(known.anatomy.kind, KeyKind::BedrockLongTerm | KeyKind::BedrockShortTerm);
        is_bedrock_s || *self.spec.variable == *BEDROCK_VARIABLE || self.spec.endpoint.is_some()
    }

    /// Whether there is a value to ask about, and somebody to ask.
    fn is_answerable(&self) -> bool {
        self.present().is_some() && self.is_askable()
    }

    /// The latest answer about the value that counts.
    pub fn probe(&self) -> Option<&Probe> {
        self.record.known_now()?.probe.as_deref()
    }

    /// What its issuer said when it rejected the value that counts, unless it has accepted it since.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.record.known_now()?.rejection.as_deref().filter(|_| self.is_askable())
    }

    /// Whether enough is known to roll it out, or not to. Of a key that is rejected, enough is: its
    /// schedule finds out should that change. Whoever `insists` wants a good verdict, or a new one.
    pub fn is_settled(&self, insists: bool, now: Timestamp) -> bool {
        let Some(probe) = self.probe() else { return !self.is_askable() };
        let is_fresh = probe.at <= now && now.duration_since(probe.at) < FRESH;
        !self.is_askable() || if insists { is_fresh && probe.verdict.is_good() } else { is_fresh || self.rejection().is_some() }
    }

    /// Has it asked after at once, with patience, unless that is under way.
    pub fn want_probe(&mut self) {
        if self.record.current.is_none_or(|print| !self.probing.asks_about(print)) {
            self.probing.wanted = Some(ProbeManner::Fresh);
        }
    }

    /// A user waits for an answer; one that was asked for by users before will do.
    pub fn await_probe(&mut self, ticket: Ticket) {
        let of_users = |under_way: &&mut UnderWay| Some(under_way.print) == self.record.current && under_way.manner == ProbeManner::Asked;
        match self.probing.under_way.iter_mut().find(of_users) {
            Some(under_way) => under_way.waiting.push(ticket),
            None => self.probing.waiting.push(ticket),
        }
    }

    /// Users who wait for an answer that there can't be.
    pub fn take_unanswerable(&mut self) -> Vec<Ticket> {
        if self.is_answerable() {
            return Vec::new();
        }
        self.probing.if_set().map(|probing| std::mem::take(&mut probing.waiting)).unwrap_or_default()
    }

    /// When it is to be asked after, and how; a time in the past means now.
    fn probe_due(&self, calendar: &dyn Calendar) -> Option<(Timestamp, ProbeManner)> {
        let known = self.record.known_now().filter(|_| self.is_answerable())?;
        let probing = &self.probing;
        if probing.asks_about(known.fingerprint) || probing.under_way.len() >= MOST_UNDER_WAY {
            return None;
        }
        let users_wait = !probing.waiting.is_empty();
        let (at, manner) = match (&known.probe, probing.wanted) {
            (None, _) => (Timestamp::MIN, ProbeManner::Fresh),
            (Some(_), _) if users_wait => (Timestamp::MIN, ProbeManner::Asked),
            (Some(_), Some(manner)) => (Timestamp::MIN, manner),
            (Some(probe), None) => (calendar.next_probe(&self.spec.name, probe.at)?, ProbeManner::Scheduled),
        };
        Some((probing.not_before.filter(|_| !users_wait).map_or(at, |earliest| at.max(earliest)), manner))
    }

    /// The probe that is due, if any. It is taken to be under way, and lost after `limit`.
    pub fn take_due_probe(&mut self, limit: SignedDuration, calendar: &dyn Calendar, now: Timestamp) -> Option<(Fingerprint, ProbeManner)> {
        let (_, mut manner) = self.probe_due(calendar).filter(|(at, _)| *at <= now)?;
        let known = self.record.known_now()?;
        let print = known.fingerprint;
        if manner == ProbeManner::Fresh && now.duration_since(known.issued.at) > PROPAGATED {
            manner = ProbeManner::First;
        }
        let waiting = if manner == ProbeManner::Asked { std::mem::take(&mut self.probing.waiting) } else { Vec::new() };
        self.probing.wanted = None;
        self.probing.not_before = None;
        self.probing.under_way.push(UnderWay { print, manner, until: later(now, limit), limit, waiting });
        Some((print, manner))
    }

    /// When something is to be done about asking after it, while its file is at rest.
    pub fn probe_deadline(&self, file_at_rest: bool, calendar: &dyn Calendar) -> Option<Timestamp> {
        let users_wait = !self.probing.waiting.is_empty();
        let due = if users_wait && !self.is_answerable() { Some(Timestamp::MIN) } else { self.probe_due(calendar).map(|(at, _)| at) };
        let lost = self.probing.under_way.iter().map(|under_way| under_way.until).min();
        [due.filter(|_| file_at_rest), lost].into_iter().flatten().min()
    }

    /// Takes in an answer about the value that counts.
    pub fn judge(&mut self, report: &ProbeReport, now: Timestamp) -> Turn {
        let Some(known) = self.record.known_now_mut() else { return Turn { is_news: false, accepted_again: false, popup: None } };
        let is_news = known.probe.as_ref().is_none_or(|before| before.verdict != report.verdict);
        known.probe = Some(Box::new(Probe { verdict: report.verdict, at: now, detail: report.detail.clone() }));
        self.probing.wanted = None;
        if report.verdict == ProbeVerdict::Rejected {
            let told = known.rejection.as_ref().is_some_and(|before| before.told);
            known.rejection = Some(Box::new(Rejection { detail: report.detail.clone(), told }));
        }
        let accepted_again = report.verdict.is_good() && known.rejection.take().is_some();
        let popup = if accepted_again { self.withdraw_rejection() } else { None };
        Turn { is_news, accepted_again, popup }
    }

    /// Ends the alert that its issuer rejects it, if that is the latest: it is no longer true. Returns the
    /// popup to close.
    pub fn withdraw_rejection(&mut self) -> Option<PopupRecord> {
        let alerts = &mut self.record.known_now_mut()?.alerts;
        let alert = alerts.last_mut().filter(|alert| alert.reason == Reason::Rejected)?;
        if alert.delivered {
            alert.pending.clear();
        } else if !alert.take_back(|reason| reason == Reason::Rejected) {
            alerts.pop();
        }
        self.delivery.start_over();
        self.record.popup.take()
    }

    /// Whom to ask, and where, is another matter now: what others said counts no longer.
    pub fn forget_probe(&mut self) {
        if let Some(known) = self.record.known_now_mut() {
            known.probe = None;
        }
    }

    /// The clock was set back. A verdict from what is now the future says nothing of when to ask next.
    pub fn probe_clock_went_back(&mut self, now: Timestamp) {
        if let Some(probing) = self.probing.if_set() {
            probing.clock_went_back(now);
        }
        if self.probe().is_some_and(|probe| probe.at > now) {
            self.probing.wanted.get_or_insert(ProbeManner::Scheduled);
        }
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
