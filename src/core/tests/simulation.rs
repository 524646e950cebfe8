//! Random life around the core, with everything that goes wrong, and what must hold all the same.
//!
//! `CREDD_SEED=n` runs one seed, `CREDD_LONG=1` many. The seed of a failure is printed.

use std::sync::Arc;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::random::Random;
use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::key::KeyState;
use crate::core::*;

const FILES: [(&str, &str, &str); 3] = [("a", "/a", "A"), ("b", "/b", "B"), ("c", "/b", "C")];
const CONSUMERS: [&str; 3] = ["all", "some", "manual"];

fn settings() -> Settings {
    let mut keys: Vec<_> = FILES.iter().map(|(name, file, variable)| probed(name, variable, file)).collect();
    keys[1].probed = false;
    keys[1].lifetime = Some(DAY * 3);
    let mut consumers = vec![consumer("all", &[]), consumer("some", &["b"]), consumer("manual", &["a"])];
    consumers[2].restartable = false;
    Settings { days: vec![20, 25], channels: vec![Channel::Desktop, Channel::Command], keys: shared(keys), consumers }
}

/// The same, with a key that credd renews by itself.
fn settings_of(renews: bool) -> Settings {
    let mut settings = settings();
    if renews {
        Arc::make_mut(&mut settings.keys[0]).iam = Iam::Read;
        Arc::make_mut(&mut settings.keys[1]).iam = Iam::Renew;
    }
    settings
}

