//! The loop.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::configured::Configured;
use super::environment::shed;
use super::events::Events;
use super::notices::{self, Happened, Notices};
use super::pids::ProcessWatch;
use super::reload::{Settling, calendar, hold_jobs, watched};
use super::rest::Rest;
use super::schedule::Schedule;
use super::server::{Answer, Call};
use super::service_manager::{self, Watchdog};
use super::socket::{Fate, Socket};
use super::textfile::Textfile;
use super::timer::{Wake, WallTimer};
use super::workers::Workers;
use crate::clock;
use crate::config::{Config, ConfigError, Surroundings};
use crate::core::{ConsumerName, Event, KeyName, Machine, Ticket};
use crate::cron::CronCalendar;
use crate::desktop::Desktop;
use crate::hardening;
use crate::paths::{Paths, private_dir};
use crate::salt::Salt;
use crate::store::{Damage, History, Journal, Lock, StateDir};
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

/// Events that are dealt with at once: what they want saved and told is held in memory until they are all
/// dealt with.
const MOST_EVENTS: usize = 64;

/// Events taken from the kernel at once: room for more would lie idle (tokio's own is for a thousand).
const IO_EVENTS: usize = 64;

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options) -> Result<(), StartError> {
    // Nothing that is made can be read by others, whatever the umask was.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    hardening::hide();
    let surroundings = Surroundings { home: options.paths.home.clone() };
    let config = Config::load(&options.paths.config, options.paths.config_named, &surroundings)?;
    shed(&config).context("credd can't begin anew without the keys in its environment")?;
    let rest = Rest::default();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .max_io_events_per_tick(IO_EVENTS)
        .on_thread_park(rest.on_park())
        .build()
        .context("the runtime can't be made")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let daemon = Daemon::start(options, config, surroundings, rest).await?;
        daemon.run().await
    })?;
    // Whatever hangs in a task is not waited for: a clean end takes less than a second.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// Whoever waits for an answer, and what to make of the core's reply.
pub(super) struct Waiter {
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) then: Then,
}

pub(super) enum Then {
    Status,
    /// What happens from now on, or after this event.
    Follow(Option<u64>),
    Metrics,
    Key(KeyName),
    /// What the user said of it: that is to be on disk.
    Recorded(KeyName),
    Verify(KeyName),
    Renew(KeyName),
    Apply(ConsumerName),
}

pub(super) struct Daemon {
    pub(super) options: Options,
    pub(super) surroundings: Surroundings,
    pub(super) config: Rc<Configured>,
    pub(super) config_error: Option<String>,
    pub(super) config_settling: Option<Settling>,
    pub(super) machine: Machine,
    pub(super) calendar: CronCalendar,
    pub(super) schedule: Schedule,
    /// Of the schedule, by cron expression.
    pub(super) jobs: BTreeMap<String, Uuid>,
    pub(super) timer: WallTimer,
    pub(super) watcher: Watcher,
    pub(super) workers: Workers,
    /// Leave to go on for workers that make keys.
    pub(super) renewals: HashMap<KeyName, UnboundedSender<()>>,
    pub(super) processes: ProcessWatch,
    pub(super) notices: Notices,
    pub(super) journal: Journal,
    pub(super) history: History,
    pub(super) events: Events,
    pub(super) unsaved_since: Option<(Timestamp, String)>,
    pub(super) damage: Option<Damage>,
    pub(super) degraded: Option<String>,
    pub(super) textfile: Textfile,
    pub(super) inbox: UnboundedReceiver<Event>,
    pub(super) desktop_events: UnboundedReceiver<crate::desktop::DesktopEvent>,
    pub(super) calls: UnboundedReceiver<Call>,
    pub(super) waiters: HashMap<Ticket, Waiter>,
    pub(super) last_ticket: u64,
    pub(super) started_at: Timestamp,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) from_service: bool,
    rest: Rest,
    socket: Socket,
    _lock: Lock,
    _held: StateDir,
}

