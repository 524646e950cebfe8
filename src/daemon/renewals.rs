//! Orders to workers about keys that AWS makes.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc::unbounded_channel;

use super::run::Daemon;
use crate::config::KeyConfig;
use crate::core::{Fingerprint, KeyName, Renewal, Retiring, Stage};
use crate::worker::job::{IamOrder, KeyVariable, MintOrder, RenewOrder, RetireOrder, SettleOrder};

/// A day, in the unit of a lifetime.
const DAY: i64 = 24 * 3600;

impl Daemon {
    fn key_config(&self, name: &KeyName) -> Option<&KeyConfig> {
        self.config.key(name)
    }

    fn key_variable(&self, name: &KeyName) -> Option<KeyVariable> {
        let spec = &self.machine.key(name)?.spec;
        Some(KeyVariable { name: name.clone(), variable: spec.variable.to_string(), env_file: spec.env_file.to_path_buf() })
    }

    /// Every variable that is tracked.
    fn tracked(&self) -> Vec<KeyVariable> {
        self.machine.keys().filter_map(|key| self.key_variable(&key.spec.name)).collect()
    }

    pub(super) fn iam_order(&self, name: &KeyName, print: Fingerprint) -> Option<IamOrder> {
        Some(IamOrder { key: self.key_target(name, print)?, profile: owned(self.key_config(name)?.aws_profile.as_ref()) })
    }

    pub(super) fn make_next(&mut self, name: &KeyName, print: Fingerprint) {
        let (Some(config), Some(key)) = (self.key_config(name), self.key_target(name, print)) else { return };
        let days = config.lifetime.map(|lifetime| u32::try_from((lifetime.as_secs() / DAY).max(1)).unwrap_or(u32::MAX));
        let order = RenewOrder {
            state_dir: self.options.paths.state_dir.clone(),
            key,
            profile: owned(config.aws_profile.as_ref()),
            days,
            endpoint: owned(config.endpoint.as_ref()),
            region: config.region.to_string(),
            tracked: self.tracked(),
        };
        let (leave, leaves) = unbounded_channel();
        self.renewals.insert(name.clone(), leave);
        self.workers.renew(order, leaves);
    }

    pub(super) fn settle_renewal(&mut self, name: &KeyName, renewal: Renewal) {
        let (Some(config), Some(key)) = (self.key_config(name), self.key_variable(name)) else { return };
        let made = match renewal.stage {
            Stage::Making => None,
            Stage::Made(made) | Stage::Written(made) => Some(made),
        };
        self.workers.settle(SettleOrder {
            state_dir: self.options.paths.state_dir.clone(),
            key,
            profile: owned(config.aws_profile.as_ref()),
            user: renewal.user,
            known: renewal.known,
            begun_at: renewal.begun_at,
            made,
            tracked: self.tracked(),
        });
    }

    pub(super) fn retire(&self, name: &KeyName, retiring: Retiring) {
        let Some(config) = self.key_config(name) else { return };
        let step = retiring.step();
        let Retiring { id, user, fingerprint, .. } = retiring;
        let order = RetireOrder {
            state_dir: self.options.paths.state_dir.clone(),
            profile: owned(config.aws_profile.as_ref()),
            id,
            user,
            fingerprint,
            step,
            tracked: self.tracked(),
        };
        self.workers.retire(name.clone(), order);
    }

    pub(super) fn mint(&self, name: &KeyName, old: Option<Fingerprint>, ends_at: Option<Timestamp>) {
        let (Some(config), Some(key)) = (self.key_config(name), self.key_variable(name)) else { return };
        let Some(profile) = owned(config.aws_profile.as_ref()) else { return };
        self.workers.mint(MintOrder {
            state_dir: self.options.paths.state_dir.clone(),
            key,
            old,
            ends_at,
            profile,
            region: config.region.to_string(),
        });
    }
}

/// As a job has it.
pub(super) fn owned(text: Option<&Arc<str>>) -> Option<String> {
    text.map(ToString::to_string)
}
