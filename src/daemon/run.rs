//! The loop.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::notices::{self, Happened, Notices};
use super::pids::ProcessWatch;
use super::reload::{Settling, add_remind_job, remind_calendar};
use super::schedule::Schedule;
use super::server::{self, Answer, Call};
use super::timer::{Wake, WallTimer};
use super::workers::Workers;
use crate::clock;
use crate::config::{Config, ConfigError, Surroundings};
use crate::core::{ConsumerName, Event, KeyName, Machine, Ticket};
use crate::cron::RemindCalendar;
use crate::desktop::Desktop;
use crate::paths::{Paths, private_dir};
use crate::salt::Salt;
use crate::store::{Damage, History, Journal, Lock};
use crate::view::settings;
use crate::watcher::{Hint, Watcher};

/// How `credd run` was called.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is.
    pub paths: Paths,
}

/// Why the daemon didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Anything else: exit code 1.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// From one try to write the state to the next, while it can't be written.
const SAVE_RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options) -> Result<(), StartError> {
    harden();
    let surroundings = Surroundings { home: options.paths.home.clone() };
    let config = Config::load(&options.paths.config, options.paths.config_named, &surroundings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime can't be made")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let daemon = Daemon::start(options, config, surroundings).await?;
        daemon.run().await
    })?;
    // Whatever hangs in a task is not waited for: a clean end takes less than a second.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// Nothing that is made can be read by others, whatever the umask was; no core dump; no debugger.
fn harden() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Whoever waits for an answer, and what to make of the core's reply.
pub(super) struct Waiter {
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) then: Then,
}

pub(super) enum Then {
    Status,
    Key(KeyName),
    Apply(ConsumerName),
}

pub(super) struct Daemon {
    pub(super) options: Options,
    pub(super) surroundings: Surroundings,
    pub(super) config: Config,
    pub(super) config_error: Option<String>,
    pub(super) config_settling: Option<Settling>,
    pub(super) machine: Machine,
    pub(super) calendar: RemindCalendar,
    pub(super) schedule: Schedule,
    pub(super) remind_job: Option<Uuid>,
    pub(super) timer: WallTimer,
    pub(super) watcher: Watcher,
    pub(super) workers: Workers,
    pub(super) processes: ProcessWatch,
    pub(super) notices: Notices,
    pub(super) journal: Journal,
    pub(super) history: History,
    pub(super) unsaved_since: Option<(Timestamp, String)>,
    pub(super) damage: Option<Damage>,
    pub(super) degraded: Option<String>,
    pub(super) inbox: UnboundedReceiver<Event>,
    pub(super) desktop_events: UnboundedReceiver<crate::desktop::DesktopEvent>,
    pub(super) calls: UnboundedReceiver<Call>,
    pub(super) waiters: HashMap<Ticket, Waiter>,
    pub(super) last_ticket: u64,
    pub(super) started_at: Timestamp,
    pub(super) watchdog: Option<(SignedDuration, Timestamp)>,
    pub(super) from_service: bool,
    _lock: Lock,
}

