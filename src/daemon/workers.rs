//! Runs workers: short-lived children that do all work with secrets (see [`crate::worker`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::config::ConsumerConfig;
use crate::core::{ApplyReport, ConsumerName, Event, Fingerprint, IamReport, KeyName, ProbeReport, ProbeVerdict, RenewalPlan, Trouble};
use crate::desktop::NOT_FOR_CHILDREN;
use crate::worker::job::{
    Answer, ApplyOrder, FileQuery, IamOrder, Job, KeyVariable, MintOrder, ProbeOrder, RenewOrder, RetireOrder, SettleOrder,
};

/// A look takes milliseconds; one that takes this long hangs on a dead network file system.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// What a worker that asks is given for each key: a minute of tries, then consumers that take their time.
const PROBE_LIMIT: Duration = Duration::from_mins(4);

/// What a worker that asks IAM is given for each key: a few calls of the AWS CLI, a minute each at most.
const AWS_LIMIT: Duration = Duration::from_mins(5);

/// What a worker that makes, settles, retires or mints a key is given, another before it included.
const RENEW_LIMIT: Duration = Duration::from_mins(15);

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

    /// Has consumers looked at, for those of the keys that each uses; each gives [`Event::Inspected`].
    pub fn inspect(&self, keys: Vec<KeyVariable>, consumers: Vec<ConsumerConfig>) {
        let events = self.events.clone();
        let mut open: BTreeSet<ConsumerName> = consumers.iter().map(|consumer| consumer.name.clone()).collect();
        let job = Job::Inspect { state_dir: self.state_dir.clone(), keys, consumers };
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

    /// Has keys asked after, and of these consumers those that hold them; each gives [`Event::Probed`].
    pub fn probe(&self, consumers: Vec<ConsumerConfig>, probes: Vec<ProbeOrder>) {
        let events = self.events.clone();
        let mut open: BTreeMap<KeyName, Fingerprint> = probes.iter().map(|order| (order.key.name.clone(), order.key.fingerprint)).collect();
        let patience = PROBE_LIMIT * u32::try_from(probes.len()).unwrap_or(u32::MAX);
        let job = Job::Probe { state_dir: self.state_dir.clone(), consumers, probes };
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

    /// Has IAM asked about keys; each gives [`Event::IamSaid`].
    pub fn ask_iam(&self, orders: Vec<IamOrder>) {
        let events = self.events.clone();
        let mut open: BTreeMap<KeyName, Fingerprint> = orders.iter().map(|order| (order.key.name.clone(), order.key.fingerprint)).collect();
        let patience = AWS_LIMIT * u32::try_from(orders.len()).unwrap_or(u32::MAX);
        let job = Job::AskIam { state_dir: self.state_dir.clone(), orders };
        tokio::spawn(async move {
            let work = each_answer(&job, true, |answer| {
                if let Answer::IamSaid { key, fingerprint, report } = answer {
                    open.remove(&key);
                    let _ = events.send(Event::IamSaid(key, fingerprint, report));
                }
            });
            let outcome = tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            for (key, fingerprint) in open {
                let why = outcome.as_ref().err().map_or_else(|| "it said nothing".into(), ToString::to_string);
                let trouble =
                    Trouble { detail: format!("credd could not ask IAM: {why}"), fix: "see the log of credd".into(), sign_in: false };
                let _ = events.send(Event::IamSaid(key, fingerprint, Some(IamReport::Trouble(trouble))));
            }
        });
    }

    /// Has the next key made; ends in [`Event::RenewalEnded`]. What the worker is to be told while it waits comes
    /// from `leave`; should that end, or the daemon, the worker undoes what it did.
    pub fn renew(&self, order: RenewOrder, mut leave: UnboundedReceiver<()>) {
        let events = self.events.clone();
        let name = order.key.name.clone();
        let job = Job::Renew(Box::new(order));
        tokio::spawn(async move {
            let mut end = None;
            let work = converse(&job, &mut leave, |answer| match answer {
                Answer::RenewalBegins { user, old, known } => {
                    let _ = events.send(Event::RenewalBegins(name.clone(), RenewalPlan { user, old, known }));
                }
                Answer::RenewalMade(made) => {
                    let _ = events.send(Event::RenewalMade(name.clone(), made));
                }
                Answer::RenewalEnded(report) => end = Some(report),
                _ => {}
            });
            let outcome = tokio::time::timeout(RENEW_LIMIT, work).await;
            warn_of(&name, outcome);
            let _ = events.send(Event::RenewalEnded(name, end));
        });
    }

    /// Has a renewal settled that ended unseen; ends in [`Event::RenewalEnded`].
    pub fn settle(&self, order: SettleOrder) {
        let name = order.key.name.clone();
        self.one_answer(Job::SettleRenewal(Box::new(order)), name, |name, answer| {
            let report = match answer {
                Some(Answer::RenewalEnded(report)) => Some(report),
                _ => None,
            };
            Event::RenewalEnded(name, report)
        });
    }

    /// Has a step of retiring a credential taken; ends in [`Event::Retired`].
    pub fn retire(&self, name: KeyName, order: RetireOrder) {
        let id = order.id.clone();
        self.one_answer(Job::Retire(Box::new(order)), name, |name, answer| {
            let report = match answer {
                Some(Answer::Retired(report)) => Some(report),
                _ => None,
            };
            Event::Retired(name, id, report)
        });
    }

    /// Has a short-term key minted; ends in [`Event::Minted`].
    pub fn mint(&self, order: MintOrder) {
        let name = order.key.name.clone();
        self.one_answer(Job::Mint(Box::new(order)), name, |name, answer| {
            let report = match answer {
                Some(Answer::Minted(report)) => Some(report),
                _ => None,
            };
            Event::Minted(name, report)
        });
    }

    /// Runs a worker that has one thing to say in the end; it goes on should the daemon end.
    fn one_answer(&self, job: Job, name: KeyName, event: impl FnOnce(KeyName, Option<Answer>) -> Event + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let mut last = None;
            let outcome = tokio::time::timeout(RENEW_LIMIT, each_answer(&job, false, |answer| last = Some(answer))).await;
            warn_of(&name, outcome);
            let _ = events.send(event(name, last));
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

fn warn_of(name: &KeyName, outcome: Result<io::Result<()>, tokio::time::error::Elapsed>) {
    if let Err(error) = outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        tracing::warn!(key = %name, %error, "the worker ended early");
    }
}

/// Runs one worker to its end.
async fn each_answer(job: &Job, kill_on_drop: bool, take: impl FnMut(Answer)) -> io::Result<()> {
    let mut child = spawn(kill_on_drop)?;
    give(&mut child, job).await?;
    drop(child.stdin.take());
    follow(child, take).await
}

/// The same with a worker that waits for leave now and then.
async fn converse(job: &Job, leave: &mut UnboundedReceiver<()>, take: impl FnMut(Answer)) -> io::Result<()> {
    let mut child = spawn(false)?;
    give(&mut child, job).await?;
    let stdin = child.stdin.take();
    let pass_on = async move {
        let Some(mut stdin) = stdin else { return };
        while leave.recv().await.is_some() {
            if stdin.write_all(b"\n").await.is_err() {
                break;
            }
        }
    };
    // The worker's end ends the rest.
    let followed = follow(child, take);
    tokio::pin!(pass_on, followed);
    tokio::select! {
        done = &mut followed => done,
        () = &mut pass_on => followed.await,
    }
}

async fn give(child: &mut Child, job: &Job) -> io::Result<()> {
    let input = serde_json::to_vec(job)?;
    // A job names no secret, but every key and file: what it is tells enough.
    tracing::debug!(job = job.name(), bytes = input.len(), "a worker has started");
    match &mut child.stdin {
        Some(stdin) => stdin.write_all(&input).await,
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

async fn follow(mut child: Child, mut take: impl FnMut(Answer)) -> io::Result<()> {
    let Some(stdout) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_slice(line.as_bytes()) {
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
