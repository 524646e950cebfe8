//! Who could not be asked about a key, in the answer to `credd verify`.

use jiff::Timestamp;

use super::consumers::{consumer_problems, consumer_status};
use crate::config::Config;
use crate::core::consumer::ConsumerState;
use crate::core::key::Key;
use crate::core::{ConsumerProbe, KeyName, Machine};
use crate::protocol::NotAsked;

/// Those that are to have the key, beside `asked`: silence about them would pass for a proof.
pub fn not_asked(machine: &Machine, config: &Config, key: &KeyName, asked: &[ConsumerProbe], now: Timestamp) -> Vec<NotAsked> {
    let others = config.consumers.iter().filter(|spec| !asked.iter().any(|probe| probe.consumer == spec.name));
    let told = others.filter_map(|spec| {
        let consumer = machine.consumer(&spec.name).filter(|consumer| consumer.uses(key))?;
        let status = consumer_status(machine, consumer, spec);
        // What it lacks may be another of its keys.
        let lacks = consumer.lacking(&machine.targets(consumer)).contains_key(key);
        let runs = match status.key_fingerprints.get(key.as_str()) {
            Some(None) => "it runs without the key",
            _ => "it runs with another key",
        };
        // Two keys for its variable may have one value.
        let has_it =
            machine.key(key).and_then(Key::target).is_some_and(|now| status.key_fingerprints.get(key.as_str()) == Some(&Some(now)));
        let why = match (status.state, &status.detail, status.overruled.get(key.as_str()).filter(|_| !has_it)) {
            (ConsumerState::Failed, ..) => "it doesn't serve".to_owned(),
            (ConsumerState::Applying, Some(progress), _) => format!("it is {progress}"),
            (ConsumerState::Applying, None, _) => "it is being restarted".to_owned(),
            (_, _, Some(other)) => format!("it is given the key {other}, for the same variable"),
            (ConsumerState::Pending, Some(reason), _) if lacks => format!("{runs} ({reason})"),
            (ConsumerState::Stale | ConsumerState::Pending, ..) if lacks => runs.to_owned(),
            // One that has the key, and isn't asked, is one whose `verify` says so.
            (ConsumerState::Stale | ConsumerState::Pending | ConsumerState::Current | ConsumerState::Absent, ..) => return None,
        };
        // Where none is about the key, the last is of the consumer itself.
        let mut problems = consumer_problems(machine, consumer, spec, now);
        let of_key = problems.iter().position(|problem| problem.about.iter().any(|name| name == key.as_str()));
        let problem = of_key.map(|at| problems.swap_remove(at)).or_else(|| problems.pop());
        Some(NotAsked { consumer: status.name, why, fix: problem.map(|problem| problem.fix) })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Restart, Surroundings};
    use crate::core::tests::world::*;
    use crate::core::{ConsumerSpec, Settings};

    /// Of whom `verify` of a key says that it could not be asked, in a minute-old world of one proxy.
    fn told(keys: &[(&str, &str, &str)], values: &[(&str, &str, u8)], runs_with: &[(&str, u8)], of: &str) -> Vec<NotAsked> {
        let settings = Settings {
            keys: shared(keys.iter().map(|(name, variable, file)| key(name, variable, file))),
            consumers: vec![ConsumerSpec { restartable: false, ..consumer("proxy", &[]) }],
            ..usual()
        };
        let mut world = World::new(settings);
        for (file, variable, value) in values {
            world.set(file, variable, *value);
        }
        world.launch("proxy", runs_with);
        world.start();
        world.run(MINUTE);
        let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
        config.consumers[0].name = "proxy".into();
        config.consumers[0].restart = Restart::None;
        not_asked(&world.machine, &config, &of.into(), &[], world.now())
    }

    fn said(told: &[NotAsked]) -> Vec<(&str, &str)> {
        told.iter().map(|one| (one.why.as_str(), one.fix.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn the_next_step_is_of_the_key_that_was_asked_about() {
        let keys = [("work", "K", "/work"), ("home", "K", "/home"), ("other", "O", "/home")];
        let values = [("/work", "K", 1), ("/home", "K", 2), ("/home", "O", 9)];
        let runs_with = [("K", 2), ("O", 8)];
        let other = told(&keys, &values, &runs_with, "other");
        assert_eq!(said(&other), [("it runs with another key", "restart proxy yourself")]);
        let work = told(&keys, &values, &runs_with, "work");
        let [(why, fix)] = said(&work)[..] else { panic!("{work:?}") };
        assert!(why.starts_with("it is given the key home") && fix.contains("keys = ["), "{work:?}");
        assert_eq!(said(&told(&keys, &values, &runs_with, "home")), []);
    }

    #[test]
    fn one_value_of_two_keys_is_that_of_either() {
        let (keys, values) = ([("work", "K", "/work"), ("home", "K", "/home")], [("/work", "K", 2), ("/home", "K", 2)]);
        for name in ["work", "home"] {
            assert_eq!(said(&told(&keys, &values, &[("K", 2)], name)), [], "{name}");
        }
    }
}
