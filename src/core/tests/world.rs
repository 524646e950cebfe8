//! A world of pretence around a machine: files, consumers, a notification service, workers that take
//! their time, a clock that can be set, and a daemon that can crash between any two effects.

mod iam;
mod outside;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::core::consumer::{ConsumerState, Targets};
use crate::core::key::KeyState;
use crate::core::*;

pub use iam::{IamWorld, refused};

pub const DAY: SignedDuration = SignedDuration::from_hours(24);
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);
pub const MINUTE: SignedDuration = SignedDuration::from_mins(1);
pub const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub const MOMENT: SignedDuration = SignedDuration::from_millis(20);

/// Reminders daily at 10:00, probes every six hours, in a time zone.
pub struct Local(pub TimeZone);

impl Local {
    /// The first time after `time` of those that are so many hours apart on the clock, from midnight on.
    fn next(&self, time: Timestamp, hours: &[i8]) -> Option<Timestamp> {
        let today = time.to_zoned(self.0.clone()).date();
        [today, today.tomorrow().ok()?]
            .into_iter()
            .flat_map(|day| hours.iter().map(move |hour| day.at(*hour, 0, 0, 0)))
            .filter_map(|at| at.to_zoned(self.0.clone()).ok())
            .map(|at| at.timestamp())
            .find(|at| *at > time)
    }
}

impl Calendar for Local {
    fn next_reminder(&self, time: Timestamp) -> Option<Timestamp> {
        self.next(time, &[10])
    }

    fn tomorrow(&self, now: Timestamp) -> Timestamp {
        let tomorrow = now.to_zoned(self.0.clone()).date().tomorrow().unwrap();
        tomorrow.at(10, 0, 0, 0).to_zoned(self.0.clone()).unwrap().timestamp()
    }

    fn next_probe(&self, _key: &KeyName, time: Timestamp) -> Option<Timestamp> {
        self.next(time, &[0, 6, 12, 18])
    }
}

/// How the notification service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notifier {
    Takes,
    Refuses,
    /// Answers "no" after five seconds.
    Hangs,
    /// Shows it, and the answer is lost.
    Mute,
}

/// How the next apply ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Ends(Outcome),
    /// The worker dies, having done nothing.
    Dies,
    /// The worker dies, having done its work.
    DiesDone,
    /// The worker never ends.
    Never,
}

/// How those behave who are asked after keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    Truthful,
    /// Says of every key the same, true or not.
    Says(ProbeVerdict),
    /// No answer ever comes.
    Silent,
}

/// An env file.
#[derive(Clone, Debug, Default)]
pub struct EnvFile {
    /// `None`: no such file.
    pub values: Option<BTreeMap<String, u8>>,
    pub modified: Option<Timestamp>,
    pub busy: bool,
    pub unreadable: bool,
    pub cut_short: bool,
    /// Its values hold control characters.
    pub control_characters: bool,
    /// Only running it could tell its values.
    pub dynamic: bool,
}

/// A process of a consumer, with the values of variables in its environment.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub started: Timestamp,
    pub env: BTreeMap<String, u8>,
}

/// An alert that a channel was given and showed.
#[derive(Clone, Debug)]
pub struct Shown {
    pub at: Timestamp,
    pub topic: Topic,
    pub channel: Channel,
    pub reason: Reason,
    pub popup: PopupRecord,
    pub facts: Facts,
    /// The value it was about.
    pub print: Option<Fingerprint>,
    /// Its result reached no machine: it may be shown again.
    pub unheard: bool,
    /// How often the value was found to be good before.
    pub good: usize,
}

struct Worker {
    consumer: ConsumerName,
    targets: Targets,
    plan: Plan,
    /// In real time.
    ends: i64,
    /// The daemon that listens to it.
    run: u32,
    /// Whether the files had its values when it began, where that is what it goes by; else it looks at its end.
    held: Option<bool>,
}

