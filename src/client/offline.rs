//! The status without a daemon: the last saved state, marked as such.

use crate::clock;
use crate::config::{Config, Surroundings};
use crate::core::Machine;
use crate::cron::CronCalendar;
use crate::paths::Paths;
use crate::protocol::Severity;
use crate::store::read_ledger;
use crate::view::{self, Viewpoint, problem, settings};

use super::Failure;
use super::status::Current;

/// What is known without asking a daemon: of nothing more than the configuration, unless something was
/// saved.
pub fn current(paths: &Paths, why: Failure) -> Result<Current, Failure> {
    let surroundings = Surroundings { home: paths.home.clone() };
    let config = Config::load(&paths.config, paths.config_named, &surroundings).map_err(|error| Failure::usage(error.to_string()))?;
    let (ledger, damage) = read_ledger(&paths.state_dir).map_err(|error| {
        Failure::failed(format!("the state in {} can't be read: {error}", paths.state_dir.display()))
            .hint("check the directory's owner and mode, or name another with --state-dir")
    })?;
    let problems = damage.map(|damage| {
        let fix = "start the daemon, which keeps the damaged file aside: credd install".into();
        problem("state-recovered", Severity::Warning, damage.message, fix)
    });
    let known = ledger.keys.values().any(|record| record.current.is_some());
    let calendar = CronCalendar::new(&config.alerts.remind, config.probes()).map_err(Failure::usage)?;
    let machine = Machine::new(settings(&config), ledger);
    let mut status = view::status(
        &machine,
        Viewpoint {
            now: clock::now(),
            calendar: &calendar,
            config: &config,
            home: &paths.home,
            daemon: None,
            problems: problems.into_iter().collect(),
        },
    );
    for consumer in &mut status.consumers {
        consumer.detail = Some("nobody looks at its processes without a daemon".into());
    }
    if !known {
        (status.keys, status.consumers) = Default::default();
    }
    let current = Current {
        keys: config.keys.iter().map(|key| key.name.to_string()).collect(),
        consumers: config.consumers.iter().map(|consumer| consumer.name.to_string()).collect(),
        offline: Some(why),
        status,
    };
    Ok(current)
}
