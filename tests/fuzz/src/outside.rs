//! The core with the default configuration, and an outside that is always the same: a file with one key in it, one
//! consumer that runs with another, and whatever is wanted of them comes to a good end at once.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;

use credd::config::Surroundings;
use credd::core::{
    Anatomy, ApplyReport, ConsumerReport, Effect, Event, FileBody, FileContents, FileReport, Finding, Fingerprint, KeyKind, KeyName,
    Ledger, Machine, Outcome, PresentKey, ProbeReport, ProbeVerdict, ProcessReport, Reply, RunBy, Ticket, VariableReport,
};
use credd::cron::CronCalendar;
use credd::daemon::Configured;
use credd::view::{Viewpoint, settings, status};
use jiff::{SignedDuration, Timestamp};

/// HOME of the configuration.
pub const HOME: &str = "/home/u";

/// The core, the time, and what the outside knows.
pub struct World {
    pub machine: Machine,
    pub config: Rc<Configured>,
    pub calendar: CronCalendar,
    pub now: Timestamp,
    /// What the consumer runs with.
    runs_with: BTreeMap<KeyName, Option<Fingerprint>>,
}

/// What the file holds.
fn print() -> Fingerprint {
    Fingerprint::new(*b"0123456789abcdef")
}

impl World {
    /// Before anything has happened, from a state that was read.
    pub fn new(ledger: Ledger) -> Self {
        let config = credd::config::Config::defaults(&Surroundings { home: HOME.into() });
        let calendar = CronCalendar::new(&config.alerts.remind, config.probes()).expect("the defaults are valid");
        let machine = Machine::new(settings(&config), ledger);
        let now = Timestamp::from_second(1_800_000_000).expect("a time in 2027");
        Self { machine, config: Rc::new(Configured::new(config)), calendar, now, runs_with: BTreeMap::new() }
    }

    /// Takes a step, and those that its effects lead to. Returns the answers to requests.
    pub fn step(&mut self, event: Event) -> Vec<(Ticket, Reply)> {
        let mut replies = Vec::new();
        let mut events = VecDeque::from([event]);
        // What is wanted again and again would be a fault of its own: nothing here fails.
        for _ in 0..1000 {
            let Some(event) = events.pop_front() else { return replies };
            self.now = self.now.saturating_add(SignedDuration::from_millis(1)).expect("milliseconds");
            for effect in self.machine.step(self.now, event, &self.calendar) {
                match effect {
                    Effect::Reply(ticket, reply) => replies.push((ticket, reply)),
                    other => events.extend(self.carry_out(other)),
                }
            }
        }
        panic!("one event leads to others without end");
    }

    /// Goes on to the next deadline, or a minute on.
    pub fn wait(&mut self) -> Vec<(Ticket, Reply)> {
        let minute = self.now.saturating_add(SignedDuration::from_mins(1)).expect("a minute");
        self.now = self.machine.next_deadline().unwrap_or(minute).max(self.now);
        self.step(Event::Tick)
    }

    /// The status document; that it can be read is checked.
    pub fn document(&self) -> Vec<u8> {
        let at = Viewpoint {
            now: self.now,
            calendar: &self.calendar,
            config: &self.config,
            home: Path::new(HOME),
            daemon: None,
            problems: Vec::new(),
        };
        let document = serde_json::to_vec(&status(&self.machine, at)).expect("a document");
        serde_json::from_slice::<credd::protocol::Status>(&document).expect("that a client can read");
        document
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Event> {
        match effect {
            Effect::ReadFiles(paths) => paths.iter().map(|path| Event::FileRead(self.file(path))).collect(),
            Effect::Inspect(names) => names.into_iter().map(|name| Event::Inspected(name, Some(self.consumer()))).collect(),
            Effect::Probe(name, print, _) => {
                let works = ProbeReport { verdict: ProbeVerdict::Works, detail: "accepted".into(), consumers: Vec::new() };
                vec![Event::Probed(name, print, Some(works))]
            }
            Effect::Apply(name, targets) => {
                self.runs_with = targets.into_iter().map(|(key, print)| (key, Some(print))).collect();
                let took = SignedDuration::from_secs(4);
                let report = ApplyReport { outcome: Outcome::Applied, detail: "restarted".into(), took, pid: Some(7) };
                vec![Event::Applied(name, Some(report))]
            }
            Effect::AwaitApply(name) => vec![Event::Applied(name, None)],
            Effect::AskIam(name, print) => vec![Event::IamSaid(name, print, None)],
            Effect::Renew(name, _) | Effect::SettleRenewal(name, _) => vec![Event::RenewalEnded(name, None)],
            Effect::Retire(name, retiring) => vec![Event::Retired(name, retiring.id, None)],
            Effect::Mint(name, ..) => vec![Event::Minted(name, None)],
            Effect::Notify(channel, notice) => vec![Event::Delivered(notice.topic, channel, Some(1))],
            _ => Vec::new(),
        }
    }

    fn file(&self, path: &Path) -> FileReport {
        let anatomy = Anatomy { kind: KeyKind::Opaque, issued_at: None, expires_at: None, region: None, account: None, user: None };
        let present = PresentKey { fingerprint: print(), exported: true, line: 1, control_character: false, anatomy: anatomy.into() };
        let variable = VariableReport {
            variable: credd::config::DEFAULT_VARIABLE.into(),
            finding: Finding::Present(present.into()),
            duplicates: Box::default(),
            cut_short: false,
        };
        let contents = FileContents {
            modified_at: self.now,
            changed_at: self.now,
            mode: 0o600,
            empty: false,
            unfinished: false,
            exports_others: false,
            static_aws_keys: false,
            tracked: None,
            tracked_in: None,
            variables: Box::new([variable]),
        };
        FileReport { path: path.to_owned(), body: FileBody::Read(contents) }
    }

    fn consumer(&self) -> ConsumerReport {
        let process = ProcessReport {
            pid: 7,
            start_ticks: 7,
            started_at: Timestamp::UNIX_EPOCH,
            keys: self.runs_with.clone(),
            run_by: RunBy::Process,
            regions: Vec::new(),
        };
        ConsumerReport { processes: vec![process] }
    }
}
