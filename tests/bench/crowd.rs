//! A core with many keys, and the outside as it needs it: what benchmarks and the tests of costs step through.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use credd::core::{
    Anatomy, Calendar, Channel, ConsumerReport, ConsumerSpec, Effect, Event, FileBody, FileContents, FileReport, Finding, Fingerprint, Iam,
    KeyKind, KeyName, KeySpec, Ledger, Machine, PresentKey, Settings, VariableReport,
};
use jiff::{SignedDuration, Timestamp};

const KEYS_A_FILE: usize = 5;
const KEYS_A_CONSUMER: usize = 50;
const DAY: i64 = 86_400;

/// Reminders and probes at midnight.
struct Daily;

impl Daily {
    fn midnight_after(time: Timestamp) -> Option<Timestamp> {
        Timestamp::from_second((time.as_second().div_euclid(DAY) + 1) * DAY).ok()
    }
}

impl Calendar for Daily {
    fn next_reminder(&self, time: Timestamp) -> Option<Timestamp> {
        Self::midnight_after(time)
    }

    fn tomorrow(&self, now: Timestamp) -> Timestamp {
        Self::midnight_after(now).unwrap_or(now)
    }

    fn next_probe(&self, _: &KeyName, time: Timestamp) -> Option<Timestamp> {
        Self::midnight_after(time)
    }
}

/// The core, and what it believes of files that nobody wrote.
pub struct Crowd {
    pub machine: Machine,
    now: Timestamp,
    keys: usize,
    /// Goes into every new value.
    edits: u64,
}

impl Crowd {
    /// Nothing has happened yet.
    pub fn new(keys: usize) -> Self {
        let machine = Machine::new(settings(keys), Ledger::default());
        Self { machine, now: Timestamp::from_second(1_800_000_000).unwrap(), keys, edits: 0 }
    }

    /// Everything was looked at, and nothing is under way.
    pub fn started(keys: usize) -> Self {
        let mut crowd = Self::new(keys);
        crowd.start();
        crowd
    }

    pub fn start(&mut self) {
        self.step(Event::Start);
    }

    /// One key gets another value, up to the last effect of that. Returns how many effects there were.
    pub fn edit(&mut self) -> usize {
        self.edits += 1;
        let hint = Event::FileHint(vec![path(self.keys / 2 / KEYS_A_FILE).to_path_buf()]);
        let effects = self.step(hint);
        let due = self.machine.next_deadline().expect("a file that is to be read");
        self.now = self.now.max(due);
        effects + self.step(Event::Tick)
    }

    /// Takes a step, and those that its effects lead to.
    fn step(&mut self, event: Event) -> usize {
        let mut count = 0;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.now = self.now.saturating_add(SignedDuration::from_millis(1)).unwrap();
            for effect in self.machine.step(self.now, event, &Daily) {
                count += 1;
                match effect {
                    Effect::ReadFiles(paths) => events.extend(paths.iter().map(|path| Event::FileRead(self.report(path)))),
                    Effect::Inspect(names) => {
                        let nobody = || Some(ConsumerReport { processes: Vec::new() });
                        events.extend(names.into_iter().map(|name| Event::Inspected(name, nobody())));
                    }
                    _ => {}
                }
            }
        }
        count
    }

    fn report(&self, path: &Path) -> FileReport {
        let number: u64 = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("a file of this crowd");
        let variables = (0..KEYS_A_FILE).map(|key| variable(number, key, if key == 0 { self.edits } else { 0 })).collect();
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
            variables,
        };
        FileReport { path: path.to_owned(), body: FileBody::Read(contents) }
    }
}

fn settings(keys: usize) -> Settings {
    let files: Vec<Arc<Path>> = (0..keys.div_ceil(KEYS_A_FILE)).map(path).collect();
    let key = |number: usize| KeySpec {
        name: key_name(number),
        variable: variable_name(number % KEYS_A_FILE).into(),
        env_file: Arc::clone(&files[number / KEYS_A_FILE]),
        lifetime: Some(SignedDuration::from_hours(720)),
        probed: false,
        endpoint: None,
        region: "us-east-1".into(),
        iam: Iam::Off,
        minted: false,
    };
    let consumer = |number: usize| ConsumerSpec {
        name: format!("consumer-{number}").as_str().into(),
        keys: (0..keys).skip(number * KEYS_A_CONSUMER).take(KEYS_A_CONSUMER).map(key_name).collect(),
        restartable: true,
    };
    Settings {
        days: vec![25],
        channels: vec![Channel::Desktop],
        keys: (0..keys).map(key).map(Arc::new).collect(),
        consumers: (0..keys.div_ceil(KEYS_A_CONSUMER)).map(consumer).collect(),
    }
}

fn key_name(number: usize) -> KeyName {
    format!("key-{number}").as_str().into()
}

fn variable_name(number: usize) -> String {
    format!("KEY_{number}")
}

fn path(number: usize) -> Arc<Path> {
    Path::new(&format!("/home/u/{number}.env")).into()
}

/// The same value has the same fingerprint.
fn variable(file: u64, key: usize, edit: u64) -> VariableReport {
    let mut print = [0; 16];
    print[..4].copy_from_slice(&u32::try_from(file).unwrap().to_be_bytes());
    print[4] = u8::try_from(key).unwrap();
    print[8..].copy_from_slice(&edit.to_be_bytes());
    let anatomy = Anatomy { kind: KeyKind::Opaque, issued_at: None, expires_at: None, region: None, account: None, user: None };
    let present = PresentKey {
        fingerprint: Fingerprint::new(print),
        exported: true,
        line: key + 1,
        control_character: false,
        anatomy: anatomy.into(),
    };
    VariableReport {
        variable: variable_name(key).into(),
        finding: Finding::Present(present.into()),
        duplicates: Box::default(),
        cut_short: false,
    }
}
