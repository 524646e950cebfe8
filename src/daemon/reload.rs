//! Takes up an edited configuration, or keeps the one before.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::run::Daemon;
use super::schedule::Schedule;
use crate::clock;
use crate::config::Config;
use crate::core::Event;
use crate::cron::{self, RemindCalendar};
use crate::view::settings;

/// How long the configuration file must have been left alone before it is read.
const QUIET: SignedDuration = SignedDuration::from_millis(250);
/// How long a file that is gone or empty is given: editors and dotfile managers replace it in steps,
/// and without it the defaults would be in force.
const HOLD: SignedDuration = SignedDuration::from_secs(5);

/// A change of the configuration file that waits to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    /// When it is read.
    pub until: Timestamp,
    /// Since when the file is gone or empty.
    missing_since: Option<Timestamp>,
}

impl Daemon {
    /// Something touched the configuration file.
    pub(super) fn config_stirred(&mut self, now: Timestamp) {
        let missing_since = self.config_settling.and_then(|settling| settling.missing_since);
        self.config_settling = Some(Settling { until: now + QUIET, missing_since });
    }

    /// Reads the configuration file, if it has been quiet since something touched it.
    pub(super) async fn reload_if_due(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let Some(settling) = self.config_settling.filter(|settling| settling.until <= now) else { return Ok(()) };
        let gone = std::fs::metadata(&self.options.paths.config).map_or(true, |found| found.len() == 0);
        let missing_since = settling.missing_since.unwrap_or(now).min(now);
        if gone && missing_since + HOLD > now {
            self.config_settling = Some(Settling { until: missing_since + HOLD, missing_since: Some(missing_since) });
            return Ok(());
        }
        self.config_settling = None;
        self.reload("its file changed").await
    }

    pub(super) async fn reload(&mut self, why: &str) -> anyhow::Result<()> {
        let paths = &self.options.paths;
        let config = match Config::load(&paths.config, paths.config_named, &self.surroundings) {
            Ok(config) => config,
            Err(error) => {
                // Where it is and what; `credd config --check` shows the line as well.
                let text = error.to_string().lines().next().unwrap_or_default().to_owned();
                if self.config_error.as_ref() != Some(&text) {
                    self.tell("config-invalid", format!("the configuration is wrong, the one before stays in force: {text}"));
                    self.config_error = Some(text);
                }
                return Ok(());
            }
        };
        let mended = self.config_error.take().is_some();
        if config == self.config {
            if mended {
                self.tell("config-read", "the configuration is right again".into());
            } else {
                tracing::info!("the configuration is as it was ({why})");
            }
            return Ok(());
        }
        let now = clock::now();
        if config.alerts.remind != self.config.alerts.remind {
            self.calendar = remind_calendar(&config)?;
            if let Some(job) = self.remind_job.take() {
                self.schedule.remove(job).await?;
            }
            self.remind_job = Some(add_remind_job(&mut self.schedule, &config, now, self.workers.events()).await?);
        }
        let mut files: Vec<PathBuf> = config.keys.iter().map(|key| key.env_file.clone()).collect();
        files.push(paths.config.clone());
        self.watcher.set_paths(files);
        self.config = config;
        self.tell("config-read", format!("the configuration was read anew ({why})"));
        self.step(Event::Reconfigured(settings(&self.config)));
        Ok(())
    }
}

/// The `remind` cron as the core asks it.
pub(super) fn remind_calendar(config: &Config) -> anyhow::Result<RemindCalendar> {
    Ok(RemindCalendar(cron::parse(&config.alerts.remind).map_err(anyhow::Error::msg)?))
}

/// The job on the `remind` cron. What is due is the core's to say, so a job that runs late, twice or
/// not at all loses nothing: it only has the core look at the time.
pub(super) async fn add_remind_job(
    schedule: &mut Schedule,
    config: &Config,
    now: Timestamp,
    events: &UnboundedSender<Event>,
) -> anyhow::Result<Uuid> {
    let events = events.clone();
    let tick = move || {
        let _ = events.send(Event::Tick);
    };
    Ok(schedule.add(&config.alerts.remind, now, tick).await?)
}
