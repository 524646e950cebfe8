//! Runs workers: short-lived children that do all work with secrets (see [`crate::worker`]).

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::config::ConsumerConfig;
use crate::core::{ConsumerName, Event, Fingerprint, IamReport, KeyName, ProbeReport, ProbeVerdict, RenewalPlan, Trouble};
use crate::desktop::NOT_FOR_CHILDREN;
use crate::task;
use crate::worker::job::{
    Answer, ApplyOrder, FileQuery, IamOrder, Job, KeyTarget, KeyVariable, MintOrder, ProbeOrder, RenewOrder, RetireOrder, SettleOrder,
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
    obstacle: Obstacle,
}

/// Why the last worker couldn't be started, if it couldn't.
type Obstacle = Arc<Mutex<Option<String>>>;

impl Workers {
    /// Workers of the installation with this state directory.
    pub fn new(state_dir: &Path, events: UnboundedSender<Event>) -> Self {
        Self { events, state_dir: state_dir.into(), obstacle: Obstacle::default() }
    }

    /// Why none can be started, as the last try had it.
    pub fn obstacle(&self) -> Option<String> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where events are sent.
    pub fn events(&self) -> &UnboundedSender<Event> {
        &self.events
    }

    /// Has files read; each gives [`Event::FileRead`], or together [`Event::ReadFailed`].
    pub fn read(&self, files: Vec<FileQuery>) {
        let mut open: VecDeque<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let job = Job::Read { state_dir: self.state_dir.clone(), files };
        self.run(job, Terms::bound_to_daemon(LOOK_LIMIT), move |said, events| match said {
            Said::Answer(Answer::File(report)) => {
                strike(&mut open, |path| *path == report.path);
                let _ = events.send(Event::FileRead(report));
            }
            Said::End(outcome) if !open.is_empty() => {
                tracing::warn!(error = outcome.err().map(tracing::field::display), "env files could not be read; trying again");
                let _ = events.send(Event::ReadFailed(std::mem::take(&mut open).into()));
            }
            _ => {}
        });
    }

    /// Has consumers looked at, for those of the keys that each uses; each gives [`Event::Inspected`].
    pub fn inspect(&self, keys: Vec<KeyVariable>, consumers: Vec<ConsumerConfig>) {
        let mut open: VecDeque<ConsumerName> = consumers.iter().map(|consumer| consumer.name.clone()).collect();
        let job = Job::Inspect { state_dir: self.state_dir.clone(), keys, consumers };
        self.run(job, Terms::bound_to_daemon(LOOK_LIMIT), move |said, events| match said {
            Said::Answer(Answer::Consumer { name, report }) => {
                strike(&mut open, |open| *open == name);
                let _ = events.send(Event::Inspected(name, Some(report)));
            }
            Said::Answer(_) => {}
            Said::End(outcome) => {
                for name in open.drain(..) {
                    tracing::warn!(consumer = %name, error = outcome.as_ref().err().map(tracing::field::display), "could not be looked at");
                    let _ = events.send(Event::Inspected(name, None));
                }
            }
        });
    }

    /// Has keys asked after, and of these consumers those that hold them; each gives [`Event::Probed`].
    pub fn probe(&self, consumers: Vec<ConsumerConfig>, probes: Vec<ProbeOrder>) {
        let mut open = targets(probes.iter().map(|order| &order.key));
        let terms = Terms::bound_to_daemon(each(PROBE_LIMIT, probes.len()));
        let job = Job::Probe { state_dir: self.state_dir.clone(), consumers, probes };
        self.run(job, terms, move |said, events| match said {
            Said::Answer(Answer::Probed { key, fingerprint, report }) => {
                strike(&mut open, |(open, _)| *open == key);
                let _ = events.send(Event::Probed(key, fingerprint, report));
            }
            Said::Answer(_) => {}
            Said::End(outcome) => {
                let why = why(outcome);
                for (key, fingerprint) in open.drain(..) {
                    tracing::warn!(%key, error = why, "could not be asked after");
                    let detail = format!("credd could not ask: {why}");
                    let report = ProbeReport { verdict: ProbeVerdict::Unknown, detail, consumers: Vec::new() };
                    let _ = events.send(Event::Probed(key, fingerprint, Some(report)));
                }
            }
        });
    }

