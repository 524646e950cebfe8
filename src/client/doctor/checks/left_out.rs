//! What couldn't be looked at, since no daemon answers: it isn't taken to be well.

use super::Needs;
use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::core::Iam;

pub(super) fn can_be_made(situation: &Situation, needs: Needs) -> bool {
    let is_live = situation.status.live;
    match needs {
        Needs::Nothing => true,
        Needs::Tracked => is_live || situation.config.is_ok(),
        // Where nobody is to be asked, nothing is left out.
        Needs::Asked => is_live || situation.config.as_ref().is_ok_and(|config| config.keys.iter().all(|key| key.iam == Iam::Off)),
    }
}

pub fn finding(situation: &Situation) -> Option<Finding> {
    let mut what = situation.left_out.clone();
    let fix = if can_be_made(situation, Needs::Tracked) {
        if !can_be_made(situation, Needs::Asked) {
            what.push("what IAM says of keys".to_owned());
        }
        "start the daemon, then: credd doctor"
    } else {
        what.push("keys, env files and consumers, since the configuration is wrong".to_owned());
        "correct the configuration, then: credd doctor"
    };
    let message = format!("without a daemon this was not looked at: {}", what.join("; "));
    (!what.is_empty()).then(|| Finding::info("checks-left-out", &message, fix))
}
