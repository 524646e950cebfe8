//! The user's cron jobs, held by tokio-cron-scheduler and driven by the daemon's own timer.
//!
//! The scheduler's own loop (`start()`) wakes up twice a second, so it is never started: jobs are
//! added to it, their next times are read from its store, and a due job is activated through its
//! context, all public interface. Times are computed anew from the wall clock after each run and each
//! change of the clock, so that neither a suspend nor daylight saving time moves them (the scheduler
//! freezes the offset when a job is made: its issue 107).

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use uuid::Uuid;

use crate::cron;

/// Jobs on cron expressions. One expression is one job, however many want it.
pub struct Schedule {
    scheduler: JobScheduler,
    next: HashMap<Uuid, Timestamp>,
}

/// Enough for the few messages of activating a job; the scheduler's default of 200 costs 200 KB.
const CHANNEL: usize = 8;

impl Schedule {
    /// An empty schedule.
    pub async fn new() -> Result<Self, JobSchedulerError> {
        let mut scheduler = JobScheduler::new_with_channel_size(CHANNEL).await?;
        scheduler.init().await?;
        Ok(Self { scheduler, next: HashMap::new() })
    }

    /// Runs `job` at each time of `expression`, in local time.
    pub async fn add(
        &mut self,
        expression: &str,
        now: Timestamp,
        job: impl Fn() + Send + Sync + 'static,
    ) -> Result<Uuid, JobSchedulerError> {
        let job = Job::new_async_tz(expression, chrono::Local, move |_, _| {
            job();
            Box::pin(std::future::ready(()))
        })?;
        let id = self.scheduler.add(job).await?;
        self.compute(id, None, now).await?;
        Ok(id)
    }

    /// Takes a job out.
    pub async fn remove(&mut self, id: Uuid) -> Result<(), JobSchedulerError> {
        self.next.remove(&id);
        self.scheduler.remove(&id).await
    }

    /// When the next job is.
    pub fn next(&self) -> Option<Timestamp> {
        self.next.values().min().copied()
    }

    /// Activates the jobs that are due; one that was missed several times runs once.
    pub async fn run_due(&mut self, now: Timestamp) -> Result<(), JobSchedulerError> {
        let due: Vec<Uuid> = self.next.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            // Nobody listens only when the scheduler is being dropped.
            let _ = self.scheduler.context().job_activation_tx.send(id);
            self.compute(id, Some(now), now).await?;
        }
        Ok(())
    }

    /// The clock was set, or the time zone may have changed.
    pub async fn recompute(&mut self, now: Timestamp) -> Result<(), JobSchedulerError> {
        for id in self.next.keys().copied().collect::<Vec<_>>() {
            self.compute(id, None, now).await?;
        }
        Ok(())
    }

    async fn compute(&mut self, id: Uuid, ran_at: Option<Timestamp>, now: Timestamp) -> Result<(), JobSchedulerError> {
        let context = self.scheduler.context();
        let mut store = context.metadata_storage.write().await;
        let next = store.get(id).await?.and_then(|job| job.schedule()).and_then(|cron| cron::next_after(&cron, now));
        store.set_next_and_last_tick(id, next.and_then(utc), ran_at.and_then(utc)).await?;
        match next {
            Some(at) => self.next.insert(id, at),
            None => self.next.remove(&id),
        };
        Ok(())
    }
}

fn utc(time: Timestamp) -> Option<chrono::DateTime<chrono::Utc>> {
    chrono::DateTime::from_timestamp(time.as_second(), 0)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use tokio::sync::mpsc;

    use super::*;
    use crate::clock;

    #[tokio::test(flavor = "current_thread")]
    async fn a_due_job_runs_once_and_comes_again() {
        let (ran, mut runs) = mpsc::unbounded_channel();
        let mut schedule = Schedule::new().await.unwrap();
        let start = clock::now();
        let id = schedule.add("*/10 * * * * *", start, move || ran.send(()).unwrap()).await.unwrap();
        let first = schedule.next().unwrap();
        assert!(first > start && first <= start + SignedDuration::from_secs(10));
        schedule.run_due(start).await.unwrap();
        assert_eq!(schedule.next(), Some(first), "not due yet");
        let late = first + SignedDuration::from_secs(3600);
        schedule.run_due(late).await.unwrap();
        runs.recv().await.unwrap();
        assert!(runs.try_recv().is_err(), "missed 361 times, run once");
        let second = schedule.next().unwrap();
        assert!(second > late && second <= late + SignedDuration::from_secs(10));
        schedule.recompute(start).await.unwrap();
        assert_eq!(schedule.next(), Some(first), "the clock was set back");
        schedule.remove(id).await.unwrap();
        assert_eq!(schedule.next(), None);
    }
}