pub struct World {
    pub settings: Settings,
    pub calendar: Local,
    pub machine: Machine,
    /// What was saved.
    pub ledger: Ledger,
    /// It is saved as text. This is most of a world's time.
    pub writes_down: bool,
    /// Milliseconds that passed.
    real: i64,
    /// What the clock shows more.
    offset: i64,
    /// Which daemon this is.
    run: u32,
    /// Events that were handled.
    pub steps: u64,
    inbox: VecDeque<(i64, Happens)>,
    workers: Vec<Worker>,
    pub files: BTreeMap<PathBuf, EnvFile>,
    pub processes: BTreeMap<ConsumerName, Vec<Process>>,
    last_pid: i32,
    pub notifier: Notifier,
    pub plans: VecDeque<Plan>,
    pub apply_takes: SignedDuration,
    /// A worker looks at the files when it begins, and an edit after that is none of its business.
    pub workers_read_first: bool,
    /// Ids that a service gives, rather than the one that is asked for.
    pub own_ids: Option<u32>,
    pub shown: Vec<Shown>,
    pub up: BTreeMap<u32, Topic>,
    pub replies: BTreeMap<Ticket, Reply>,
    last_ticket: u64,
    pub told: Vec<HistoryEntry>,
    /// Applies ordered: when (real), for whom, what; and whether anything was restarted.
    pub applies: Vec<(i64, ConsumerName, Targets, bool)>,
    pub inspections: usize,
    /// Crash before so many more effects.
    pub crash_after: Option<usize>,
    /// What each file last said when it was read.
    read: BTreeMap<PathBuf, BTreeMap<String, u8>>,
    pub inspections_fail: bool,
    pub reads_fail: bool,
    pub command_fails: bool,
    /// A crash came between forgetting a popup and closing it.
    pub unclosed: bool,
    /// Results come twice.
    pub duplicates: bool,
    /// How often the command was run.
    pub commands: usize,
    /// What keys look like.
    pub kind: KeyKind,
    pub issuer: Issuer,
    /// Values that are rejected.
    pub rejects: BTreeSet<u8>,
    /// What was asked.
    pub probes: Vec<(KeyName, Fingerprint, ProbeManner)>,
    /// The latest answer about each value, and how often it was good.
    pub answers: BTreeMap<Fingerprint, (ProbeVerdict, usize)>,
    /// Issue date and end that keys carry.
    pub carried: Option<(Timestamp, Timestamp)>,
    pub iam: IamWorld,
}

#[derive(Clone, Debug)]
enum Happens {
    Event(Event),
    Read(PathBuf),
    Inspect(ConsumerName),
    /// Until when (real) a worker is patient.
    Probe(KeyName, Fingerprint, ProbeManner, i64),
}

