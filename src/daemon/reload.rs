//! Takes up an edited configuration, or keeps the one before.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::configured::Configured;
use super::run::Daemon;
use super::schedule::Schedule;
use crate::clock;
use crate::config::Config;
use crate::core::Event;
use crate::core::order;
use crate::cron::CronCalendar;
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
        let gone = self.config_is_gone();
        let missing_since = settling.missing_since.unwrap_or(now).min(now);
        if gone && missing_since + HOLD > now {
            self.config_settling = Some(Settling { until: missing_since + HOLD, missing_since: Some(missing_since) });
            return Ok(());
        }
        self.config_settling = None;
        self.reload("its file changed").await
    }

    fn config_is_gone(&self) -> bool {
        std::fs::metadata(&self.options.paths.config).map_or(true, |found| found.len() == 0)
    }

    /// The user asks for it: at once, unless the file is just being replaced.
    pub(super) async fn reload_now(&mut self) -> anyhow::Result<()> {
        if self.config_is_gone() {
            self.config_stirred(clock::now());
            return Ok(());
        }
        self.reload("SIGHUP").await
    }

    async fn reload(&mut self, why: &str) -> anyhow::Result<()> {
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
        if config == **self.config {
            if mended {
                self.tell("config-read", "the configuration is right again".into());
            } else {
                tracing::info!("the configuration is as it was ({why})");
            }
            return Ok(());
        }
        let now = clock::now();
        self.calendar = calendar(&config)?;
        hold_jobs(&mut self.jobs, &mut self.schedule, &config, now, self.workers.events()).await?;
        self.watcher.set_paths(watched(&config, &paths.config));
        self.config = Rc::new(Configured::new(config));
        self.tell("config-read", format!("the configuration was read anew ({why})"));
        self.step(Event::Reconfigured(settings(&self.config)));
        Ok(())
    }
}

/// The files of `config`, and its own.
pub(super) fn watched(config: &Config, own: &Path) -> Vec<Arc<Path>> {
    config.keys.iter().map(|key| key.env_file.clone()).chain([own.into()]).collect()
}

/// The cron expressions as the core asks them.
pub(super) fn calendar(config: &Config) -> anyhow::Result<CronCalendar> {
    CronCalendar::new(&config.alerts.remind, config.probes()).map_err(anyhow::Error::msg)
}

/// Has one job on each cron expression of the configuration, whatever wants it. What is due is the core's
/// to say, so a job that runs late, twice or not at all loses nothing: it only has the core look at the time.
pub(super) async fn hold_jobs(
    jobs: &mut BTreeMap<String, Uuid>,
    schedule: &mut Schedule,
    config: &Config,
    now: Timestamp,
    events: &UnboundedSender<Event>,
) -> anyhow::Result<()> {
    let wanted = order::each_once(config.probes().map(|(_, expression)| expression).chain([&*config.alerts.remind]));
    for (_, job) in jobs.extract_if(.., |expression, _| !wanted.contains(&expression.as_str())) {
        schedule.remove(job).await?;
    }
    for expression in wanted {
        if !jobs.contains_key(expression) {
            let events = events.clone();
            let tick = move || {
                let _ = events.send(Event::Tick);
            };
            jobs.insert(expression.to_owned(), schedule.add(expression, now, tick).await?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[tokio::test(flavor = "current_thread")]
    async fn one_job_for_each_expression() {
        let (events, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let mut schedule = Schedule::new().await.unwrap();
        let mut jobs = BTreeMap::new();
        let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
        let now = clock::now();
        for name in ["second", "third"] {
            config.keys.push(crate::config::KeyConfig { name: name.into(), ..config.keys[0].clone() });
        }
        hold_jobs(&mut jobs, &mut schedule, &config, now, &events).await.unwrap();
        let before = jobs.clone();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["0 0 */6 * * *", "0 0 10 * * *"]);
        config.keys[1].probe = Some("0 30 * * * *".into());
        config.alerts.remind = "0 0 9 * * *".into();
        hold_jobs(&mut jobs, &mut schedule, &config, now, &events).await.unwrap();
        assert_eq!(jobs.keys().collect::<Vec<_>>(), ["0 0 */6 * * *", "0 0 9 * * *", "0 30 * * * *"]);
        assert_eq!(jobs["0 0 */6 * * *"], before["0 0 */6 * * *"], "what stays is left alone");
        config.keys.clear();
        config.alerts.remind = "0 0 0 29 2 *".into();
        hold_jobs(&mut jobs, &mut schedule, &config, now, &events).await.unwrap();
        assert_eq!(jobs.len(), 1);
    }
}
