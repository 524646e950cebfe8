//! Minting short-term keys: well before the one that is there ends.

use jiff::{SignedDuration, Timestamp};

use super::{Found, Key};
use crate::core::event::Ticket;
use crate::core::policy::Reason;
use crate::core::rare::Unset;
use crate::core::record::KnownKey;
use crate::core::renewal::{MintReport, Minted, Trouble};
use crate::core::{Fingerprint, KeyKind, Lack};

/// From a failure to the next try, doubled each time.
const FIRST_RETRY: SignedDuration = SignedDuration::from_mins(1);
/// Longest wait between tries: some minutes after the user has signed in, or the network is back, all is well.
const LONGEST_RETRY: SignedDuration = SignedDuration::from_mins(5);
/// From minting a key that is rejected to the next.
const REJECTED_RETRY: SignedDuration = SignedDuration::from_hours(1);
/// The user is told so long before a session ends that no key can be minted after.
const SIGN_IN_AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// How minting goes in this run of the daemon.
#[derive(Debug, Default)]
pub struct Minting {
    under_way: bool,
    not_before: Option<Timestamp>,
    failures: u32,
    /// What was in the way the last time.
    pub trouble: Option<Box<Trouble>>,
    /// The user was told to sign in.
    pub told_to_sign_in: bool,
    /// Users who wait for a new key.
    pub waiting: Vec<Ticket>,
}

impl Unset for Minting {
    const UNSET: &'static Self =
        &Self { under_way: false, not_before: None, failures: 0, trouble: None, told_to_sign_in: false, waiting: Vec::new() };
}

impl Minting {
    /// Whether a worker is at it.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }
}

impl Key {
    /// Why a key isn't minted here although it is to be: the file holds something that is no short-term key, which
    /// may exist nowhere else.
    pub fn mint_obstacle(&self) -> Option<Trouble> {
        let known = self.record.known_now().filter(|_| self.spec.minted && self.present().is_some())?;
        (known.anatomy.kind != KeyKind::BedrockShortTerm).then(|| Trouble {
            detail: format!(
                "{} holds a {} that is no short-term key, and is not overwritten",
                self.spec.env_file.display(),
                self.spec.variable
            ),
            fix: format!("remove that assignment from {}, and credd puts a short-term key there", self.spec.env_file.display()),
            sign_in: false,
        })
    }

    fn is_mintable(&self) -> bool {
        self.spec.minted && matches!(self.found, Found::Value(_) | Found::Lack(Lack::Missing(_))) && self.mint_obstacle().is_none()
    }

    /// When the next key is to be minted; a time in the past means now.
    pub fn mint_deadline(&self) -> Option<Timestamp> {
        if self.minting.under_way {
            return None;
        }
        if !self.minting.waiting.is_empty() {
            return Some(Timestamp::MIN);
        }
        if !self.is_mintable() {
            return None;
        }
        let due = match self.life().filter(|_| self.present().is_some()) {
            Some(life) if self.rejection().is_none() => {
                let end = life.expires_at?;
                // With a third of its life left: half a working day for one of twelve hours.
                let lifetime = end.duration_since(life.issued_at);
                end.checked_sub(lifetime / 3).unwrap_or(Timestamp::MIN)
            }
            // What was minted is no better for being minted again at once.
            Some(_) => self.minted_now().and_then(|known| known.first_seen.checked_add(REJECTED_RETRY).ok()).unwrap_or(Timestamp::MIN),
            None => Timestamp::MIN,
        };
        Some(self.minting.not_before.map_or(due, |earliest| due.max(earliest)))
    }

    /// The value that counts, if it was minted here.
    fn minted_now(&self) -> Option<&KnownKey> {
        let minted = self.record.minted.as_ref()?;
        self.record.known_now().filter(|known| known.fingerprint == minted.fingerprint)
    }

    /// Why nothing can be minted for those who wait for that, where nothing can.
    pub fn why_unmintable(&self) -> Option<Trouble> {
        let why = match &self.found {
            _ if self.minting.under_way || self.minting.waiting.is_empty() || self.is_mintable() => return None,
            Found::Unknown => "it couldn't be read yet".to_owned(),
            Found::Lack(Lack::Dynamic(why) | Lack::Unreadable(why)) => why.clone(),
            _ => "it isn't minted here".to_owned(),
        };
        let obstacle = self.mint_obstacle().filter(|_| self.spec.minted);
        Some(obstacle.unwrap_or_else(|| Trouble {
            detail: format!("no short-term key can be put into {}: {why}", self.spec.env_file.display()),
            fix: "see: credd status".to_owned(),
            sign_in: false,
        }))
    }