impl Daemon {
    async fn start(options: Options, config: Config, surroundings: Surroundings) -> anyhow::Result<Self> {
        let now = clock::now();
        let paths = &options.paths;
        private_dir(&paths.state_dir).with_context(|| format!("the state directory {} can't be used", paths.state_dir.display()))?;
        let lock = Lock::take(&paths.state_dir).context("the lock can't be taken")?;
        let lock = lock.ok_or_else(|| anyhow::anyhow!("another credd is running with {}; see: credd status", paths.state_dir.display()))?;
        Salt::load_or_create(&paths.state_dir).context("the salt can't be read")?;
        let (journal, ledger, damage) =
            Journal::open(&paths.state_dir, now).with_context(|| format!("the state in {} can't be opened", paths.state_dir.display()))?;
        if let Some(dir) = paths.socket.parent() {
            make_socket_dir(dir).with_context(|| format!("the socket's directory {} can't be made", dir.display()))?;
        }
        let listener = server::bind(&paths.socket).map_err(anyhow::Error::msg)?;
        let (calls_in, calls) = mpsc::unbounded_channel();
        tokio::task::spawn_local(server::serve(listener, calls_in));
        let (events, inbox) = mpsc::unbounded_channel();
        let (desktop_in, desktop_events) = mpsc::unbounded_channel();
        let mut files: Vec<PathBuf> = config.keys.iter().map(|key| key.env_file.clone()).collect();
        files.push(paths.config.clone());
        let mut schedule = Schedule::new().await?;
        let remind_job = Some(add_remind_job(&mut schedule, &config, now, &events).await?);
        let from_service = std::env::var_os("INVOCATION_ID").is_some() && in_own_unit();
        let daemon = Self {
            machine: Machine::new(settings(&config), ledger),
            calendar: remind_calendar(&config)?,
            schedule,
            remind_job,
            timer: WallTimer::new().context("no timer can be made")?,
            watcher: Watcher::new(files),
            workers: Workers::new(&paths.state_dir, events.clone()),
            processes: ProcessWatch::new(events.clone()),
            notices: Notices::new(Desktop::new(desktop_in), &paths.home, from_service),
            journal,
            history: History::new(&paths.state_dir),
            unsaved_since: None,
            damage,
            degraded: None,
            inbox,
            desktop_events,
            calls,
            waiters: HashMap::new(),
            last_ticket: 0,
            started_at: now,
            watchdog: watchdog_interval().map(|interval| (interval, now)),
            from_service,
            config_error: None,
            config_settling: None,
            config,
            surroundings,
            _lock: lock,
            options,
        };
        Ok(daemon)
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, socket = %self.options.paths.socket.display(), state = %self.options.paths.state_dir.display(), "started");
        if let Some(damage) = self.damage.clone() {
            let kept = damage.kept.as_ref().map(|path| format!("; the old file is kept as {}", path.display())).unwrap_or_default();
            self.tell("state-recovered", format!("{}{kept}", damage.message));
        }
        self.step(Event::Start);
        notify_service_manager("READY=1");
        loop {
            self.arm()?;
            let happened = tokio::select! {
                biased;
                () = received(&mut terminate) => break,
                () = received(&mut interrupt) => break,
                () = received(&mut hangup) => Happening::Reload,
                wake = self.timer.wait() => Happening::Timer(wake?),
                Some(call) = self.calls.recv() => Happening::Call(call),
                Some(event) = self.inbox.recv() => Happening::Event(event),
                Some(event) = self.desktop_events.recv() => Happening::Desktop(event),
                hint = self.watcher.next() => Happening::Hint(hint),
            };
            self.handle(happened).await?;
        }
        notify_service_manager("STOPPING=1");
        tracing::info!("ended");
        // A socket that nobody listens on would have to be told from a live one.
        let _ = std::fs::remove_file(&self.options.paths.socket);
        Ok(())
    }

    async fn handle(&mut self, happened: Happening) -> anyhow::Result<()> {
        match happened {
            Happening::Timer(wake) => {
                let now = clock::now();
                if wake == Wake::ClockSet {
                    tracing::info!("the clock was set");
                    self.schedule.recompute(now).await?;
                }
                self.schedule.run_due(now).await?;
                if let Some((interval, next)) = &mut self.watchdog
                    && now >= *next
                {
                    notify_service_manager("WATCHDOG=1");
                    *next = now + *interval;
                }
                if self.unsaved_since.is_some() {
                    self.save(&[]);
                }
                self.reload_if_due(now).await?;
                self.step(Event::Tick);
            }
            Happening::Call(call) => self.call(call),
            Happening::Event(event) => {
                // A start brings thousands of reports at once: one save for all that are there.
                let mut events = VecDeque::from([event]);
                while let Ok(event) = self.inbox.try_recv() {
                    events.push_back(event);
                }
                self.steps(events);
            }
            Happening::Desktop(event) => match notices::sort(event) {
                Happened::Event(event) => self.step(event),
                Happened::OpenPage(topic) => self.open_page(&topic),
                Happened::Nothing => {}
            },
            Happening::Hint(hint) => self.hint(hint),
            Happening::Reload => self.reload("SIGHUP").await?,
        }
        Ok(())
    }

    fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::Files(mut paths) => {
                let config_touched = paths.iter().any(|path| *path == self.options.paths.config);
                paths.retain(|path| *path != self.options.paths.config || self.machine.file(path).is_some());
                if !paths.is_empty() {
                    self.step(Event::FileHint(paths));
                }
                if config_touched {
                    self.config_stirred(clock::now());
                }
            }
            Hint::Degraded { reason } => {
                self.tell("watch-degraded", reason.clone());
                self.degraded = Some(reason);
            }
            Hint::Restored => {
                self.tell("watch-restored", "all changes of env files are seen at once again".into());
                self.degraded = None;
            }
        }
    }

    /// The next time something is to be done without anything happening.
    fn arm(&mut self) -> io::Result<()> {
        let retry = self.unsaved_since.as_ref().map(|(since, _)| *since + SAVE_RETRY);
        let watchdog = self.watchdog.map(|(_, next)| next);
        let reload = self.config_settling.as_ref().map(|settling| settling.until);
        let next = [self.machine.next_deadline(), self.schedule.next(), retry, watchdog, reload].into_iter().flatten().min();
        self.timer.arm(next)
    }