    /// Has IAM asked about keys; each gives [`Event::IamSaid`].
    pub fn ask_iam(&self, orders: Vec<IamOrder>) {
        let mut open = targets(orders.iter().map(|order| &order.key));
        let terms = Terms::bound_to_daemon(each(AWS_LIMIT, orders.len()));
        let job = Job::AskIam { state_dir: self.state_dir.clone(), orders };
        self.run(job, terms, move |said, events| match said {
            Said::Answer(Answer::IamSaid { key, fingerprint, report }) => {
                strike(&mut open, |(open, _)| *open == key);
                let _ = events.send(Event::IamSaid(key, fingerprint, report));
            }
            Said::Answer(_) => {}
            Said::End(outcome) => {
                let why = why(outcome);
                for (key, fingerprint) in open.drain(..) {
                    let detail = format!("credd could not ask IAM: {why}");
                    let trouble = Trouble { detail, fix: "see the log of credd".into(), sign_in: false };
                    let _ = events.send(Event::IamSaid(key, fingerprint, Some(IamReport::Trouble(trouble))));
                }
            }
        });
    }

    /// Has the next key made; ends in [`Event::RenewalEnded`]. What the worker is to be told while it waits comes
    /// from `leave`; should that end, or the daemon, the worker undoes what it did.
    pub fn renew(&self, order: RenewOrder, leave: UnboundedReceiver<()>) {
        let name = order.key.name.clone();
        self.follow_renewal(Job::Renew(Box::new(order)), name, Terms { leave: Some(leave), ..Terms::going_on(RENEW_LIMIT) });
    }

    /// Has a renewal settled that ended unseen; ends in [`Event::RenewalEnded`].
    pub fn settle(&self, order: SettleOrder) {
        let name = order.key.name.clone();
        self.follow_renewal(Job::SettleRenewal(Box::new(order)), name, Terms::going_on(RENEW_LIMIT));
    }

    fn follow_renewal(&self, job: Job, name: KeyName, terms: Terms) {
        let mut end = None;
        self.run(job, terms, move |said, events| {
            let event = match said {
                Said::Answer(Answer::RenewalBegins { user, old, known }) => {
                    Event::RenewalBegins(name.clone(), RenewalPlan { user, old, known })
                }
                Said::Answer(Answer::RenewalMade(made)) => Event::RenewalMade(name.clone(), made),
                Said::Answer(Answer::RenewalEnded(report)) => {
                    end = Some(report);
                    return;
                }
                Said::Answer(_) => return,
                Said::End(outcome) => {
                    warn_of(&name, outcome);
                    Event::RenewalEnded(name.clone(), end.take())
                }
            };
            let _ = events.send(event);
        });
    }

    /// Has a step of retiring a credential taken; ends in [`Event::Retired`].
    pub fn retire(&self, name: KeyName, order: RetireOrder) {
        let id = order.id.clone();
        let mut end = None;
        self.run(Job::Retire(Box::new(order)), Terms::going_on(RENEW_LIMIT), move |said, events| match said {
            Said::Answer(Answer::Retired(report)) => end = Some(report),
            Said::Answer(_) => {}
            Said::End(outcome) => {
                warn_of(&name, outcome);
                let _ = events.send(Event::Retired(name.clone(), id.clone(), end.take()));
            }
        });
    }

    /// Has a short-term key minted; ends in [`Event::Minted`].
    pub fn mint(&self, order: MintOrder) {
        let name = order.key.name.clone();
        let mut end = None;
        self.run(Job::Mint(Box::new(order)), Terms::going_on(RENEW_LIMIT), move |said, events| match said {
            Said::Answer(Answer::Minted(report)) => end = Some(report),
            Said::Answer(_) => {}
            Said::End(outcome) => {
                warn_of(&name, outcome);
                let _ = events.send(Event::Minted(name.clone(), end.take()));
            }
        });
    }

    /// Has a consumer take up keys; ends in [`Event::Applied`]. The worker goes on should the daemon
    /// end: it may have stopped a process that it is about to start again.
    pub fn apply(&self, order: ApplyOrder) {
        let name = order.consumer.name.clone();
        // There and back again, for several processes; past that the world is looked at instead.
        let patience = APPLY_LIMIT + 4 * (order.consumer.stop_timeout + order.consumer.ready_timeout);
        self.follow_apply(name, Job::Apply(Box::new(order)), patience);
    }

