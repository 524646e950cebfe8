//! Making the next key of a key's IAM user, and retiring the one before: when, and what is remembered.

use jiff::{SignedDuration, Timestamp};

use super::Key;
use crate::core::event::{Iam, Ticket};
use crate::core::rare::Unset;
use crate::core::record::KnownKey;
use crate::core::renewal::{Renewal, Retiring, Stage, Trouble};
use crate::core::{Fingerprint, KeyKind, order};

/// From a renewal by itself that failed to the next.
const AGAIN: SignedDuration = SignedDuration::from_hours(6);
/// From a try to finish or undo what was left to the next.
const SETTLE_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// Until the next look at who uses a key that is to be retired.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// Alerts wait no longer for a key that was written and isn't seen in the file.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// A key that was replaced is deleted so long after it was made inactive.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How making the next key goes in this run of the daemon; what can't be taken back is in the record.
#[derive(Debug, Default)]
pub struct Renewing {
    /// A worker is at it.
    pub under_way: bool,
    /// It settles what another has left.
    pub settles: bool,
    not_before: Option<Timestamp>,
    /// What was in the way the last time.
    pub trouble: Option<Box<Trouble>>,
    /// Users who wait for the new key to be in the file.
    pub waiting: Vec<Ticket>,
    /// Users who wait for a value of theirs to be seen in the file.
    pub awaiting_value: Vec<(Ticket, Fingerprint)>,
    /// A worker is at retiring this credential.
    retiring: Option<String>,
    retire_not_before: Option<Timestamp>,
    /// What was in the way of retiring the last time.
    pub retire_trouble: Option<Box<Trouble>>,
}

impl Unset for Renewing {
    const UNSET: &'static Self = &Self {
        under_way: false,
        settles: false,
        not_before: None,
        trouble: None,
        waiting: Vec::new(),
        awaiting_value: Vec::new(),
        retiring: None,
        retire_not_before: None,
        retire_trouble: None,
    };
}

impl Key {
    /// Whether IAM can be asked for a key to replace it.
    pub fn is_renewable(&self) -> bool {
        let is_long_term = |known: &KnownKey| known.anatomy.kind == KeyKind::BedrockLongTerm;
        self.present().is_some() && !self.spec.minted && self.record.known_now().is_some_and(is_long_term)
    }

    /// When a worker is to be sent to make the next key, or to settle what one has left; a time in the past means
    /// now.
    pub fn renewal_deadline(&self, days: &[u32]) -> Option<Timestamp> {
        if self.renewing.under_way {
            return None;
        }
        let not_before = self.renewing.not_before.unwrap_or(Timestamp::MIN);
        match self.record.renewal.as_ref().map(|renewal| &renewal.stage) {
            Some(Stage::Making | Stage::Made(_)) if !self.renewing.waiting.is_empty() => Some(Timestamp::MIN),
            Some(Stage::Making | Stage::Made(_)) => Some(not_before),
            Some(Stage::Written(_)) => None,
            // Who waits is told so.
            None if !self.is_renewable() => (!self.spec.minted && !self.renewing.waiting.is_empty()).then_some(Timestamp::MIN),
            None if !self.renewing.waiting.is_empty() => Some(Timestamp::MIN),
            None => {
                // A guess at its dates is no reason to replace it.
                let by_itself = self.life().filter(|_| self.spec.iam == Iam::Renew && !self.is_iam_unasked())?;
                Some(by_itself.thresholds(days).first()?.at.max(not_before))
            }
        }
    }

