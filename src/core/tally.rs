//! Counts that only grow, kept across runs of the daemon: what is counted comes once a month, and the daemon starts
//! with every login.

use serde::{Deserialize, Serialize};

/// How often something was, by what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(Vec<(Box<str>, i64)>);

impl Tally {
    /// Once more.
    pub fn count(&mut self, what: &str) {
        match self.0.iter_mut().find(|(counted, _)| **counted == *what) {
            Some((_, times)) => *times += 1,
            None => self.0.push((what.into(), 1)),
        }
    }

    /// How often it was.
    pub fn of(&self, what: &str) -> i64 {
        self.iter().find(|(counted, _)| *counted == what).map_or(0, |(_, times)| times)
    }

    /// All, in the order of their first times.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(what, times)| (&**what, *times))
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