    /// Waits for the worker of an earlier daemon; ends in [`Event::Applied`].
    pub fn await_apply(&self, name: ConsumerName) {
        let job = Job::AwaitApply { state_dir: self.state_dir.clone(), consumer: name.clone() };
        self.follow_apply(name, job, 2 * APPLY_LIMIT);
    }

    fn follow_apply(&self, name: ConsumerName, job: Job, patience: Duration) {
        let mut end = None;
        self.run(job, Terms::going_on(patience), move |said, events| match said {
            Said::Answer(Answer::Progress { phase }) => {
                let _ = events.send(Event::ApplyProgress(name.clone(), phase));
            }
            Said::Answer(Answer::Applied(report)) => end = Some(report),
            Said::Answer(_) => {}
            Said::End(outcome) => {
                if let Err(error) = outcome {
                    tracing::warn!(consumer = %name, %error, "the worker ended early");
                }
                let _ = events.send(Event::Applied(name.clone(), end.take()));
            }
        });
    }

    /// Runs a worker and tells of it: each answer, then its end.
    fn run(&self, job: Job, terms: Terms, mut tell: impl FnMut(Said, &UnboundedSender<Event>) + Send + 'static) {
        let events = self.events.clone();
        task::spawn(attend(job, terms, self.obstacle.clone(), Box::new(move |said| tell(said, &events))));
    }
}

/// What there is to tell of a worker.
enum Said {
    /// It said this.
    Answer(Answer),
    /// It has ended, well or not, or was given up. Told once, last.
    End(io::Result<()>),
}

/// How a worker is run.
struct Terms {
    /// How long it is waited for.
    limit: Duration,
    /// It is killed when it isn't waited for any more, also since the daemon ends.
    bound_to_daemon: bool,
    /// Each is passed on as a line. A worker that needs no leave finds its input at an end.
    leave: Option<UnboundedReceiver<()>>,
}

impl Terms {
    fn bound_to_daemon(limit: Duration) -> Self {
        Self { limit, bound_to_daemon: true, leave: None }
    }

    fn going_on(limit: Duration) -> Self {
        Self { limit, bound_to_daemon: false, leave: None }
    }
}

/// The same for `count` things.
fn each(limit: Duration, count: usize) -> Duration {
    limit * u32::try_from(count).unwrap_or(u32::MAX)
}

fn targets<'t>(all: impl Iterator<Item = &'t KeyTarget>) -> VecDeque<(KeyName, Fingerprint)> {
    all.map(|target| (target.name.clone(), target.fingerprint)).collect()
}

/// Takes out what was answered: mostly the first, for workers go by the order of the job.
fn strike<T>(open: &mut VecDeque<T>, is_answered: impl Fn(&T) -> bool) {
    if let Some(place) = open.iter().position(is_answered) {
        open.remove(place);
    }
}

fn why(outcome: io::Result<()>) -> String {
    outcome.map_or_else(|error| error.to_string(), |()| "it said nothing".into())
}

fn warn_of(name: &KeyName, outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(key = %name, %error, "the worker ended early");
    }
}

/// One future for all workers.
async fn attend(job: Job, terms: Terms, obstacle: Obstacle, mut tell: Box<dyn FnMut(Said) + Send>) {
    let child = spawn(terms.bound_to_daemon);
    *obstacle.lock().unwrap_or_else(PoisonError::into_inner) = child.as_ref().err().map(ToString::to_string);
    let work = converse(&job, child, terms.leave, &mut tell);
    let outcome = tokio::time::timeout(terms.limit, work).await;
    tell(Said::End(outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))));
}

/// Runs one worker to its end.
async fn converse(
    job: &Job,
    child: io::Result<Child>,
    leave: Option<UnboundedReceiver<()>>,
    tell: &mut (dyn FnMut(Said) + Send),
) -> io::Result<()> {
    let mut child = child?;
    give(&mut child, job).await?;
    let stdin = child.stdin.take();
    let pass_on = async move {
        let (Some(mut stdin), Some(mut leave)) = (stdin, leave) else { return };
        while leave.recv().await.is_some() {
            if stdin.write_all(b"\n").await.is_err() {
                break;
            }
        }
    };
    // The worker's end ends the rest.
    let followed = follow(child, tell);
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

async fn follow(mut child: Child, tell: &mut (dyn FnMut(Said) + Send)) -> io::Result<()> {
    let Some(stdout) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_slice(line.as_bytes()) {
            Ok(answer) => tell(Said::Answer(answer)),
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