    /// Until when alerts about its end wait since the next key is being made, or IAM is being asked for its dates:
    /// either makes them needless. [`Timestamp::MAX`] if a worker's end ends that.
    pub fn alerts_held_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.record.renewal.as_deref() {
            Some(Renewal { stage: Stage::Written(made), begun_at, .. }) => {
                let until = begun_at.checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
                (self.record.current != Some(made.fingerprint) && (*begun_at..until).contains(&now)).then_some(until)
            }
            _ => (self.renewing.under_way || self.is_first_asking_iam()).then_some(Timestamp::MAX),
        }
    }

    /// The renewal failed, and nothing is left of it.
    pub fn renewal_failed(&mut self, trouble: Trouble, now: Timestamp) {
        self.record.renewal = None;
        // Who asked for it by hand has the answer, and nothing is left to be done.
        self.renewing.trouble = (self.spec.iam == Iam::Renew).then(|| Box::new(trouble));
        self.renewing.not_before = now.checked_add(AGAIN).ok();
    }

    /// Something was left that couldn't be undone yet.
    pub fn renewal_left(&mut self, trouble: Trouble, now: Timestamp) {
        self.renewing.trouble = Some(Box::new(trouble));
        self.renewing.not_before = now.checked_add(SETTLE_AGAIN).ok();
    }

    /// Nothing is in the way any more.
    pub fn renewal_unhindered(&mut self) {
        if let Some(renewing) = self.renewing.if_set() {
            renewing.trouble = None;
            renewing.not_before = None;
        }
    }

    /// A credential that was replaced is to be retired.
    pub fn retire(&mut self, id: String, user: String, fingerprint: Fingerprint) {
        self.record.retiring.retain(|retiring| retiring.id != id);
        self.record.retiring.push(Retiring { id, user, fingerprint, delete_at: None });
    }

    /// When the next step of retiring a credential is due, and which that is; those for which `in_use` holds then wait.
    pub fn retire_due(&self, now: Timestamp, in_use: impl Fn(Fingerprint) -> bool) -> Option<(Timestamp, &Retiring)> {
        if self.renewing.retiring.is_some() {
            return None;
        }
        let not_before = self.renewing.retire_not_before.unwrap_or(Timestamp::MIN);
        let all = self.record.retiring.iter().map(|retiring| (retiring.delete_at.unwrap_or(Timestamp::MIN).max(not_before), retiring));
        all.filter(|(at, retiring)| *at > now || !in_use(retiring.fingerprint)).min_by_key(|(at, _)| *at)
    }

    /// First it is seen who uses what is to be retired.
    pub fn retire_later(&mut self, now: Timestamp) {
        self.renewing.retire_not_before = now.checked_add(LOOK_AGAIN).ok();
    }

    /// A worker is at it.
    pub fn retire_begun(&mut self, retiring: &Retiring) {
        self.renewing.retiring = Some(retiring.id.clone());
    }

    /// A step of retiring was done. Returns what it was.
    pub fn retired(&mut self, id: &str, now: Timestamp) -> Option<Retiring> {
        // One that was sent twice is heard once.
        self.renewing.retiring.take_if(|begun| begun == id)?;
        self.renewing.retire_trouble = None;
        self.renewing.retire_not_before = None;
        let at = self.record.retiring.iter().position(|retiring| retiring.id == id)?;
        let before = self.record.retiring[at].clone();
        if before.delete_at.is_some() {
            self.record.retiring.remove(at);
        } else {
            self.record.retiring[at].delete_at = now.checked_add(GRACE).ok();
        }
        if let Some(known) = self.record.known.iter_mut().find(|known| known.fingerprint == before.fingerprint) {
            known.is_seen_to = true;
        }
        Some(before)
    }

    /// A step of retiring couldn't be done now.
    pub fn not_retired(&mut self, trouble: Option<Trouble>, now: Timestamp) {
        self.renewing.retiring = None;
        self.renewing.retire_trouble = trouble.map(Box::new);
        self.renewing.retire_not_before = now.checked_add(AGAIN).ok();
    }

    /// Values that this key had and that may still be accepted, latest first.
    pub fn former(&self, now: Timestamp) -> Vec<&KnownKey> {
        let may_live = |known: &&KnownKey| {
            let has_ended = known.expires_at(self.spec.lifetime).is_some_and(|end| end <= now);
            Some(known.fingerprint) != self.record.current && known.replaced_at.is_some() && !has_ended && known.rejection.is_none()
        };
        let mut former: Vec<_> = self.record.known.iter().filter(may_live).collect();
        order::sort_by_key(&mut former, |known| std::cmp::Reverse(known.replaced_at));
        former
    }

    /// Keys that were replaced and that nobody has seen to: the user is to be reminded to revoke them, while the one that
    /// took their place is there and isn't rejected.
    pub fn unrevoked(&self, now: Timestamp) -> impl Iterator<Item = &KnownKey> {
        let is_replaced = self.target().is_some() && self.rejection().is_none();
        let being_retired = |known: &KnownKey| self.record.retiring.iter().any(|retiring| retiring.fingerprint == known.fingerprint);
        let former = self.former(now).into_iter().filter(|known| known.anatomy.kind == KeyKind::BedrockLongTerm);
        former.filter(move |known| is_replaced && !known.is_seen_to && !being_retired(known))
    }

    /// Another value counts: what was in the way of replacing the one before is of no interest.
    pub(super) fn renewal_starts_over(&mut self) {
        if self.record.renewal.is_none() {
            self.renewal_unhindered();
        }
        let arrived = self.record.current;
        for retiring in self.record.retiring.iter_mut().filter(|retiring| Some(retiring.fingerprint) == arrived) {
            // It may have been made active again; should it go, then with all its grace.
            retiring.delete_at = None;
        }
    }

    /// The configuration was edited, perhaps to mend what was in the way.
    pub fn renewal_hurries(&mut self) {
        let Some(renewing) = self.renewing.if_set() else { return };
        if renewing.trouble.is_some() {
            renewing.not_before = None;
        }
        if self.spec.iam != Iam::Renew && self.record.renewal.is_none() {
            renewing.trouble = None;
        }
        if renewing.retire_trouble.is_some() {
            renewing.retire_not_before = None;
        }
    }

    /// The clock was set back: what was put off is tried soon.
    pub(super) fn renewal_clock_went_back(&mut self) {
        if let Some(renewing) = self.renewing.if_set() {
            renewing.not_before = None;
            renewing.retire_not_before = None;
        }
    }
}
