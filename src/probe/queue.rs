//! Many keys: those of one endpoint one after another, several endpoints side by side.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::combine::combine;
use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use super::talker::Talker;
use super::{form, patience};
use crate::clock;
use crate::consumers::{self, Provers};
use crate::core::{ProbeReport, ProbeVerdict};
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::{Answer, ProbeOrder};

/// Endpoints that are asked at the same time.
const SIDE_BY_SIDE: usize = 4;

/// How often a key that waits for its next try is looked at in its file.
const LOOK: Duration = Duration::from_secs(1);

/// Asks after keys; each gives one [`Answer::Probed`], as soon as it is clear. The error is of the salt.
pub fn probe(state_dir: &Path, provers: Provers, probes: Vec<ProbeOrder>, answer: &(dyn Fn(&Answer) + Sync)) -> io::Result<()> {
    let salt = Salt::load(state_dir)?;
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let job = Job { salt, home, provers, answer };
    let queues = job.queues(probes);
    let lanes = queues.len().min(SIDE_BY_SIDE);
    let queues = Mutex::new(queues);
    let next = || queues.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(queue) = next() {
                    job.work_through(queue);
                }
            });
        }
    });
    Ok(())
}

/// What is the same for all keys.
struct Job<'a> {
    salt: Salt,
    home: PathBuf,
    provers: Provers,
    answer: &'a (dyn Fn(&Answer) + Sync),
}

/// Keys of one endpoint.
struct Queue {
    endpoint: Endpoint,
    orders: Vec<ProbeOrder>,
}

impl Job<'_> {
    /// Sorts orders by endpoint; those that can't be asked anywhere are answered at once.
    fn queues(&self, orders: Vec<ProbeOrder>) -> VecDeque<Queue> {
        let environment = |name: &str| std::env::var(name).ok();
        let mut queues: VecDeque<Queue> = VecDeque::new();
        for order in orders {
            let Some(value) = self.value(&order) else { continue };
            if let Some(flaw) = form::flaw(value.expose()) {
                let detail = format!("{flaw}: correct {} in {}", order.key.variable, order.key.env_file.display());
                self.tell(&order, ProbeReport { verdict: ProbeVerdict::Rejected, detail, consumers: Vec::new() });
                continue;
            }
            drop(value);
            let chosen = Endpoint::choose(order.endpoint.as_deref(), &order.region, environment)
                .map_err(|why| Finding::new(ProbeVerdict::Unknown, Retry::Useless, why));
            let endpoint = match chosen {
                Ok(endpoint) => endpoint,
                Err(finding) => {
                    self.conclude(&order, finding);
                    continue;
                }
            };
            if let Some(queue) = queues.iter_mut().find(|queue| queue.endpoint == endpoint) {
                queue.orders.push(order);
                continue;
            }
            queues.push_back(Queue { endpoint, orders: vec![order] });
        }
        queues
    }

    /// Rounds of asking after each key that is still open, with growing pauses in between.
    fn work_through(&self, queue: Queue) {
        let Queue { endpoint, mut orders } = queue;
        let mut talker = Talker::to(&endpoint);
        let start = clock::monotonic();
        let elapsed = || clock::monotonic().saturating_duration_since(start);
        for tries in 1.. {
            // Nobody there for one key is nobody there for the next.
            let mut down: Option<Finding> = None;
            let mut wait = Duration::ZERO;
            orders.retain(|order| {
                let Some(key) = self.value(order) else { return false };
                let finding = down.clone().unwrap_or_else(|| {
                    let most = if tries == 1 { patience::FRESH } else { patience::FRESH.saturating_sub(elapsed()) };
                    talker.ask(&key, most.max(LOOK))
                });
                drop(key);
                if finding.retry == Retry::Endpoint {
                    down = Some(finding.clone());
                }
                match patience::pause(order.manner, tries, elapsed(), &finding) {
                    Some(pause) => wait = wait.max(pause),
                    None => {
                        self.conclude(order, finding);
                        return false;
                    }
                }
                true
            });
            while !orders.is_empty() && !wait.is_zero() {
                thread::sleep(LOOK);
                wait = wait.saturating_sub(LOOK);
                orders.retain(|order| self.value(order).is_some());
            }
            if orders.is_empty() {
                return;
            }
        }
    }

    /// The key, if its file still has the value ordered; says so where it hasn't.
    fn value(&self, order: &ProbeOrder) -> Option<Secret> {
        let value = consumers::environment::value(&order.key, &self.salt, &self.home).ok();
        if value.is_none() {
            self.send(order, None);
        }
        value
    }

    /// Asks the consumers where that is wanted, and tells what everything came to.
    fn conclude(&self, order: &ProbeOrder, direct: Finding) {
        let asks = order.manner.asks_consumers(!direct.verdict.is_good());
        let said = if asks { self.provers.ask(&order.key, &self.salt) } else { Vec::new() };
        self.tell(order, combine(direct, said));
    }

    fn tell(&self, order: &ProbeOrder, report: ProbeReport) {
        self.send(order, Some(report));
    }

    fn send(&self, order: &ProbeOrder, report: Option<ProbeReport>) {
        let (key, fingerprint) = (order.key.name.clone(), order.key.fingerprint);
        (self.answer)(&Answer::Probed { key, fingerprint, report });
    }
}
