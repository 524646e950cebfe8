//! Short-term keys that are minted here.

use super::renewals::superseded;
use super::{Effect, KeyName, Machine, Reply, Step, Subject};
use crate::core::event::Denial;
use crate::core::policy::Reason;
use crate::core::renewal::MintReport;

impl Machine {
    /// Has a key minted if that is due, and the user told to sign in if that is.
    pub(super) fn mint_due(&mut self, name: &KeyName, step: &mut Step) {
        if !self.keys.get(name).is_some_and(|key| self.is_at_rest(key)) {
            return;
        }
        let Some(key) = self.keys.get_mut(name) else { return };
        if let Some(trouble) = key.why_unmintable() {
            let denied = Reply::Denied(Denial::Refused { message: trouble.detail, hint: trouble.fix });
            step.reply_all(&mut key.minting.waiting, &denied);
        }
        if let Some((old, ends_at)) = key.take_due_mint(step.now) {
            step.effects.push(Effect::Mint(name.clone(), old, ends_at));
        }
        if key.sign_in_deadline().is_some_and(|at| at <= step.now) {
            key.minting.told_to_sign_in = true;
            let trouble = key.minting.trouble.clone().filter(|trouble| trouble.sign_in);
            let ends = || key.record.minted.as_ref().and_then(|minted| minted.sign_in_by);
            let (detail, fix) = match (trouble, ends()) {
                (Some(trouble), _) => (trouble.detail, trouble.fix),
                (None, Some(end)) => {
                    (format!("the session of its AWS profile ends at {end}, and no key can be minted after"), "sign in again".to_owned())
                }
                (None, None) => return,
            };
            step.tell("sign-in-needed", Some(name), None, None, format!("{detail}; {fix}"));
            key.tell_news(Reason::SignIn, detail, fix, &self.settings.channels, step.now);
            step.save.insert(Subject::Key(name.clone()));
        }
    }

    /// Minting ended.
    pub(super) fn minted(&mut self, name: &KeyName, report: Option<MintReport>, step: &mut Step) {
        let Some(key) = self.keys.get_mut(name) else { return };
        self.dirty.insert(Subject::Key(name.clone()));
        let before = key.minting.trouble.clone();
        let is_superseded = report == Some(MintReport::Superseded);
        let written = match &report {
            Some(MintReport::Written { fingerprint, .. }) => Some(*fingerprint),
            _ => None,
        };
        key.mint_ended(report, step.now);
        if let Some(print) = written {
            step.tell(
                "key-minted",
                Some(name),
                None,
                Some(print),
                format!("a short-term key was put into {}", key.spec.env_file.display()),
            );
            let popup = key.withdraw_news(Reason::SignIn);
            step.close(popup);
            step.save.insert(Subject::Key(name.clone()));
            let waiting = std::mem::take(&mut key.minting.waiting);
            key.renewing.waiting.extend(waiting);
            let path = key.spec.env_file.clone();
            self.with_file(&path, |file| file.read_now(step.now));
        } else if is_superseded {
            let reply = superseded(key);
            step.reply_all(&mut key.minting.waiting, &reply);
            let path = key.spec.env_file.clone();
            self.with_file(&path, |file| file.read_now(step.now));
        } else if let Some(trouble) = key.minting.trouble.clone() {
            if before.as_ref() != Some(&trouble) {
                step.tell("mint-failed", Some(name), None, None, format!("no short-term key could be minted: {}", trouble.detail));
            }
            let denied = Reply::Denied(Denial::Refused { message: trouble.detail, hint: trouble.fix });
            step.reply_all(&mut key.minting.waiting, &denied);
        }
    }
}
