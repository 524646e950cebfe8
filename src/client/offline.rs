//! The status without a daemon: the last saved state, marked as such.

use std::cell::RefCell;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::clock;
use crate::config::Config;
use crate::consumers::inspect_with;
use crate::core::key::Key;
use crate::core::{FileBody, Ledger, Machine, order};
use crate::cron::CronCalendar;
use crate::paths::{Paths, tilde};
use crate::protocol::{ConsumerStatus, Problem, Severity, Status};
use crate::salt::Salt;
use crate::store::read_ledger;
use crate::view::{self, Metrics, Viewpoint, problem, settings};
use crate::worker::job::{Answer, FileQuery, KeyVariable};
use crate::worker::read::read;

use super::Failure;
use super::status::Current;

/// Said of a consumer in place of its state, for which the document has no word.
const UNSEEN: &str = "nobody looks at its processes without a daemon";

/// What is known without asking a daemon: of nothing more than the configuration, unless something was
/// saved.
pub fn current(paths: &Paths, why: Failure) -> Result<Current, Failure> {
    let saved = Saved::load(paths)?;
    let mut status = view::status(&saved.machine, saved.viewpoint(&paths.home));
    unsee(&mut status);
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

/// Whether a consumer runs is not known.
pub fn is_unseen(consumer: &ConsumerStatus) -> bool {
    consumer.detail.as_deref() == Some(UNSEEN)
}

fn unsee(status: &mut Status) {
    for consumer in &mut status.consumers {
        consumer.detail = Some(UNSEEN.into());
    }
}

/// The same with env files and consumers looked at here and now, as a daemon's worker does; and what could not be looked at.
/// For a process that is hardened and short-lived.
pub fn looked(paths: &Paths, current: Current) -> Result<(Current, Vec<String>), Failure> {
    let mut saved = Saved::load(paths)?;
    let salt = if let Ok(salt) = Salt::load(&paths.state_dir) {
        salt
    } else {
        // What was saved can't be compared with: each value would pass for a new one.
        saved.machine = Machine::new(settings(&saved.config), Ledger::default());
        Salt::passing()?
    };
    let mut missed = Vec::new();
    let busy = saved.look_at_files(&salt, &paths.home);
    missed.extend(busy.iter().map(|path| format!("{}, which is being written to", tilde(Path::new(path), &paths.home))));
    let looked = saved.look_at_consumers(&salt);
    let mut status = view::status(&saved.machine, saved.viewpoint(&paths.home));
    if let Err(why) = looked {
        unsee(&mut status);
        missed.push(format!("a consumer ({why})"));
    }
    for problem in status.problems.iter_mut().filter(|problem| problem.code == "pending-consumer") {
        // Nobody tries it again by itself, nor when asked to.
        problem.fix = "start the daemon, which goes on with it: credd install".into();
    }
    // Nothing at all is known of these.
    status.keys.retain(|key| key.fingerprint.is_some() || !busy.contains(&key.env_file));
    Ok((Current { status, ..current }, missed))
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
        let known = ledger.keys.values().any(|record| record.current.is_some() || record.lack.is_some());
        let calendar = CronCalendar::new(&config.alerts.remind, config.probes()).map_err(Failure::usage)?;
        let machine = Machine::new(settings(&config), ledger);
        Ok(Self { config, calendar, machine, problems: problems.into_iter().collect(), known })
    }

    /// Returns those that can't be told now.
    fn look_at_files(&mut self, salt: &Salt, home: &Path) -> Vec<String> {
        let query = |file: &crate::core::FileTrack| {
            let keys = file.keys.iter().filter_map(|name| self.machine.key(name));
            FileQuery { path: file.path.to_path_buf(), variables: order::each_once(keys.map(|key| key.spec.variable.to_string())) }
        };
        let queries: Vec<FileQuery> = self.machine.files().map(query).collect();
        let mut busy = Vec::new();
        for query in queries {
            let report = read(&query, salt, home.as_os_str().as_bytes());
            if report.body == FileBody::Busy {
                busy.push(query.path.display().to_string());
            } else {
                self.machine.believe(clock::now(), &report, &self.calendar);
            }
        }
        busy
    }

    fn look_at_consumers(&mut self, salt: &Salt) -> io::Result<()> {
        let variable = |key: &Key| KeyVariable {
            name: key.spec.name.clone(),
            variable: key.spec.variable.to_string(),
            env_file: key.spec.env_file.to_path_buf(),
        };
        let keys: Vec<_> = self.machine.keys().map(variable).collect();
        let found = RefCell::new(Vec::new());
        let result = inspect_with(salt, &keys, self.config.consumers.clone(), &|answer| {
            if let Answer::Consumer { name, report } = answer {
                found.borrow_mut().push((name.clone(), report.clone()));
            }
        });
        for (name, report) in found.into_inner() {
            self.machine.believe_of(&name, report);
        }
        result
    }

    fn viewpoint<'a>(&'a self, home: &'a Path) -> Viewpoint<'a> {
        Viewpoint { now: clock::now(), calendar: &self.calendar, config: &self.config, home, daemon: None, problems: self.problems.clone() }
    }
}
