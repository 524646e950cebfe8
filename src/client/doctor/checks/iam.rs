//! Why IAM tells nothing of a key: that costs its better dates alone.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let keys = situation.status.keys.iter();
    keys.filter_map(|key| Some((&key.name, key.iam.as_ref()?.trouble.as_ref()?)))
        .map(|(name, trouble)| {
            Finding::info("iam-unavailable", &format!("IAM can't be asked about the key {name}: {}", trouble.detail), &trouble.fix)
        })
        .collect()
}
