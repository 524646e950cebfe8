//! Tells when a consumer's process ends, without asking again and again.

use std::collections::HashMap;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::core::{ConsumerName, ConsumerReport, Event};
use crate::task;

/// A process: its id and when it started, which together name it for good.
type Identity = (i32, u64);

/// Watches the processes of all consumers.
pub struct ProcessWatch {
    events: UnboundedSender<Event>,
    watched: HashMap<ConsumerName, HashMap<Identity, JoinHandle<()>>>,
}

impl ProcessWatch {
    /// Nothing watched yet; ends are sent to `events`.
    pub fn new(events: UnboundedSender<Event>) -> Self {
        Self { events, watched: HashMap::new() }
    }

    /// From now on the processes of this report are watched for `consumer`, and no others.
    pub fn set(&mut self, consumer: &ConsumerName, report: &ConsumerReport) {
        let watched = self.watched.entry(consumer.clone()).or_default();
        // A container in a virtual machine has no process here.
        let here = report.processes.iter().filter(|process| process.pid > 0);
        let now: Vec<Identity> = here.map(|process| (process.pid, process.start_ticks)).collect();
        watched.retain(|identity, task| {
            let keep = now.contains(identity) && !task.is_finished();
            if !keep {
                task.abort();
            }
            keep
        });
        for identity in now {
            watched.entry(identity).or_insert_with(|| {
                let (events, consumer) = (self.events.clone(), consumer.clone());
                task::spawn(async move {
                    if ended(identity).await.is_ok() {
                        // The daemon is ending if nobody listens.
                        let _ = events.send(Event::ConsumerGone(consumer));
                    }
                })
            });
        }
    }
}

/// Comes back when the process has ended; an error if that can't be watched.
#[cfg(target_os = "linux")]
async fn ended((pid, _): Identity) -> std::io::Result<()> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    // Should the process have ended since it was looked at, and its id be in use again, then that
    // one's end leads to a look, which does no harm.
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(fd) => {
            let end = tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(fd)?;
            end.readable().await
        }
        Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Comes back when the process has ended. kqueue could tell, but tokio doesn't offer that filter.
#[cfg(not(target_os = "linux"))]
async fn ended((pid, _): Identity) -> std::io::Result<()> {
    use rustix::process::{Pid, test_kill_process};

    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    while test_kill_process(pid).is_ok() {
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    }
    Ok(())
}
