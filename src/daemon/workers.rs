//! Runs workers: short-lived children that do all work with secrets (see [`crate::worker`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::core::{ApplyReport, ConsumerName, Event, Fingerprint, KeyName, ProbeReport, ProbeVerdict};
use crate::desktop::NOT_FOR_CHILDREN;
use crate::worker::job::{Answer, ApplyOrder, ConsumerQuery, FileQuery, Job, ProbeOrder};

/// A look takes milliseconds; one that takes this long hangs on a dead network file system.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// What a worker that asks is given for each key: a minute of tries, then consumers that take their time.
const PROBE_LIMIT: Duration = Duration::from_mins(4);

/// What a worker that restarts a consumer is given beyond the consumer's own time limits.
const APPLY_LIMIT: Duration = Duration::from_mins(10);

/// Starts workers and turns their answers into events.
pub struct Workers {
    events: UnboundedSender<Event>,
    state_dir: PathBuf,
}

impl Workers {
    /// Workers of the installation with this state directory.
    pub fn new(state_dir: &Path, events: UnboundedSender<Event>) -> Self {
        Self { events, state_dir: state_dir.into() }
    }

    /// Where events are sent.
    pub fn events(&self) -> &UnboundedSender<Event> {
        &self.events
    }

    /// Has files read; each gives [`Event::FileRead`], or together [`Event::ReadFailed`].
    pub fn read(&self, files: Vec<FileQuery>) {
        let events = self.events.clone();
        let mut open: BTreeSet<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let job = Job::Read { state_dir: self.state_dir.clone(), files };
        tokio::spawn(async move {
            let done = tokio::time::timeout(LOOK_LIMIT, async {
                each_answer(&job, true, |answer| {
                    if let Answer::File(report) = answer {
                        open.remove(&report.path);
                        let _ = events.send(Event::FileRead(report));
                    }
                })
                .await
            });
            let outcome = done.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            if !open.is_empty() {
                tracing::warn!(error = outcome.err().map(tracing::field::display), "env files could not be read; trying again");
                let _ = events.send(Event::ReadFailed(open.into_iter().collect()));
            }
        });
    }

    /// Has consumers looked at; each gives [`Event::Inspected`].
    pub fn inspect(&self, consumers: Vec<ConsumerQuery>) {
        let events = self.events.clone();
        let mut open: BTreeSet<ConsumerName> = consumers.iter().map(|query| query.config.name.clone()).collect();
        let job = Job::Inspect { state_dir: self.state_dir.clone(), consumers };
        tokio::spawn(async move {
            let done = tokio::time::timeout(LOOK_LIMIT, async {
                each_answer(&job, true, |answer| {
                    if let Answer::Consumer { name, report } = answer {
                        open.remove(&name);
                        let _ = events.send(Event::Inspected(name, Some(report)));
                    }
                })
                .await
            });
            let outcome = done.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            for name in open {
                tracing::warn!(consumer = %name, error = outcome.as_ref().err().map(tracing::field::display), "could not be looked at");
                let _ = events.send(Event::Inspected(name, None));
            }
        });
    }

    /// Has keys asked after; each gives [`Event::Probed`].
    pub fn probe(&self, probes: Vec<ProbeOrder>) {
        let events = self.events.clone();
        let mut open: BTreeMap<KeyName, Fingerprint> = probes.iter().map(|order| (order.key.name.clone(), order.key.fingerprint)).collect();
        let patience = PROBE_LIMIT * u32::try_from(probes.len()).unwrap_or(u32::MAX);
        let job = Job::Probe { state_dir: self.state_dir.clone(), probes };
        tokio::spawn(async move {
            let done = tokio::time::timeout(patience, async {
                each_answer(&job, true, |answer| {
                    if let Answer::Probed { key, fingerprint, report } = answer {
                        open.remove(&key);
                        let _ = events.send(Event::Probed(key, fingerprint, report));
                    }
                })
                .await
            });
            let outcome = done.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            for (key, fingerprint) in open {
                let why = outcome.as_ref().err().map_or_else(|| "it said nothing".into(), ToString::to_string);
                tracing::warn!(%key, error = why, "could not be asked after");
                let detail = format!("credd could not ask: {why}");
                let report = ProbeReport { verdict: ProbeVerdict::Unknown, detail, consumers: Vec::new() };
                let _ = events.send(Event::Probed(key, fingerprint, Some(report)));
            }
        });
    }

    /// Has a consumer take up keys; ends in [`Event::Applied`]. The worker goes on should the daemon
    /// end: it may have stopped a process that it is about to start again.
    pub fn apply(&self, order: ApplyOrder) {
        let name = order.consumer.name.clone();
        // There and back again, for several processes; past that the world is looked at instead.
        let patience = APPLY_LIMIT + 4 * (order.consumer.stop_timeout + order.consumer.ready_timeout);
        self.follow(name, Job::Apply(Box::new(order)), patience);
    }

    /// Waits for the worker of an earlier daemon; ends in [`Event::Applied`].
    pub fn await_apply(&self, name: ConsumerName) {
        let job = Job::AwaitApply { state_dir: self.state_dir.clone(), consumer: name.clone() };
        self.follow(name, job, 2 * APPLY_LIMIT);
    }

    fn follow(&self, name: ConsumerName, job: Job, patience: Duration) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let mut end: Option<ApplyReport> = None;
            let work = each_answer(&job, false, |answer| match answer {
                Answer::Progress { phase } => {
                    let _ = events.send(Event::ApplyProgress(name.clone(), phase));
                }
                Answer::Applied(report) => end = Some(report),
                _ => {}
            });
            let outcome = tokio::time::timeout(patience, work).await;
            if let Err(error) = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                tracing::warn!(consumer = %name, %error, "the worker ended early");
            }
            let _ = events.send(Event::Applied(name, end));
        });
    }
}

/// Runs one worker to its end.
async fn each_answer(job: &Job, kill_on_drop: bool, mut take: impl FnMut(Answer)) -> io::Result<()> {
    let mut child = spawn(kill_on_drop)?;
    let input = serde_json::to_vec(job)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&input).await?;
    }
    let Some(stdout) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line) {
            Ok(answer) => take(answer),
            Err(error) => tracing::warn!(%error, "a worker said something that isn't an answer"),
        }
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the worker ended with {status}"))) }
}

fn spawn(kill_on_drop: bool) -> io::Result<Child> {
    let mut command = Command::new(own_program()?);
    for name in NOT_FOR_CHILDREN {
        // A command of the user's, which a worker may run, gets the worker's environment.
        command.env_remove(name);
    }
    command
        .arg0("credd")
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // Ctrl-C in a terminal is for the daemon.
        .process_group(0)
        .kill_on_drop(kill_on_drop)
        .spawn()
}

/// The program that runs now, even if its file was replaced since by an upgrade: what the daemon and
/// its workers say to each other must fit.
fn own_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}
