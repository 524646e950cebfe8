//! The configuration in force, with its keys and consumers found by name.

use std::ops::Deref;

use crate::config::{Config, ConsumerConfig, KeyConfig};
use crate::core::order;
use crate::core::{ConsumerName, KeyName};

/// A configuration that doesn't change any more.
#[derive(Debug)]
pub struct Configured {
    config: Config,
    /// Places in `config.keys`, by name.
    keys: Box<[u32]>,
    /// The same of consumers.
    consumers: Box<[u32]>,
}

impl Configured {
    /// Finds its way in `config`.
    pub fn new(config: Config) -> Self {
        let keys = by_name(config.keys.len(), |at| &config.keys[at].name);
        let consumers = by_name(config.consumers.len(), |at| &config.consumers[at].name);
        Self { config, keys, consumers }
    }

    /// One key.
    pub fn key(&self, name: &KeyName) -> Option<&KeyConfig> {
        let found = self.keys.binary_search_by_key(&name, |at| &self.config.keys[place(*at)].name).ok()?;
        self.config.keys.get(place(self.keys[found]))
    }

    /// One consumer.
    pub fn consumer(&self, name: &ConsumerName) -> Option<&ConsumerConfig> {
        let found = self.consumers.binary_search_by_key(&name, |at| &self.config.consumers[place(*at)].name).ok()?;
        self.config.consumers.get(place(self.consumers[found]))
    }
}

impl Deref for Configured {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

fn by_name<'n, N: Ord + 'n>(count: usize, name: impl Fn(usize) -> &'n N) -> Box<[u32]> {
    let places = order::places(count, &|one, two| name(one).cmp(name(two)));
    places.into_iter().filter_map(|at| u32::try_from(at).ok()).collect()
}

fn place(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[test]
    fn each_is_found_and_no_other() {
        let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
        let (key, consumer) = (config.keys.remove(0), config.consumers.remove(0));
        for name in ["c", "a", "b"] {
            config.keys.push(KeyConfig { name: name.into(), ..key.clone() });
            config.consumers.push(ConsumerConfig { name: name.into(), ..consumer.clone() });
        }
        let configured = Configured::new(config);
        for name in ["a", "b", "c"] {
            assert_eq!(configured.key(&name.into()).unwrap().name.as_str(), name);
            assert_eq!(configured.consumer(&name.into()).unwrap().name.as_str(), name);
        }
        assert!(configured.key(&"d".into()).is_none() && configured.consumer(&"".into()).is_none());
    }
}
