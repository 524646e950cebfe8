//! `restart = "compose"`: a service of docker compose.
//!
//! A container's environment is fixed when it is made, so a new key takes a new container: `docker compose up -d
//! --force-recreate --no-deps SERVICE`, in the environment of which `${AWS_BEARER_TOKEN_BEDROCK}` of the compose
//! file is filled in. Whether the file passes the variable on is asked before anything is touched.

mod container;
mod docker;
mod restart;
mod service;

use super::environment::Environ;
use super::inspect::Query;
use super::lookup::Lookup;
use super::sys;
use crate::core::order;
use crate::core::{ProcessReport, RunBy};
use crate::salt::Salt;
use docker::{Container, Docker, Refusal};

pub(super) use restart::restart;
pub(super) use service::Service;

/// Looks at the containers of a configured service. The error says why that can't be done.
pub(super) fn inspect(query: &Query<'_>, salt: &Salt) -> Result<Vec<ProcessReport>, String> {
    let service = Service::configured(query.config).ok_or("compose_file isn't set")?;
    let environ = Environ::own();
    let containers = match Docker::find(&environ).and_then(|docker| service.containers(&docker, &environ)) {
        // Nobody needs be told again and again: without the engine there are none.
        Err(Refusal::EngineDown) => Vec::new(),
        found => found.map_err(|why| why.to_string())?,
    };
    Ok(containers.iter().map(|container| report(container, &service, query, salt)).collect())
}

/// Looks at a consumer's processes that run in containers of compose's; nothing of others.
pub(super) fn inspect_contained(query: &Query<'_>, lookup: &mut Lookup, salt: &Salt) -> Vec<ProcessReport> {
    let found = containers_of(lookup, &query.config.matches);
    found.iter().map(|(container, service)| report(container, service, query, salt)).collect()
}

/// The services whose containers run a consumer's processes, each once.
pub(super) fn services_of(words: &[String]) -> Vec<Service> {
    let mut services: Vec<Service> = containers_of(&mut Lookup::new([words]), words).into_iter().map(|(_, service)| service).collect();
    services.dedup();
    services
}

fn containers_of(lookup: &mut Lookup, words: &[String]) -> Vec<(Container, Service)> {
    let ids = order::each_once(lookup.contained(words).unwrap_or_default().iter().filter_map(sys::container_of));
    if ids.is_empty() {
        return Vec::new();
    }
    let environ = Environ::own();
    let described = Docker::find(&environ).and_then(|docker| docker.inspect(&ids, &environ));
    // Containers of another engine, or of no compose file, are nobody's business.
    let described = described.unwrap_or_default().into_iter();
    described.filter_map(|container| Service::of(&container).map(|service| (container, service))).collect()
}

fn report(container: &Container, service: &Service, query: &Query<'_>, salt: &Salt) -> ProcessReport {
    let environ = container.environ();
    let process = container.process();
    let held = environ.by_name();
    let fingerprint = |variable: &str| held.get(variable.as_bytes()).map(|value| salt.fingerprint(value));
    ProcessReport {
        pid: process.as_ref().map_or(0, sys::Held::pid),
        start_ticks: process.as_ref().map_or_else(|| container.state.started_at.as_second().unsigned_abs(), sys::Held::start_ticks),
        started_at: container.state.started_at,
        keys: order::gathered(query.keys.iter().map(|key| (key.name.clone(), fingerprint(&key.variable)))),
        run_by: RunBy::Compose { service: service.name.clone() },
        regions: Vec::new(),
    }
}