<<<<<<< HEAD
=======

    fn step(&mut self, event: Event) {
        self.steps([event]);
    }

    /// Steps the core through events and carries out what it wants, in order, with one save ahead of
    /// everything else.
    fn steps(&mut self, events: impl IntoIterator<Item = Event>) {
        let now = clock::now();
        let mut records: Vec<Record> = Vec::new();
        let mut told: Vec<HistoryEntry> = Vec::new();
        let mut rest: Vec<Effect> = Vec::new();
        for event in events {
            if let Event::Inspected(name, Some(report)) = &event {
                self.processes.set(name, report);
            }
            for effect in self.machine.step(now, event, &self.calendar) {
                match effect {
                    Effect::Save(more) => records.extend(more),
                    Effect::Tell(entry) => told.push(entry),
                    effect => rest.push(effect),
                }
            }
        }
        if !records.is_empty() {
            self.save(&records);
        }
        self.tell_all(&told);
        let mut inspect = Vec::new();
        for effect in rest {
            match effect {
                Effect::Save(_) | Effect::Tell(_) => {}
                Effect::ReadFiles(paths) => self.read_files(&paths),
                Effect::Inspect(names) => inspect.extend(names),
                Effect::Apply(name, targets) => self.apply(&name, &targets),
                Effect::AwaitApply(name) => self.workers.await_apply(name),
                Effect::Notify(channel, notice) => self.notices.send(channel, &notice, &self.config, now),
                Effect::ClosePopup(popup) => self.notices.close(&popup),
                Effect::Reply(ticket, reply) => self.reply(ticket, reply),
            }
        }
        if !inspect.is_empty() {
            let queries = inspect.iter().filter_map(|name| self.consumer_query(name)).collect();
            self.workers.inspect(queries);
        }
    }

    /// Makes records durable. If that fails the daemon goes on, says so, and tries again: an alert that
    /// might come twice is better than one that doesn't come.
    fn save(&mut self, records: &[Record]) {
        let machine = &self.machine;
        let saved = if self.unsaved_since.is_some() {
            self.journal.save(&machine.ledger().records().collect::<Vec<_>>(), || machine.ledger())
        } else {
            self.journal.save(records, || machine.ledger())
        };
        match saved {
            Ok(()) => {
                if self.unsaved_since.take().is_some() {
                    self.tell("state-saved", "the state could be saved again".into());
                }
            }
            Err(error) => {
                if self.unsaved_since.is_none() {
                    tracing::error!(%error, "the state can't be saved; trying again");
                }
                self.unsaved_since = Some((clock::now(), error.to_string()));
            }
        }
    }

    fn tell(&mut self, event: &str, message: String) {
        let entry = HistoryEntry { at: clock::now(), event: event.into(), key: None, consumer: None, fingerprint: None, message };
        self.tell_all(&[entry]);
    }

    fn tell_all(&mut self, entries: &[HistoryEntry]) {
        for entry in entries {
            let key = entry.key.as_ref().map(tracing::field::display);
            let consumer = entry.consumer.as_ref().map(tracing::field::display);
            match entry.event.as_str() {
                "apply-failed" | "rolled-back" | "clock-went-back" | "state-recovered" | "watch-degraded" | "config-invalid" => {
                    tracing::warn!(event = entry.event, key, consumer, "{}", entry.message);
                }
                event => tracing::info!(event, key, consumer, "{}", entry.message),
            }
        }
        if !entries.is_empty()
            && let Err(error) = self.history.append(entries)
        {
            tracing::warn!(%error, "the history can't be written");
        }
    }

    fn read_files(&self, paths: &[std::sync::Arc<std::path::Path>]) {
        let files = paths
            .iter()
            .filter_map(|path| {
                let file = self.machine.file(path)?;
                let mut variables: Vec<String> =
                    file.keys.iter().filter_map(|name| self.machine.key(name)).map(|key| key.spec.variable.to_string()).collect();
                variables.sort_unstable();
                variables.dedup();
                Some(FileQuery { path: path.to_path_buf(), variables })
            })
            .collect();
        self.workers.read(files);
    }

    fn consumer_query(&self, name: &ConsumerName) -> Option<ConsumerQuery> {
        let config = self.config.consumers.iter().find(|consumer| consumer.name == *name)?.clone();
        let consumer = self.machine.consumer(name)?;
        let keys = self
            .machine
            .keys()
            .filter(|key| consumer.uses(&key.spec.name))
            .map(|key| KeyVariable { name: key.spec.name.clone(), variable: key.spec.variable.to_string() })
            .collect();
        Some(ConsumerQuery { config, keys })
    }

    fn apply(&mut self, name: &ConsumerName, targets: &std::collections::BTreeMap<KeyName, crate::core::Fingerprint>) {
        let Some(consumer) = self.config.consumers.iter().find(|consumer| consumer.name == *name) else { return };
        let keys = targets
            .iter()
            .filter_map(|(key, fingerprint)| {
                let spec = &self.machine.key(key)?.spec;
                let (variable, env_file) = (spec.variable.to_string(), spec.env_file.to_path_buf());
                Some(KeyTarget { name: key.clone(), variable, env_file, fingerprint: *fingerprint })
            })
            .collect();
        self.workers.apply(ApplyOrder {
            state_dir: self.options.paths.state_dir.clone(),
            consumer: consumer.clone(),
            keys,
            from_service: self.from_service,
        });
    }

    fn open_page(&mut self, topic: &Topic) {
        let Topic::Key(name) = topic else { return };
        let Some(key) = self.config.keys.iter().find(|key| key.name == *name) else { return };
        let region =
            self.machine.key(name).and_then(|key| key.record.known_now()?.anatomy.region.clone()).unwrap_or_else(|| key.region.clone());
        let from_service = self.from_service;
        tokio::task::spawn_local(async move {
            if let Err(error) = open_page(&region, from_service).await {
                tracing::warn!(%error, "the console page could not be opened");
            }
        });
    }

    // Configuration

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

    // Requests

    fn call(&mut self, call: Call) {
        let now = clock::now();
        let (request, then) = match call.ask {
            Ask::History(n) => {
                let answer = match self.history.last(n) {
                    Ok(entries) => Answer::ok(&entries),
                    Err(error) => {
                        Answer::error(500, "history", &format!("the history can't be read: {error}"), "check the state directory")
                    }
                };
                let _ = call.answer.send(answer);
                return;
            }
            Ask::Status => (Request::Refresh, Then::Status),
            Ask::Issued(name, at) => (Request::Issued(name.clone(), at), Then::Key(name)),
            Ask::Snooze(name, until) => {
                let until = match until {
                    SnoozeUntil::Tomorrow => Some(self.calendar.tomorrow(now)),
                    SnoozeUntil::At(at) => Some(at),
                    SnoozeUntil::Cleared => None,
                };
                (Request::Snooze(name.clone(), until), Then::Key(name))
            }
            Ask::Apply(name, force) => (Request::Apply(name.clone(), force), Then::Apply(name)),
        };
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiters.retain(|_, waiter| !waiter.answer.is_closed());
        self.waiters.insert(ticket, Waiter { answer: call.answer, then });
        self.step(Event::Request(ticket, request));
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        let Some(waiter) = self.waiters.remove(&ticket) else { return };
        let answer = match (reply, waiter.then) {
            (Reply::Denied(Denial::UnknownKey(name)), _) => {
                self.unknown("key", name.as_str(), self.config.keys.iter().map(|key| key.name.as_str()))
            }
            (Reply::Denied(Denial::UnknownConsumer(name)), _) => {
                self.unknown("consumer", name.as_str(), self.config.consumers.iter().map(|consumer| consumer.name.as_str()))
            }
            (Reply::Denied(Denial::Refused { message, hint }), _) => Answer::error(409, "refused", &message, &hint),
            (Reply::Applied(outcome, detail), Then::Apply(consumer)) => {
                Answer::ok(&ApplyAnswer { consumer: consumer.to_string(), outcome, detail })
            }
            (_, Then::Key(name)) => match self.machine.key(&name) {
                Some(key) => Answer::ok(&view::key_status(&self.machine, key, clock::now(), &self.calendar)),
                None => Answer::error(404, "unknown-key", "the key is no longer configured", "see: credd status"),
            },
            (_, Then::Status | Then::Apply(_)) => Answer::ok(&self.status()),
        };
        // Whoever asked may have gone.
        let _ = waiter.answer.send(answer);
    }

    fn unknown<'n>(&self, what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Answer {
        let known: Vec<_> = known.take(10).collect();
        Answer::error(404, &format!("unknown-{what}"), &format!("no {what} is named {name:?}"), &format!("there is: {}", known.join(", ")))
    }

    fn status(&self) -> crate::protocol::Status {
        let now = clock::now();
        let daemon = DaemonStatus { version: env!("CARGO_PKG_VERSION").into(), pid: std::process::id(), started_at: self.started_at };
        view::status(
            &self.machine,
            Viewpoint {
                now,
                calendar: &self.calendar,
                config: &self.config,
                home: &self.options.paths.home,
                daemon: Some(daemon),
                problems: self.problems(),
            },
        )
    }

    /// Problems that the core doesn't know of.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(error) = &self.config_error {
            let message = format!("the configuration is wrong, the one before stays in force: {error}");
            problems.push(problem("config-invalid", Severity::Error, message, "credd config --check".into()));
        }
        if let Some((_, error)) = &self.unsaved_since {
            let message = format!("the state can't be saved ({error}): after a restart, alerts may come twice");
            let fix = format!("make room for, or allow writing to, {}", self.options.paths.state_dir.display());
            problems.push(problem("state-not-saved", Severity::Error, message, fix));
        }
        if let Some(damage) = &self.damage {
            let kept = damage.kept.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            let fix = format!("check the dates shown here, then remove {kept}");
            problems.push(problem("state-recovered", Severity::Warning, damage.message.clone(), fix));
        }
        if let Some(reason) = &self.degraded {
            problems.push(problem("watch-degraded", Severity::Warning, reason.clone(), "see the README, section Watching".into()));
        }
        problems
    }