pub fn print(value: u8) -> Fingerprint {
    Fingerprint::new([value; 16])
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Keys as settings have them.
pub fn shared(keys: impl IntoIterator<Item = KeySpec>) -> Vec<Arc<KeySpec>> {
    keys.into_iter().map(Arc::new).collect()
}

pub fn key(name: &str, variable: &str, file: &str) -> KeySpec {
    KeySpec {
        name: name.into(),
        variable: variable.into(),
        env_file: std::path::Path::new(file).into(),
        lifetime: Some(DAY * 30),
        probed: false,
        endpoint: None,
        region: "us-east-1".into(),
        iam: crate::core::Iam::Off,
        minted: false,
    }
}

/// A key that its issuer is asked about.
pub fn probed(name: &str, variable: &str, file: &str) -> KeySpec {
    KeySpec { probed: true, endpoint: Some("http://127.0.0.1:9".into()), ..key(name, variable, file) }
}

pub fn consumer(name: &str, keys: &[&str]) -> ConsumerSpec {
    ConsumerSpec { name: name.into(), keys: keys.iter().map(|key| KeyName::from(*key)).collect(), restartable: true }
}

pub const FILE: &str = "/env";

/// One key `bedrock` in one file, one consumer `litellm`.
pub fn usual() -> Settings {
    Settings {
        days: vec![25],
        channels: vec![Channel::Desktop],
        keys: shared([key("bedrock", "K", FILE)]),
        consumers: vec![consumer("litellm", &[])],
    }
}

impl World {
    /// A world with nothing in it, on 1 October 2026, noon.
    pub fn new(settings: Settings) -> Self {
        let start = at("2026-10-01T12:00:00Z");
        Self {
            machine: Machine::new(settings.clone(), Ledger::default()),
            settings,
            calendar: Local(TimeZone::UTC),
            ledger: Ledger::default(),
            writes_down: true,
            real: 0,
            offset: start.as_millisecond(),
            run: 0,
            steps: 0,
            inbox: VecDeque::new(),
            workers: Vec::new(),
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            last_pid: 100,
            notifier: Notifier::Takes,
            plans: VecDeque::new(),
            apply_takes: SECOND * 4,
            workers_read_first: false,
            own_ids: None,
            shown: Vec::new(),
            up: BTreeMap::new(),
            replies: BTreeMap::new(),
            last_ticket: 0,
            told: Vec::new(),
            applies: Vec::new(),
            inspections: 0,
            crash_after: None,
            read: BTreeMap::new(),
            inspections_fail: false,
            reads_fail: false,
            command_fails: false,
            unclosed: false,
            duplicates: false,
            commands: 0,
            kind: KeyKind::Opaque,
            issuer: Issuer::Truthful,
            rejects: BTreeSet::new(),
            probes: Vec::new(),
            answers: BTreeMap::new(),
            carried: None,
            iam: IamWorld::default(),
        }
    }

    /// The usual world after a minute: value 1 in the file, a consumer that has it.
    pub fn running() -> Self {
        Self::running_with(usual())
    }

    /// The same with a key that its issuer is asked about.
    pub fn probing() -> Self {
        Self::running_with(Settings { keys: shared([probed("bedrock", "K", FILE)]), ..usual() })
    }

    pub fn running_with(settings: Settings) -> Self {
        let mut world = Self::new(settings);
        world.set(FILE, "K", 1);
        world.launch("litellm", &[("K", 1)]);
        world.start();
        world.run(MINUTE);
        world
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.real + self.offset).unwrap()
    }

    /// Which daemon this is: whoever waited for an earlier one is told by the closed connection.
    pub fn daemon(&self) -> u32 {
        self.run
    }

    pub fn real(&self) -> i64 {
        self.real
    }

    // What people do

    /// Puts a value into a file; nobody tells the daemon.
    pub fn set(&mut self, file: &str, variable: &str, value: u8) {
        let now = self.now();
        let file = self.files.entry(file.into()).or_default();
        file.values.get_or_insert_default().insert(variable.into(), value);
        file.modified = Some(now);
        file.cut_short = false;
    }

    pub fn hint(&mut self, file: &str) {
        self.step(Event::FileHint(vec![file.into()]));
    }

    /// A hint that comes late; it survives the daemon, which looks anew when it starts.
    pub fn hint_later(&mut self, file: &str, after: SignedDuration) {
        self.soon(after, Happens::Event(Event::FileHint(vec![file.into()])));
    }

    /// Puts a value into a file, which the daemon sees.
    pub fn edit(&mut self, file: &str, variable: &str, value: u8) {
        self.set(file, variable, value);
        self.hint(file);
    }

    pub fn remove(&mut self, file: &str) {
        self.files.entry(file.into()).or_default().values = None;
        self.hint(file);
    }

    /// Starts a consumer by hand.
    pub fn launch(&mut self, name: &str, env: &[(&str, u8)]) {
        self.last_pid += 1;
        let env = env.iter().map(|(variable, value)| ((*variable).to_owned(), *value)).collect();
        let process = Process { pid: self.last_pid, started: self.now(), env };
        self.processes.entry(name.into()).or_default().push(process);
    }

    pub fn kill(&mut self, name: &str) {
        self.processes.remove(&name.into());
        self.step(Event::ConsumerGone(name.into()));
    }

    pub fn ask(&mut self, request: Request) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.step(Event::Request(ticket, request));
        ticket
    }

    pub fn reply(&self, ticket: Ticket) -> &Reply {
        self.replies.get(&ticket).unwrap_or_else(|| panic!("{ticket:?} was not answered"))
    }

    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings.clone();
        self.step(Event::Reconfigured(settings));
    }

    /// Sets the clock, or suspends the machine: the daemon learns of both when it is over.
    pub fn jump(&mut self, by: SignedDuration) {
        self.offset += i64::try_from(by.as_millis()).unwrap();
        self.step(Event::Tick);
    }

    /// Sets the clock while no daemon is there.
    pub fn jump_unseen(&mut self, by: SignedDuration) {
        self.offset += i64::try_from(by.as_millis()).unwrap();
    }

    // The daemon

    pub fn start(&mut self) {
        self.step(Event::Start);
    }

    /// The daemon dies and is started again: it knows what was saved.
    pub fn crash(&mut self) {
        self.stop();
        self.start();
    }

    /// The daemon dies.
    pub fn stop(&mut self) {
        self.run += 1;
        self.inbox.clear();
        self.crash_after = None;
        self.renewal_stops();
        for shown in &mut self.shown {
            let pending = match &shown.topic {
                Topic::Key(name) => self.ledger.keys.get(name).and_then(|record| record.known_now()?.alerts.last()),
                Topic::Consumer(name) => self.ledger.consumers.get(name).and_then(|record| record.alert.as_ref()),
                Topic::News(name) => self.ledger.keys.get(name).and_then(|record| record.news.as_ref()).map(|news| &news.alert),
            };
            shown.unheard |= pending.is_some_and(|alert| alert.reason == shown.reason && alert.pending.contains(&shown.channel));
        }
        self.machine = Machine::new(self.settings.clone(), self.ledger.clone());
    }

    /// Time passes without a daemon.
    pub fn sleep(&mut self, time: SignedDuration) {
        let until = self.real + i64::try_from(time.as_millis()).unwrap();
        while let Some(worker) = self.workers.iter().position(|worker| worker.ends <= until) {
            self.real = self.real.max(self.workers[worker].ends);
            self.work_ends(worker);
        }
        self.real = until;
        self.inbox.clear();
    }

    /// Time passes until the clock shows this.
    pub fn until(&mut self, time: &str) {
        self.run(at(time).duration_since(self.now()));
    }

    /// Time passes.
    pub fn run(&mut self, time: SignedDuration) {
        let until = self.real + i64::try_from(time.as_millis()).unwrap();
        let mut steps = 0_u64;
        loop {
            let deadline = self.machine.next_deadline().map(|at| {
                // A timer fires at its time or just after.
                let ms = at.as_nanosecond().div_euclid(1_000_000) + i128::from(at.as_nanosecond().rem_euclid(1_000_000) > 0);
                i64::try_from(ms).unwrap() - self.offset
            });
            let inbox = self.inbox.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(index, (at, _))| (*at, index));
            let worker = self.workers.iter().enumerate().min_by_key(|(_, worker)| worker.ends).map(|(index, worker)| (worker.ends, index));
            let next = [deadline, inbox.map(|(at, _)| at), worker.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.real = self.real.max(next);
            steps += 1;
            assert!(steps < 2_000_000, "the daemon doesn't come to rest");
            if let Some((at, index)) = worker
                && at == next
            {
                self.work_ends(index);
            } else if let Some((at, index)) = inbox
                && at == next
            {
                if let Some((_, happens)) = self.inbox.remove(index) {
                    self.happen(happens);
                }
            } else {
                self.step(Event::Tick);
            }
        }
        self.real = until;
    }

    fn happen(&mut self, happens: Happens) {
        let event = match happens {
            Happens::Event(event) => event,
            Happens::Read(path) => {
                if self.reads_fail {
                    Event::ReadFailed(vec![path])
                } else {
                    Event::FileRead(self.look_at_file(path))
                }
            }
            Happens::Inspect(name) => {
                let report = (!self.inspections_fail).then(|| self.look_at_consumer(&name));
                Event::Inspected(name, report)
            }
            Happens::Probe(name, print, manner, patient_until) => match self.ask_issuer(name, print, manner, patient_until) {
                Some(event) => event,
                None => return,
            },
        };
        let heard = match &event {
            Event::Delivered(topic, channel, _) => Some((topic.clone(), *channel)),
            _ => None,
        };
        self.step(event);
        if let Some((topic, channel)) = heard {
            self.hear(&topic, channel);
        }
    }

    /// A result that came when another alert was the latest marks nothing.
    fn hear(&mut self, topic: &Topic, channel: Channel) {
        let Topic::Key(name) = topic else { return };
        let Some(record) = self.machine.key(name).map(|key| &key.record) else { return };
        for shown in self.shown.iter_mut().filter(|shown| shown.topic == *topic && shown.channel == channel) {
            let known = record.known.iter().find(|known| Some(known.fingerprint) == shown.print);
            let last = known.and_then(|known| known.alerts.last());
            shown.unheard |= last.is_some_and(|alert| alert.reason == shown.reason && alert.pending.contains(&channel));
        }
    }

    /// Workers that never end are killed.
    pub fn kill_stuck(&mut self) {
        for worker in &mut self.workers {
            worker.ends = worker.ends.min(self.real + 60_000);
        }
    }

    fn soon(&mut self, after: SignedDuration, happens: Happens) {
        self.inbox.push_back((self.real + i64::try_from(after.as_millis()).unwrap(), happens));
    }

    /// Steps the machine and carries its effects out.
    pub fn step(&mut self, event: Event) {
        let now = self.now();
        self.steps += 1;
        let effects = self.machine.step(now, event, &self.calendar);
        let next = self.machine.next_deadline();
        assert!(next.is_none_or(|next| next > now), "busy loop: at {now} the next deadline is {next:?}");
        let mut effects = effects.into_iter();
        while let Some(effect) = effects.next() {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    self.unclosed |= effects.chain([effect]).any(|effect| matches!(effect, Effect::ClosePopup(_)));
                    return self.crash();
                }
                *left -= 1;
            }
            self.carry_out(effect);
        }
    }

    // What is to be seen

    /// What keeps a key's alerts from being told.
    pub fn obstacles(&self, name: &str) -> Vec<Obstacle<'_>> {
        let mut all = Vec::new();
        self.key(name).obstacles(self.now(), &mut |found| all.push(found));
        all
    }

    pub fn key(&self, name: &str) -> &key::Key {
        self.machine.key(&name.into()).unwrap()
    }

    pub fn key_state(&self, name: &str) -> KeyState {
        self.key(name).state(&self.machine.settings().days, self.now())
    }

    pub fn state(&self, name: &str) -> ConsumerState {
        let consumer = self.machine.consumer(&name.into()).unwrap();
        consumer.state(&self.machine.targets(consumer))
    }

    pub fn holds(&self, name: &str, variable: &str) -> Option<u8> {
        self.processes.get(&name.into())?.first()?.env.get(variable).copied()
    }

    /// What was shown, and when: `"10-26T12:00:00 day-25"`.
    pub fn alerts(&self) -> Vec<String> {
        self.shown.iter().map(|shown| format!("{} {}", shown.at.strftime("%m-%dT%H:%M:%S"), shown.reason)).collect()
    }

    /// How many reminders are among them, and all else in order.
    pub fn thresholds(&self) -> Vec<String> {
        self.shown.iter().filter(|shown| shown.reason != Reason::Reminder).map(|shown| shown.reason.to_string()).collect()
    }
}