    /// The configuration was edited, perhaps to mend what was in the way.
    pub fn minting_hurries(&mut self) {
        if self.minting.trouble.is_some() {
            self.minting.not_before = None;
        }
    }

    /// Whether a key is to be minted now, the value that it replaces, and the end of that, which the new one is to
    /// outlive. It is taken to be under way.
    pub fn take_due_mint(&mut self, now: Timestamp) -> Option<(Option<Fingerprint>, Option<Timestamp>)> {
        self.mint_deadline().filter(|at| *at <= now)?;
        self.minting.under_way = true;
        let old = self.present().map(|key| key.fingerprint);
        let is_good = old.is_some() && self.rejection().is_none() && self.minting.waiting.is_empty();
        Some((old, self.life().filter(|_| is_good).and_then(|life| life.expires_at)))
    }

    /// Takes in how minting ended; `None` if that isn't known.
    pub fn mint_ended(&mut self, report: Option<MintReport>, now: Timestamp) {
        self.minting.under_way = false;
        match report {
            Some(MintReport::Written { fingerprint, session_ends_at, sign_in_by }) => {
                self.record.minted = Some(Box::new(Minted { fingerprint, session_ends_at, sign_in_by }));
                *self.minting = Minting { waiting: std::mem::take(&mut self.minting.waiting), ..Minting::default() };
                // What is in the file is about to be seen.
                self.minting.not_before = now.checked_add(FIRST_RETRY).ok();
                self.note_session();
            }
            // What is in the file is about to be seen.
            Some(MintReport::Superseded) => self.minting.not_before = now.checked_add(FIRST_RETRY).ok(),
            Some(MintReport::NotYet) => {
                let left = self.life().and_then(|life| life.expires_at).map_or(SignedDuration::ZERO, |end| end.duration_since(now));
                self.minting.trouble = None;
                self.minting.not_before = now.checked_add((left / 4).max(LONGEST_RETRY)).ok();
            }
            Some(MintReport::Trouble(trouble)) => self.mint_failed(trouble, now),
            None => {
                let detail = "minting ended unexpectedly".to_owned();
                self.mint_failed(Trouble { detail, fix: "see the log of credd".to_owned(), sign_in: false }, now);
            }
        }
    }

    fn mint_failed(&mut self, trouble: Trouble, now: Timestamp) {
        let factor = 1_i32.checked_shl(self.minting.failures.min(8)).unwrap_or(i32::MAX);
        let wait = FIRST_RETRY.checked_mul(factor).unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY);
        self.minting.failures = self.minting.failures.saturating_add(1);
        self.minting.not_before = now.checked_add(wait).ok();
        self.minting.trouble = Some(Box::new(trouble));
    }

    /// The value that counts ends with the session that it was signed in.
    pub fn note_session(&mut self) {
        let Some(minted) = self.record.minted.clone() else { return };
        if let Some(known) = self.record.known_now_mut().filter(|known| known.fingerprint == minted.fingerprint) {
            known.session_ends_at = minted.session_ends_at;
        }
    }

    /// When the user is to be told to sign in, since the next key couldn't be minted.
    pub fn sign_in_deadline(&self) -> Option<Timestamp> {
        // The news stays until a key is minted, or comes from elsewhere.
        let was_told = self.record.news.as_ref().is_some_and(|news| news.alert.reason == Reason::SignIn);
        if !self.spec.minted || self.minting.told_to_sign_in || was_told {
            return None;
        }
        if self.minting.trouble.as_ref().is_some_and(|trouble| trouble.sign_in) {
            return Some(Timestamp::MIN);
        }
        let minted = self.record.minted.as_ref().filter(|minted| Some(minted.fingerprint) == self.record.current)?;
        minted.sign_in_by?.checked_sub(SIGN_IN_AHEAD).ok()
    }

    /// The clock was set back.
    pub(super) fn mint_clock_went_back(&mut self) {
        self.minting.not_before = None;
    }
}
