//! The status without a daemon: the last saved state, marked as such.

use std::io;
use std::path::Path;

use crate::clock;
use crate::config::Config;
use crate::core::Machine;
use crate::cron::CronCalendar;
use crate::paths::Paths;
use crate::protocol::{Problem, Severity};
use crate::store::read_ledger;
use crate::view::{self, Metrics, Viewpoint, problem, settings};

use super::Failure;
use super::status::Current;

/// What is known without asking a daemon: of nothing more than the configuration, unless something was
/// saved.
pub fn current(paths: &Paths, why: Failure) -> Result<Current, Failure> {
    let saved = Saved::load(paths)?;
    let mut status = view::status(&saved.machine, saved.viewpoint(&paths.home));
    for consumer in &mut status.consumers {
        consumer.detail = Some("nobody looks at its processes without a daemon".into());
    }
    if !saved.known {
        (status.keys, status.consumers) = Default::default();
    }
    let config = &saved.config;
    let current = Current {
        keys: config.keys.iter().map(|key| key.name.to_string()).collect(),
        consumers: config.consumers.iter().map(|consumer| consumer.name.to_string()).collect(),
        offline: Some(why),
        status,
    };
    Ok(current)
}

/// The same as metrics. Of consumers there are counts alone: nobody looks at their processes.
pub fn metrics(paths: &Paths, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), Failure> {
    let mut saved = Saved::load(paths)?;
    if !saved.known {
        (saved.config.keys, saved.config.consumers) = Default::default();
    }
    let at = saved.viewpoint(&paths.home);
    let mut metrics = Metrics::new(&saved.machine);
    while !metrics.is_done() {
        take(&metrics.write(&saved.machine, &at)?)?;
    }
    Ok(())
}

/// The configuration, and the last saved state.
struct Saved {
    config: Config,
    calendar: CronCalendar,
    machine: Machine,
    problems: Vec<Problem>,
    /// There is such a state.
    known: bool,
}

impl Saved {
    fn load(paths: &Paths) -> Result<Self, Failure> {
        let config = super::configuration(paths)?;
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
        Ok(Self { config, calendar, machine, problems: problems.into_iter().collect(), known })
    }

    fn viewpoint<'a>(&'a self, home: &'a Path) -> Viewpoint<'a> {
        Viewpoint { now: clock::now(), calendar: &self.calendar, config: &self.config, home, daemon: None, problems: self.problems.clone() }
    }
}