>>>>>>> guest
}

enum Happening {
    Timer(Wake),
    Call(Call),
    Event(Event),
    Desktop(crate::desktop::DesktopEvent),
    Hint(Hint),
    Reload,
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        pending::<()>().await;
    }
}

/// The socket's directory: ours alone where it is credd's own, untouched where the user named one.
fn make_socket_dir(dir: &std::path::Path) -> io::Result<()> {
    if dir.file_name().is_some_and(|name| name == "credd") || !dir.exists() { private_dir(dir) } else { Ok(()) }
}

/// How often systemd wants to hear from us: half of what it allows. The unit allows so much that an
/// idle daemon hardly wakes for it.
fn watchdog_interval() -> Option<SignedDuration> {
    #[cfg(target_os = "linux")]
    {
        let allowed = sd_notify::watchdog_enabled()?;
        SignedDuration::try_from(allowed / 2).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Tells systemd, where it listens, how we are.
fn notify_service_manager(state: &'static str) {
    #[cfg(target_os = "linux")]
    {
        let state = match state {
            "READY=1" => sd_notify::NotifyState::Ready,
            "STOPPING=1" => sd_notify::NotifyState::Stopping,
            _ => sd_notify::NotifyState::Watchdog,
        };
        // Without a service manager there is nobody to tell.
        let _ = sd_notify::notify(&[state]);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}

/// Whether this process is the service itself, rather than something started by hand inside some
/// service (a terminal emulator can be one).
fn in_own_unit() -> bool {
    let Ok(groups) = std::fs::read_to_string("/proc/self/cgroup") else { return false };
    groups.lines().any(|line| line.rsplit('/').next().is_some_and(|unit| unit.starts_with("credd") && unit.ends_with(".service")))
}