struct Life {
    world: World,
    random: Random,
    /// The clock is set now and then in this life.
    jumpy: bool,
    /// credd makes the keys itself.
    renews: bool,
    /// Until when alerts that come again are in order: dates or lifetimes have been changed.
    rearmed: usize,
    jumped_at: i64,
    by_hand: BTreeSet<i32>,
    first_seen: BTreeMap<(KeyName, Fingerprint), Timestamp>,
    tickets: Vec<(u32, Ticket)>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut world = World::new(settings());
        if random.chance(30) {
            world.own_ids = Some(0);
        }
        world.workers_read_first = random.chance(50);
        let renews = random.chance(40);
        if renews {
            world.kind = KeyKind::BedrockLongTerm;
            world.iam.at_random = true;
            world.iam.lifetime = DAY * 3;
            world.iam.workers_die = random.chance(30);
            world.reconfigure(settings_of(renews));
        }
        let mut life = Self {
            world,
            jumpy: random.chance(40),
            renews,
            random,
            rearmed: 0,
            jumped_at: i64::MIN,
            by_hand: BTreeSet::new(),
            first_seen: BTreeMap::new(),
            tickets: Vec::new(),
        };
        for (_, file, variable) in FILES {
            let value = life.value(variable);
            life.world.set(file, variable, value);
        }
        for name in CONSUMERS {
            life.launch(name);
        }
        life.world.start();
        life
    }

    /// Starts a consumer by hand, with what its files hold or something older.
    fn launch(&mut self, name: &str) {
        let old = self.random.chance(30);
        let mut env = Vec::new();
        for (_, file, variable) in FILES {
            let values = self.world.files.get(std::path::Path::new(file)).and_then(|file| file.values.as_ref());
            let held = values.and_then(|values| values.get(variable)).copied();
            if let Some(value) = if old { Some(self.value(variable)) } else { held } {
                env.push((variable, value));
            }
        }
        self.world.launch(name, &env);
        self.by_hand.insert(self.world.processes[&name.into()].last().unwrap().pid);
    }

    fn file(&mut self) -> (&'static str, &'static str) {
        let (_, file, variable) = self.random.of(&FILES);
        (file, variable)
    }

    /// A value of a variable. No two have one in common: a date declared for one would count for both.
    fn value(&mut self, variable: &str) -> u8 {
        let first = FILES.iter().position(|file| file.2 == variable).unwrap() * 20;
        u8::try_from(first).unwrap() + self.random.small(12)
    }

    /// A change is told of, or overlooked and told of within a minute.
    fn hint(&mut self, file: &str) {
        if self.random.chance(85) {
            self.world.hint(file);
        } else {
            let late = SignedDuration::from_millis(i64::try_from(self.random.below(60_000)).unwrap());
            self.world.hint_later(file, late);
        }
    }

    fn act(&mut self) {
        match self.random.below(100) {
            0..20 => {
                let (file, variable) = self.file();
                let value = self.value(variable);
                self.world.set(file, variable, value);
                self.hint(file);
            }
            20..24 => self.half(),
            24..28 => self.lose(),
            28..32 => {
                let (file, _) = self.file();
                for _ in 0..self.random.below(200) {
                    self.world.hint(file);
                    self.world.run(SignedDuration::from_millis(100));
                }
            }
            32..34 => {
                let (file, _) = self.file();
                if let Some(file) = self.world.files.get_mut(std::path::Path::new(file)) {
                    file.busy ^= true;
                }
                self.hint(file);
            }
            34..40 => self.world.crash(),
            40..46 => self.world.crash_after = Some(usize::try_from(self.random.below(12)).unwrap()),
            46..52 => {
                self.world.notifier = self.random.of(&[Notifier::Takes, Notifier::Refuses, Notifier::Hangs, Notifier::Mute]);
                self.issuer();
                self.world.duplicates = self.random.chance(20);
                self.world.command_fails = self.random.chance(20);
                if self.world.notifier == Notifier::Takes {
                    self.world.step(Event::NotifierAppeared);
                }
            }
            52..60 => {
                let outcomes = [Outcome::Applied, Outcome::RolledBack, Outcome::Failed, Outcome::Refused, Outcome::Superseded];
                let ends = Plan::Ends(self.random.of(&outcomes));
                let plan = self.random.of(&[ends, ends, ends, Plan::Dies, Plan::DiesDone, Plan::Never]);
                self.world.plans.push_back(plan);
                self.world.apply_takes = SignedDuration::from_millis(1 + i64::try_from(self.random.below(60_000)).unwrap());
            }
            60..66 => {
                let name = self.random.of(&CONSUMERS);
                self.world.kill(name);
                if self.random.chance(70) {
                    let pause = self.random.time().min(MINUTE);
                    self.world.run(pause);
                    self.launch(name);
                }
            }
            66..76 => self.ask(),
            76..78 if self.jumpy => {
                let by = self.random.time() * 3;
                self.world.jump(if self.random.chance(50) { by } else { -by });
                self.jumped_at = self.world.real();
            }
            76..80 => {
                // A suspend.
                let by = self.random.time();
                self.world.jump(by);
                self.jumped_at = self.world.real();
            }
            80..83 => self.reconfigure(),
            83..86 => {
                self.world.inspections_fail = self.random.chance(30);
                self.world.reads_fail = self.random.chance(30);
            }
            _ => {}
        }
        let pause = self.random.time();
        self.world.run(pause);
    }

    /// Keys are revoked, become known, or nobody can tell.
    fn issuer(&mut self) {
        let verdicts =
            [ProbeVerdict::Works, ProbeVerdict::Rejected, ProbeVerdict::Denied, ProbeVerdict::Unreachable, ProbeVerdict::Unknown];
        let says = Issuer::Says(self.random.of(&verdicts));
        self.world.issuer = self.random.of(&[Issuer::Truthful, Issuer::Truthful, Issuer::Truthful, says, Issuer::Silent]);
        self.world.iam.trouble = self.random.chance(30).then(refused);
        for _ in 0..self.random.below(8) {
            let value = self.random.small(60);
            if !self.world.rejects.remove(&value) {
                self.world.rejects.insert(value);
            }
        }
    }

    /// A value is written in two pieces.
    fn half(&mut self) {
        let (file, variable) = self.file();
        self.world.set(file, variable, 200);
        self.world.files.get_mut(std::path::Path::new(file)).unwrap().cut_short = true;
        self.world.hint(file);
        let pause = SignedDuration::from_millis(i64::try_from(self.random.below(900)).unwrap());
        self.world.run(pause);
        let value = self.value(variable);
        self.world.set(file, variable, value);
        self.world.hint(file);
    }

    /// A file is replaced by one that comes late.
    fn lose(&mut self) {
        let (file, _) = self.file();
        let Some(before) = self.world.files.get(std::path::Path::new(file)).and_then(|file| file.values.clone()) else { return };
        self.world.remove(file);
        let pause = SignedDuration::from_millis(i64::try_from(self.random.below(9000)).unwrap());
        self.world.run(pause);
        let now = self.world.now();
        let lost = self.world.files.get_mut(std::path::Path::new(file)).unwrap();
        lost.values = Some(before);
        lost.modified = Some(now);
        self.hint(file);
    }

    fn ask(&mut self) {
        let key = KeyName::from(self.random.of(&FILES).0);
        let now = self.world.now();
        let time = self.random.time();
        let request = match self.random.below(if self.renews { 11 } else { 9 }) {
            9 => Request::Renew(key),
            10 => Request::Renewed(key, print(self.random.small(60))),
            0..3 => Request::Apply(self.random.of(&CONSUMERS).into(), self.random.chance(30)),
            3 | 4 => Request::Refresh,
            5 => Request::Snooze(key, Some(now + time)),
            6 => Request::Snooze(key, None),
            7 => Request::Verify(key),
            _ => {
                self.rearmed = self.world.shown.len();
                Request::Issued(key, now - time)
            }
        };
        let daemon = self.world.daemon();
        let ticket = self.world.ask(request);
        self.tickets.push((daemon, ticket));
        self.rearmed = self.rearmed.min(self.world.shown.len());
    }

    fn reconfigure(&mut self) {
        let mut settings = settings_of(self.renews);
        if self.random.chance(30) {
            settings.consumers.remove(usize::try_from(self.random.below(3)).unwrap());
        }
        if self.random.chance(20) {
            self.rearmed = self.world.shown.len();
            Arc::make_mut(&mut settings.keys[0]).lifetime = self.random.of(&[None, Some(DAY * 5), Some(DAY * 90)]);
        } else if self.world.settings.keys[0].lifetime != settings.keys[0].lifetime {
            self.rearmed = self.world.shown.len();
        }
        self.world.reconfigure(settings);
    }

    // What must hold

    fn check(&mut self) {
        self.check_alerts();
        self.check_restarts();
        for key in self.world.machine.keys() {
            for known in &key.record.known {
                assert_ne!(known.fingerprint, print(200), "half a value was believed");
                let first = *self.first_seen.entry((key.spec.name.clone(), known.fingerprint)).or_insert(known.first_seen);
                // What was not saved before a crash is seen anew, a little later.
                if !self.jumpy && known.issued.source <= IssuedSource::Observed {
                    assert!(known.issued.at <= first, "{} is younger than its first sight at {first}", key.spec.name);
                }
            }
        }
    }

    fn check_alerts(&self) {
        let mut heard = BTreeSet::new();
        for shown in &self.world.shown[self.rearmed..] {
            if shown.reason == Reason::Reminder || matches!(shown.topic, Topic::Consumer(_) | Topic::News(_)) {
                continue;
            }
            // That it is rejected is news again once it was good.
            let good = if shown.reason == Reason::Rejected { shown.good } else { 0 };
            let what = (&shown.topic, shown.print, shown.reason, shown.channel, good);
            assert!(!heard.contains(&what), "told twice: {what:?} at {}", shown.at);
            if !shown.unheard {
                heard.insert(what);
            }
        }
    }

    fn check_restarts(&self) {
        for name in CONSUMERS {
            let restarts =
                self.world.applies.iter().filter(|(at, consumer, _, done)| *done && consumer.as_str() == name && *at > self.jumped_at);
            let times: Vec<i64> = restarts.map(|(at, ..)| *at).collect();
            assert!(
                times.windows(4).all(|four| four[3] - four[0] >= 600_000),
                "more than three restarts of {name} in ten minutes: {times:?}"
            );
        }
    }

    /// Everything works, and nothing happens for a while.
    fn calm(&mut self) {
        let world = &mut self.world;
        world.crash_after = None;
        world.plans.clear();
        world.issuer = Issuer::Truthful;
        world.iam.trouble = None;
        world.apply_takes = SECOND * 4;
        world.notifier = Notifier::Takes;
        world.duplicates = false;
        world.command_fails = false;
        world.inspections_fail = false;
        world.reads_fail = false;
        world.kill_stuck();
        for file in world.files.values_mut() {
            file.busy = false;
        }
        for name in ["a", "b", "c"] {
            world.ask(Request::Snooze(name.into(), None));
        }
        for (_, file, _) in FILES {
            world.hint(file);
        }
        world.run(HOUR * 14);
        for (daemon, ticket) in std::mem::take(&mut self.tickets) {
            if daemon == self.world.daemon() {
                self.world.reply(ticket);
            }
        }
        self.check();
        self.check_keys();
        self.check_consumers();
        self.check_renewals();
    }

    /// No renewal is left in the middle, and every key that was made is in use or on its way out.
    fn check_renewals(&self) {
        let world = &self.world;
        for key in world.machine.keys() {
            let renewal = &key.record.renewal;
            let waits = renewal.as_ref().is_some_and(|renewal| matches!(renewal.stage, Stage::Written(_)));
            assert!(renewal.is_none() || waits, "{}: {renewal:?}", key.spec.name);
        }
        for issued in world.iam.issued.iter().filter(|issued| issued.credential.status == CredentialStatus::Active) {
            let value = print(issued.value);
            let in_file = world.files.values().any(|file| file.values.iter().flatten().any(|(_, held)| *held == issued.value));
            let being_retired = |key: &key::Key| key.record.retiring.iter().any(|retiring| retiring.fingerprint == value);
            // What somebody replaced by hand is that somebody's to revoke; credd says so.
            let is_former = |key: &key::Key| key.record.known.iter().any(|known| known.fingerprint == value && known.replaced_at.is_some());
            let accounted_for = in_file || world.machine.keys().any(|key| being_retired(key) || is_former(key));
            assert!(accounted_for, "a surplus key: {issued:?}");
        }
    }

    fn check_keys(&self) {
        let world = &self.world;
        for (name, file, variable) in FILES {
            let key = world.key(name);
            let held = world.files[std::path::Path::new(file)].values.as_ref().and_then(|values| values.get(variable));
            if let Some(held) = held {
                assert_eq!(key.present().map(|key| key.fingerprint), Some(print(*held)), "what {file} holds is known");
            }
            let state = world.key_state(name);
            let is_rejected = key.spec.probed && held.is_some_and(|held| world.rejects.contains(held));
            if state != KeyState::Expired {
                assert_eq!(state == KeyState::Rejected, is_rejected && state != KeyState::Missing, "{name} is {state:?}");
            }
            assert_eq!(world.obstacles(name), [], "{name}: all can be told again");
            let told = key.record.known_now().and_then(|known| known.alerts.iter().map(AlertSent::weight).max());
            if matches!(state, KeyState::Due | KeyState::Expired) {
                let alert = key.latest_alert().expect("what is due was told");
                let fresh = world.now().duration_since(alert.at) < MINUTE;
                assert!(fresh || (alert.delivered && alert.pending.is_empty()), "{name}: {alert:?}");
                assert!(told >= Some(if state == KeyState::Expired { Reason::Expired } else { Reason::Day(20) }), "{name}: {told:?}");
            } else if state == KeyState::Rejected {
                let known = key.record.known_now().unwrap();
                let speaks_of_it = |alert: &AlertSent| alert.reason == Reason::Rejected || alert.covers.contains(&Reason::Rejected);
                let alert = key.latest_alert().expect("what is rejected was told");
                assert!(known.alerts.iter().any(speaks_of_it) && alert.delivered && alert.pending.is_empty(), "{name}: {known:?}");
            } else if !self.jumpy && !world.unclosed && world.own_ids.is_none() {
                // Where the service chooses ids, one whose result was lost is not known.
                let up = world.up.values().filter(|topic| **topic == Topic::Key(name.into())).count();
                assert!(up == 0 || state != KeyState::Ok, "a popup about {name} is up, which is well");
            }
        }
    }

    fn check_consumers(&self) {
        let world = &self.world;
        for spec in &world.settings.consumers {
            let name = spec.name.as_str();
            let processes = world.processes.get(&spec.name).map(Vec::as_slice).unwrap_or_default();
            let by_hand = processes.iter().any(|process| self.by_hand.contains(&process.pid));
            match world.state(name) {
                ConsumerState::Current => {
                    for (key, value) in world.machine.targets(world.machine.consumer(&spec.name).unwrap()) {
                        let variable = &world.key(key.as_str()).spec.variable;
                        let held = |process: &Process| process.env.get(&**variable).is_some_and(|held| print(*held) == value);
                        // One that was started by hand beside another is found when somebody asks.
                        assert!(by_hand || processes.iter().all(held), "{name} is said to be current");
                    }
                }
                ConsumerState::Absent | ConsumerState::Failed => assert!(by_hand || processes.is_empty(), "{name} runs"),
                ConsumerState::Stale | ConsumerState::Pending => {
                    let consumer = world.machine.consumer(&spec.name).unwrap();
                    let explained = world.machine.lacks_what_is_rejected(consumer);
                    assert!(self.jumpy || by_hand || !spec.restartable || explained, "{name} is not up to date");
                }
                ConsumerState::Applying => panic!("{name} is still being worked on"),
            }
        }
    }
}

fn live(seed: u64) -> (i64, u64) {
    let mut life = Life::new(seed);
    for _ in 0..3 {
        for _ in 0..40 {
            life.act();
            life.check();
        }
        life.calm();
    }
    (life.world.real(), life.world.steps)
}

#[test]
#[allow(clippy::print_stdout)] // for --nocapture
fn whatever_happens() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match (number("CREDD_SEED"), number("CREDD_LONG")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(1..)) => 0..5_000,
        (None, _) => 0..24,
    };
    let (mut lived, mut all_steps) = (0, 0);
    for seed in seeds.clone() {
        let Ok((time, steps)) = std::panic::catch_unwind(|| live(seed)) else { panic!("CREDD_SEED={seed} fails") };
        lived += time;
        all_steps += steps;
    }
    println!("{} seeds, {} simulated days, {all_steps} steps", seeds.count(), lived / 1000 / 86_400);
}
