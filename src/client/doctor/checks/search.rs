//! Whether the search for copies was a whole one.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let fix = "look for copies yourself where you keep them";
    situation.sightings.missed.iter().map(|why| Finding::info("search-incomplete", why, fix)).collect()
}
