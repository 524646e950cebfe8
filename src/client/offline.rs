//! The status without a daemon: the last saved state, marked as such.

use crate::clock;
use crate::config::{Config, Surroundings};
use crate::core::Machine;
use crate::cron::{self, RemindCalendar};
use crate::paths::Paths;
use crate::protocol::Status;
use crate::store::read_ledger;
use crate::view::{self, Viewpoint, settings};

use super::Failure;

/// What is known without asking a daemon. `None` if nothing was ever saved.
pub fn status(paths: &Paths) -> Result<Option<Status>, Failure> {
    let surroundings = Surroundings { home: paths.home.clone() };
    let config = Config::load(&paths.config, paths.config_named, &surroundings).map_err(|error| Failure::usage(error.to_string()))?;
    let ledger = read_ledger(&paths.state_dir).map_err(|error| Failure::failed(format!("the state can't be read: {error}")))?;
    let known = ledger.keys.values().any(|record| record.current.is_some());
    let calendar = RemindCalendar(cron::parse(&config.alerts.remind).map_err(Failure::usage)?);
    let machine = Machine::new(settings(&config), ledger);
    let status = view::status(
        &machine,
        Viewpoint { now: clock::now(), calendar: &calendar, config: &config, home: &paths.home, daemon: None, problems: Vec::new() },
    );
    Ok(known.then_some(status))
}