impl Daemon {
    async fn start(options: Options, config: Config, surroundings: Surroundings, rest: Rest) -> anyhow::Result<Self> {
        let now = clock::now();
        let paths = &options.paths;
        let unusable = || format!("the state directory {} can't be used", paths.state_dir.display());
        private_dir(&paths.state_dir).with_context(unusable)?;
        let lock = Lock::take(&paths.state_dir).with_context(unusable)?;
        let lock = lock.ok_or_else(|| anyhow::anyhow!("another credd is running with {}; see: credd status", paths.state_dir.display()))?;
        Salt::load_or_create(&paths.state_dir).with_context(unusable)?;
        let held = StateDir::hold(&paths.state_dir).with_context(unusable)?;
        let (journal, ledger, damage) = Journal::open(held.path(), now).with_context(unusable)?;
        let damage =
            damage.map(|damage| Damage { kept: damage.kept.and_then(|kept| Some(paths.state_dir.join(kept.file_name()?))), ..damage });
        // Workers come to it by its name, and don't follow a symlink that has taken it since.
        let state_dir = std::fs::canonicalize(&paths.state_dir).with_context(unusable)?;
        let (calls_in, calls) = mpsc::unbounded_channel();
        let socket = Socket::make(&paths.socket, calls_in)?;
        let (events, inbox) = mpsc::unbounded_channel();
        let (desktop_in, desktop_events) = mpsc::unbounded_channel();
        let mut schedule = Schedule::new().await?;
        let mut jobs = BTreeMap::new();
        hold_jobs(&mut jobs, &mut schedule, &config, now, &events).await?;
        let from_service = std::env::var_os("INVOCATION_ID").is_some() && in_own_unit();
        let daemon = Self {
            machine: Machine::new(settings(&config), ledger),
            calendar: calendar(&config)?,
            schedule,
            jobs,
            timer: WallTimer::new().context("no timer can be made")?,
            watcher: Watcher::new(watched(&config, &paths.config)),
            workers: Workers::new(&state_dir, events.clone()),
            renewals: HashMap::new(),
            processes: ProcessWatch::new(events.clone()),
            notices: Notices::new(Desktop::new(desktop_in), &paths.home, from_service),
            journal,
            history: History::new(held.path()),
            events: Events::since(now),
            unsaved_since: None,
            damage,
            degraded: None,
            textfile: config.metrics.textfile.as_ref().map(|_| Textfile::starting(now)).unwrap_or_default(),
            inbox,
            desktop_events,
            calls,
            waiters: HashMap::new(),
            last_ticket: 0,
            started_at: now,
            watchdog: Watchdog::wanted(now),
            from_service,
            rest,
            socket,
            config_error: None,
            config_settling: None,
            config: Rc::new(Configured::new(config)),
            surroundings,
            _lock: lock,
            _held: held,
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
        service_manager::ready();
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
                () = self.socket.stirred() => Happening::Socket,
                () = self.events.settled() => Happening::Settled,
                () = self.rest.come() => Happening::Quiet,
            };
            self.rest.end();
            let clock_set = matches!(happened, Happening::Timer(Wake::ClockSet));
            let is_news = !matches!(happened, Happening::Quiet);
            self.handle(happened).await?;
            if is_news {
                self.mind_textfile(clock_set);
            }
        }
        service_manager::stopping();
        tracing::info!("ended");
        self.leave_textfile();
        self.socket.remove();
        Ok(())
    }

    async fn handle(&mut self, happened: Happening) -> anyhow::Result<()> {
        match happened {
            Happening::Timer(wake) => {
                let now = clock::now();
                if wake == Wake::ClockSet {
                    tracing::info!("the clock was set");
                    self.schedule.recompute(now).await?;
                    if self.config_settling.is_some() {
                        self.config_stirred(now);
                    }
                }
                self.schedule.run_due(now).await?;
                if let Some(watchdog) = &mut self.watchdog {
                    watchdog.feed(now, wake == Wake::ClockSet);
                }
                if self.unsaved_since.is_some() {
                    self.save(&[]);
                }
                self.reload_if_due(now).await?;
                self.mind_socket();
                self.step(Event::Tick);
            }
            Happening::Call(call) => self.call(call),
            Happening::Event(event) => {
                // A start brings thousands of reports at once: one save for many.
                let mut events = VecDeque::from([event]);
                while events.len() < MOST_EVENTS
                    && let Ok(event) = self.inbox.try_recv()
                {
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
            Happening::Socket => self.mind_socket(),
            Happening::Reload => self.reload_now().await?,
            Happening::Settled => self.tell_followers(),
            Happening::Quiet => {
                self.tidy();
                // Where nothing could tell.
                self.mind_socket();
                self.rest.begin();
            }
        }
        Ok(())
    }

    fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::Files(mut paths) => {
                let config_touched = paths.contains(&self.options.paths.config);
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

    fn mind_socket(&mut self) {
        match self.socket.mind(clock::now()) {
            Fate::AsBefore => {}
            Fate::MadeAgain => self.tell("socket-restored", "the socket was gone and is made again".into()),
            Fate::Lost(why) => {
                let socket = self.options.paths.socket.display();
                self.tell("socket-lost", format!("the socket {socket} is gone, and nobody can ask credd: {why}; it tries again"));
            }
        }
    }

    /// The next time something is to be done without anything happening.
    fn arm(&mut self) -> io::Result<()> {
        let retry = self.unsaved_since.as_ref().map(|(since, _)| *since + SAVE_RETRY);
        let watchdog = self.watchdog.as_ref().map(Watchdog::next);
        let reload = self.config_settling.as_ref().map(|settling| settling.until);
        let next =
            [self.machine.next_deadline(), self.schedule.next(), retry, watchdog, reload, self.socket.deadline(), self.textfile.due()]
                .into_iter()
                .flatten()
                .min();
        self.timer.arm(next)
    }
}

enum Happening {
    Timer(Wake),
    Call(Call),
    Event(Event),
    Desktop(crate::desktop::DesktopEvent),
    Hint(Hint),
    /// It may be gone.
    Socket,
    Reload,
    /// Those who follow are to be told.
    Settled,
    /// Nothing.
    Quiet,
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        pending::<()>().await;
    }
}

/// Whether this process is the service itself, rather than something started by hand inside some
/// service (a terminal emulator can be one).
fn in_own_unit() -> bool {
    let Ok(groups) = std::fs::read_to_string("/proc/self/cgroup") else { return false };
    groups.lines().any(|line| line.rsplit('/').next().is_some_and(|unit| unit.starts_with("credd") && unit.ends_with(".service")))
}
