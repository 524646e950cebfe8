//! What IAM says of keys.

use super::{Effect, Fingerprint, KeyName, Machine, Step, Subject};
use crate::core::renewal::IamReport;

impl Machine {
    /// Asks IAM about a key if that is due.
    pub(super) fn iam_due(&mut self, name: &KeyName, step: &mut Step) {
        if !self.keys.get(name).is_some_and(|key| self.is_at_rest(key)) {
            return;
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        if let Some(print) = key.take_due_iam(step.now) {
            step.effects.push(Effect::AskIam(name.clone(), print));
        }
    }

    /// IAM was asked.
    pub(super) fn iam_said(&mut self, name: &KeyName, print: Fingerprint, report: Option<IamReport>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        self.dirty.insert(Subject::Key(name.clone()));
        let (is_news, popup) = key.iam_said(print, report, &self.settings.days, step.now);
        step.close(popup);
        if is_news {
            self.dates_changed(name, step);
        }
    }

    /// The dates of a key's value are better known now.
    pub(super) fn dates_changed(&mut self, name: &KeyName, step: &mut Step) {
        step.save.insert(Subject::Key(name.clone()));
        self.dirty.insert(Subject::Key(name.clone()));
        let Some(key) = self.keys.get(name) else { return };
        let Some(known) = key.record.known_now() else { return };
        self.dates.insert(known.fingerprint, known.issued);
        let ends = known.expires_at(key.spec.lifetime).map_or_else(|| "doesn't expire".to_owned(), |end| format!("ends at {end}"));
        let message = format!("it was issued at {} and {ends}, by what IAM says", known.issued.at);
        step.tell("iam-dates", Some(name), None, Some(known.fingerprint), message);
    }
}
