//! The keys that are looked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::tokens::candidates;
use crate::core::order;
use crate::core::{Fingerprint, KeyName, Ledger};
use crate::protocol::{KeyStatus, Status};
use crate::salt::Salt;

/// A key that is looked for, known by its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The configured name.
    pub key: String,
    /// The env file that it belongs into, or did.
    pub env_file: String,
    /// When it was replaced; `None` for the one that counts.
    pub replaced_at: Option<Timestamp>,
    /// Its issuer may accept it, for all that is known.
    pub is_accepted: bool,
}

/// All keys that are looked for, and what tells them.
pub struct Keys {
    salt: Option<Salt>,
    wanted: BTreeMap<Fingerprint, Wanted>,
}

impl Keys {
    /// All that a status knows, and those that ended or were rejected, which only the state remembers. Without a salt
    /// none can be found.
    pub fn of(status: &Status, ledger: Option<&Ledger>, salt: Option<Salt>) -> Self {
        let mut wanted = BTreeMap::new();
        let mut want = |print, key: &KeyStatus, replaced_at, is_accepted| {
            wanted.insert(print, Wanted { key: key.name.clone(), env_file: key.env_file.clone(), replaced_at, is_accepted });
        };
        for key in &status.keys {
            let record = ledger.and_then(|ledger| ledger.keys.get(&KeyName::from(key.name.as_str())));
            for known in record.iter().flat_map(|record| &record.known) {
                want(known.fingerprint, key, Some(known.replaced_at.unwrap_or(known.last_seen)), false);
            }
        }
        for key in &status.keys {
            if let Some(print) = key.fingerprint {
                want(print, key, None, true);
            }
        }
        // One that another variable still has was replaced all the same: it is going to be revoked.
        for key in &status.keys {
            for former in &key.former {
                want(former.fingerprint, key, Some(former.replaced_at), true);
            }
        }
        Self { salt, wanted }
    }

    /// Nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.salt.is_none() || self.wanted.is_empty()
    }

    /// What is known of a key.
    pub fn get(&self, print: Fingerprint) -> Option<&Wanted> {
        self.wanted.get(&print)
    }

    /// The keys in a text, each with the first line it is on.
    pub fn in_text(&self, text: &[u8]) -> Vec<(Fingerprint, usize)> {
        let mut found: Vec<(Fingerprint, usize)> = Vec::new();
        let Some(salt) = self.salt.as_ref().filter(|_| !self.is_empty()) else { return found };
        candidates(text, &mut |line, part| {
            let print = salt.fingerprint(part);
            if self.wanted.contains_key(&print) && !found.iter().any(|(known, _)| *known == print) {
                found.push((print, line));
            }
        });
        found
    }

    /// The keys that were replaced in an environment's values.
    pub fn replaced_in<'e>(&self, entries: impl Iterator<Item = (&'e [u8], &'e [u8])>) -> BTreeSet<Fingerprint> {
        let Some(salt) = &self.salt else { return BTreeSet::new() };
        // A whole value is a key whatever its characters, which its text needn't show.
        let of_value = |value: &[u8]| self.in_text(value).into_iter().map(|(print, _)| print).chain([salt.fingerprint(value)]);
        let all = entries.flat_map(|(_, value)| of_value(value).collect::<Vec<_>>());
        order::gathered(all.filter(|print| self.wanted.get(print).is_some_and(|wanted| wanted.replaced_at.is_some())))
    }
}
