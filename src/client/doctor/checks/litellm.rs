//! Whether a LiteLLM that runs can use a new key at all, by its own configuration.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::consumers::review::{Found, review};
use crate::core::order;
use crate::protocol::ConsumerStatus;

/// Of models, so many are named.
const MOST: usize = 3;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    situation.status.consumers.iter().flat_map(|consumer| of(situation, consumer)).collect()
}

fn of(situation: &Situation, consumer: &ConsumerStatus) -> Vec<Finding> {
    let Some(review) = consumer.pid.and_then(review) else { return Vec::new() };
    let (path, name) = (situation.tilde(&review.path), &consumer.name);
    let found = match review.found {
        Ok(found) => found,
        Err(why) => {
            let message = format!("{path} can't be read: {why}");
            return vec![Finding::warning("litellm-config-unreadable", &message, "mend it before the next restart")];
        }
    };
    // The variables of its keys.
    let tracked: Vec<&str> =
        situation.status.keys.iter().filter(|key| consumer.key_fingerprints.contains_key(&key.name)).map(|key| &*key.variable).collect();
    let Found { is_without_bedrock, literal, set, aws_keys, variables } = found;
    let mut findings = Vec::new();
    if is_without_bedrock {
        let message = format!("no model of {path} is Bedrock's");
        findings.push(Finding::info("litellm-without-bedrock", &message, &format!("nothing, if {name} isn't to use Bedrock")));
    }
    if !literal.is_empty() {
        let message = format!("{path} has the key of {} in it", listed(literal));
        findings.push(Finding::warning("litellm-key-in-config", &message, "leave its api_key out there, and revoke that key"));
    }
    for variable in set.iter().filter(|variable| tracked.contains(&&***variable)) {
        let message = format!("{path} sets {variable} itself, under environment_variables");
        findings.push(Finding::warning("litellm-key-in-config", &message, &format!("remove {variable} from there")));
    }
    if !aws_keys.is_empty() {
        let message = format!("{path} has AWS keys for {} beside the bearer key", listed(aws_keys));
        findings.push(Finding::warning("litellm-aws-keys", &message, "remove aws_access_key_id and aws_secret_access_key there"));
    }
    for variable in variables.iter().filter(|variable| !tracked.is_empty() && !tracked.contains(&&***variable)) {
        let message = format!("{path} has a key from {variable}, which credd doesn't track for {name}");
        let fix = format!("track it as one of [[keys]] in {}", situation.tilde(&situation.paths.config));
        findings.push(Finding::info("litellm-other-key", &message, &fix));
    }
    findings
}

fn listed(names: Vec<String>) -> String {
    let names = order::each_once(names.into_iter());
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}
