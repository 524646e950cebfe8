//! Between deciding that a consumer should have a key and giving it that: the issuer is asked first, and
//! what it rejects is rolled out to nobody (contract, promise 3).

use super::{Consumer, ConsumerName, KeyName, Machine, Reply, Step, Subject, Targets, Why};
use crate::core::Outcome;
use crate::core::order;
use crate::core::record::LastApply;

impl Machine {
    /// Splits off what its issuer rejects: the rest may be rolled out.
    pub(super) fn without_rejected(&self, targets: &Targets) -> (Targets, Targets) {
        let is_rejected = |key: &KeyName| self.keys.get(key).is_some_and(|key| key.rejection().is_some());
        targets.iter().map(|(key, print)| (key.clone(), *print)).partition(|(key, _)| !is_rejected(key))
    }

    /// Whether a consumer lacks keys, and rejected ones alone.
    pub fn lacks_what_is_rejected(&self, consumer: &Consumer) -> bool {
        let (accepted, rejected) = self.without_rejected(&consumer.lacking(&self.targets(consumer)));
        accepted.is_empty() && !rejected.is_empty()
    }

    /// Variables whose values are rejected and stand in the files of `targets`: they must not ride along.
    pub fn withheld(&self, targets: &Targets) -> Vec<&str> {
        let specs: Vec<_> = targets.keys().filter_map(|key| self.keys.get(key)).map(|key| &key.spec).collect();
        let files = order::each_once(specs.iter().map(|spec| &spec.env_file));
        let neighbours = files.into_iter().filter_map(|path| self.files.get(path)).flat_map(|file| &file.keys);
        let rejected = neighbours.filter_map(|key| self.keys.get(key)).filter(|key| key.rejection().is_some());
        let is_wanted = |variable: &str| specs.iter().any(|spec| *spec.variable == *variable);
        order::each_once(rejected.map(|key| &*key.spec.variable).filter(|variable| !is_wanted(variable)))
    }

    /// Has issuers asked about what a consumer lacks. Returns whether it is to wait for an answer.
    pub(super) fn consult(&mut self, name: &ConsumerName, lacking: &Targets, why: Why, step: &Step) -> bool {
        let Some(consumer) = self.consumers.get_mut(name) else { return false };
        for (key_name, print) in lacking {
            let Some(key) = self.keys.get_mut(key_name) else { continue };
            // Whoever asks gets an answer of their own, once.
            let was_asked = consumer.asked.get(key_name) == Some(print) && key.probe().is_some();
            if was_asked || key.is_settled(why >= Why::Asked, step.now) {
                continue;
            }
            key.want_probe();
            self.dirty.insert(Subject::Key(key_name.clone()));
            consumer.asking.insert(key_name.clone(), *print);
        }
        !consumer.asking.is_empty()
    }

    /// All that a consumer lacks is rejected: it is left alone.
    pub(super) fn refuse(&mut self, name: &ConsumerName, all: &Targets, rejected: &Targets, why: Why, step: &mut Step) {
        let detail = self.why_refused(name, rejected);
        let Some(consumer) = self.consumers.get_mut(name) else { return };
        consumer.asked.clear();
        let is_news = consumer.hold_back(all, true) || why >= Why::Asked;
        if is_news {
            step.tell("refused", None, Some(name), None, detail.clone());
        }
        if consumer.is_down() {
            // That it doesn't serve is what matters, and stays on record.
            consumer.wait_on(step.now);
        } else {
            if is_news {
                consumer.record.applied(LastApply { at: step.now, outcome: Outcome::Refused, seconds: 0.0, detail: detail.clone() });
            }
            consumer.record.pending = None;
            let popup = consumer.settle();
            step.close(popup);
        }
        step.save.insert(Subject::Consumer(name.clone()));
        step.reply_all(&mut consumer.waiting_for_apply, &Reply::Applied(Outcome::Refused, detail));
    }

    fn why_refused(&self, name: &ConsumerName, rejected: &Targets) -> String {
        let keys = rejected.keys().filter_map(|key| self.keys.get(key));
        let said = keys.clone().find_map(|key| key.rejection()).map(|rejection| rejection.detail.as_str()).unwrap_or_default();
        let mut files: Vec<String> = keys.map(|key| key.spec.env_file.display().to_string()).collect();
        files.dedup();
        format!("{said}; {name} was left as it is; put a working key into {}", files.join(" and "))
    }
}

/// What waited for an issuer's answer has been given to a consumer, or taken back.
pub(super) fn forget_held_back(consumer: &mut Consumer, targets: &Targets) {
    let settled = |held: &Targets| held.keys().all(|key| targets.contains_key(key) || !consumer.uses(key));
    if consumer.record.held_back.as_ref().is_some_and(|held| settled(&held.targets)) {
        consumer.record.held_back = None;
    }
}
