//! Whether a key is asked about where it works.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let keys = situation.status.keys.iter();
    keys.filter_map(|key| {
        let theirs = key.region.as_deref()?;
        let ours = &*situation.configured(key)?.region;
        (theirs != ours).then(|| {
            let message = format!("the key {} is for {theirs}, and the configuration says {ours}, where it may not work", key.name);
            let fix = format!("set region = \"{theirs}\" for it in {}", situation.tilde(&situation.paths.config));
            Finding::warning("region-mismatch", &message, &fix)
        })
    })
    .collect()
}
