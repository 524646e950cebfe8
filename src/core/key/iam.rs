//! Asking IAM about a key: once a day, and after each change.

use jiff::{SignedDuration, Timestamp};

use super::Key;
use crate::core::event::Iam;
use crate::core::rare::Unset;
use crate::core::record::{Issued, IssuedSource};
use crate::core::renewal::{Credential, IamReport, Trouble};
use crate::core::{Fingerprint, KeyKind, PopupRecord};

/// From one answer to the next question.
const EACH: SignedDuration = SignedDuration::from_hours(24);
/// The same where it couldn't be asked.
const AGAIN: SignedDuration = SignedDuration::from_hours(4);
/// From a question that met another value in the file to the next, if that value doesn't turn up.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// How asking IAM goes in this run of the daemon: a new run asks anew.
#[derive(Debug, Default)]
pub struct AskingIam {
    under_way: bool,
    /// When it was asked last.
    pub asked_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    /// What was in the way the last time.
    pub trouble: Option<Box<Trouble>>,
}

impl Unset for AskingIam {
    const UNSET: &'static Self = &Self { under_way: false, asked_at: None, not_before: None, trouble: None };
}

impl AskingIam {
    /// Another value counts.
    pub(super) fn start_over(&mut self) {
        self.asked_at = None;
        self.not_before = None;
        self.trouble = None;
    }

    fn put_off(&mut self, now: Timestamp, wait: SignedDuration) {
        self.not_before = now.checked_add(wait).ok();
    }
}

impl Key {
    /// When IAM is to be asked about it; a time in the past means now.
    pub fn iam_deadline(&self) -> Option<Timestamp> {
        let known = self.record.known_now().filter(|_| self.spec.iam != Iam::Off && self.present().is_some())?;
        let is_known_there = known.anatomy.kind == KeyKind::BedrockLongTerm;
        (is_known_there && !self.iam.under_way).then(|| self.iam.not_before.unwrap_or(Timestamp::MIN))
    }

    /// Whether IAM knows better when it ends, and never said so.
    pub(super) fn is_iam_unasked(&self) -> bool {
        let Some(known) = self.record.known_now().filter(|_| self.spec.iam != Iam::Off) else { return false };
        known.anatomy.kind == KeyKind::BedrockLongTerm && known.credential.is_none() && self.iam.asked_at.is_none()
    }

    /// Whether it is about to.
    pub(super) fn is_first_asking_iam(&self) -> bool {
        self.iam.under_way && self.is_iam_unasked()
    }

    /// The configuration was edited, perhaps to mend what was in the way.
    pub fn iam_hurries(&mut self) {
        if self.iam.trouble.is_some() {
            self.iam.not_before = None;
        }
    }

    /// The value to ask about, if that is due. It is taken to be under way.
    pub fn take_due_iam(&mut self, now: Timestamp) -> Option<Fingerprint> {
        self.iam_deadline().filter(|at| *at <= now)?;
        self.iam.under_way = true;
        self.record.current
    }

    /// Takes in what IAM said of a value; `None` if the file had another by then. Returns whether anything is
    /// another than before, and the popup that is no longer true.
    pub fn iam_said(&mut self, print: Fingerprint, report: Option<IamReport>, days: &[u32], now: Timestamp) -> (bool, Option<PopupRecord>) {
        self.iam.under_way = false;
        if self.record.current != Some(print) {
            return (false, None);
        }
        match report {
            None => self.iam.put_off(now, SOON),
            Some(IamReport::Trouble(trouble)) => {
                self.iam.asked_at = Some(now);
                self.iam.trouble = Some(Box::new(trouble));
                self.iam.put_off(now, AGAIN);
            }
            Some(IamReport::Found(credential)) => {
                self.iam.asked_at = Some(now);
                self.iam.trouble = None;
                self.iam.put_off(now, EACH);
                return self.take_credential(credential, days, now);
            }
        }
        (false, None)
    }

    /// Goes by what IAM says of the value that counts. Returns whether anything is another than before, and the
    /// popup that is no longer true.
    pub fn take_credential(&mut self, credential: Credential, days: &[u32], now: Timestamp) -> (bool, Option<PopupRecord>) {
        let Some(known) = self.record.known_now_mut() else { return (false, None) };
        if known.credential.as_deref() == Some(&credential) {
            return (false, None);
        }
        let issued = Issued { at: credential.created_at, source: IssuedSource::Iam };
        known.credential = Some(Box::new(credential));
        let issued = if known.issued.source > IssuedSource::Iam { known.issued } else { issued };
        (true, self.set_issued(issued, days, now))
    }

    /// The clock was set back.
    pub(super) fn iam_clock_went_back(&mut self, now: Timestamp) {
        let latest = now.checked_add(EACH).unwrap_or(Timestamp::MAX);
        if let Some(iam) = self.iam.if_set() {
            iam.not_before = iam.not_before.map(|at| at.min(latest));
        }
    }
}
