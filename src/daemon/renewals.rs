//! Orders to workers about keys that AWS makes.

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
        self.config.keys.iter().find(|key| key.name == *name)
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
        Some(IamOrder { key: self.key_target(name, print)?, profile: self.key_config(name)?.aws_profile.clone() })
    }

    pub(super) fn make_next(&mut self, name: &KeyName, print: Fingerprint) {
        let (Some(config), Some(key)) = (self.key_config(name), self.key_target(name, print)) else { return };
        let days = config.lifetime.map(|lifetime| u32::try_from((lifetime.as_secs() / DAY).max(1)).unwrap_or(u32::MAX));
        let order = RenewOrder {
            state_dir: self.options.paths.state_dir.clone(),
            key,
            profile: config.aws_profile.clone(),
            days,
            endpoint: config.endpoint.clone(),
            region: config.region.clone(),
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
            profile: config.aws_profile.clone(),
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
            profile: config.aws_profile.clone(),
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
        let Some(profile) = config.aws_profile.clone() else { return };
        self.workers.mint(MintOrder {
            state_dir: self.options.paths.state_dir.clone(),
            key,
            old,
            ends_at,
            profile,
            region: config.region.clone(),
        });
    }
}
