//! Years of ordinary life: days go by, keys are replaced once a month, machines sleep, travel and are switched off.
//!
//! Where `simulation` has a week or two of all that can go wrong, this is long, and holds dates to the minute: an alert is no
//! later than whatever was in its way, and a reminder comes once a day at ten o'clock, wherever that is.
//!
//! `CREDD_SEED=n` runs one seed; `CREDD_YEARS=n` as many as make so many years. The seed of a failure is printed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::random::Random;
use super::world::*;
use crate::core::*;

/// How long a life is.
const DAYS: i64 = 1_100;
/// An alert is no later than this after its time, or after what was in its way. The daemon looks at once; what takes its time
/// is a probe of a key that is new.
const SLACK: SignedDuration = SignedDuration::from_mins(3);
/// What the keys are alerted on: name, file, variable, lifetime in hours.
const KEYS: [(&str, &str, &str, i32); 3] = [("month", "/a", "A", 720), ("days", "/b", "B", 72), ("quarter", "/b", "C", 2_160)];
/// Zones whose clocks change in their own ways: at midnight (Cairo), by half an hour (Lord Howe), in the south, not at all.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "UTC",
];

struct Life {
    world: World,
    random: Random,
    days: Vec<u32>,
    /// Values are used once.
    next_value: u8,
    /// When something was last in the way of alerts.
    hindered: Timestamp,
    /// The clock is set back in this life: what was late or too early then is not counted.
    jumpy: bool,
    zone: TimeZone,
    travelled: Timestamp,
    /// Until when the user asked for quiet.
    quiet: BTreeMap<&'static str, Timestamp>,
    /// On which day, and which of those that were shown.
    last_reminder: BTreeMap<(KeyName, Option<Fingerprint>), (Date, usize)>,
    /// So many of what was shown were looked at.
    reminders_seen: usize,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let days = if random.chance(50) { vec![25] } else { vec![20, 25, 29] };
        let keys = KEYS.map(|(name, file, variable, hours)| {
            let spec = if name == "month" && random.chance(30) { probed(name, variable, file) } else { key(name, variable, file) };
            KeySpec { lifetime: Some(HOUR * hours), ..spec }
        });
        let settings = Settings {
            days: days.clone(),
            channels: vec![Channel::Desktop],
            keys: shared(keys),
            consumers: vec![consumer("litellm", &[])],
        };
        let mut world = World::new(settings);
        world.writes_down = false;
        world.workers_read_first = random.chance(50);
        let hindered = world.now();
        let jumpy = random.chance(20);
        let mut life = Self {
            world,
            random,
            days,
            next_value: 0,
            hindered,
            jumpy,
            zone: TimeZone::UTC,
            travelled: hindered,
            quiet: BTreeMap::new(),
            last_reminder: BTreeMap::new(),
            reminders_seen: 0,
        };
        life.travel();
        for (_, file, variable, _) in KEYS {
            let value = life.value();
            life.world.set(file, variable, value);
        }
        life.launch();
        life.world.start();
        life
    }

    fn value(&mut self) -> u8 {
        self.next_value = self.next_value.checked_add(1).expect("a life has fewer keys");
        self.next_value
    }

    fn launch(&mut self) {
        let values = KEYS.iter().filter_map(|(_, file, variable, _)| {
            let values = self.world.files.get(std::path::Path::new(file))?.values.as_ref()?;
            Some((*variable, *values.get(*variable)?))
        });
        let env: Vec<_> = values.collect();
        self.world.launch("litellm", &env);
    }

    fn travel(&mut self) {
        // The same day can come again.
        self.last_reminder.clear();
        self.travelled = self.world.now();
        self.zone = TimeZone::get(self.random.of(&ZONES)).unwrap();
        self.world.calendar = Local(self.zone.clone());
    }

    fn hinder(&mut self) {
        self.hindered = self.world.now();
    }

    /// Hours to a few days.
    fn time(&mut self) -> SignedDuration {
        HOUR * i32::try_from(1 + self.random.below(60)).unwrap()
    }

    fn act(&mut self) {
        match self.random.below(100) {
            // About once a month for each of the three.
            0..12 => {
                let (_, file, variable, _) = self.random.of(&KEYS);
                let value = self.value();
                if self.random.chance(80) {
                    self.world.edit(file, variable, value);
                } else {
                    // Half of it first, and a notice that is late.
                    self.world.set(file, variable, 0);
                    self.world.files.get_mut(std::path::Path::new(file)).unwrap().cut_short = true;
                    self.world.hint(file);
                    self.world.run(SECOND * 2);
                    self.world.set(file, variable, value);
                    self.world.hint_later(file, MINUTE);
                    self.world.run(MINUTE);
                }
                self.hinder();
            }
            20..24 => self.world.crash(),
            24..30 => self.world.crash_after = Some(usize::try_from(self.random.below(12)).unwrap()),
            // Switched off for a night, or for a holiday.
            30..40 => {
                let time = self.time();
                self.world.stop();
                self.world.sleep(time);
                self.world.start();
                self.hinder();
            }
            // Suspended.
            40..50 => {
                let time = self.time();
                self.world.jump(time);
                self.hinder();
            }
            // Nobody shows popups for a while.
            50..56 => {
                self.world.notifier = self.random.of(&[Notifier::Refuses, Notifier::Hangs]);
                let time = self.time();
                self.world.run(time);
                self.world.notifier = Notifier::Takes;
                self.world.step(Event::NotifierAppeared);
                self.hinder();
            }
            56..60 => {
                self.travel();
                self.hinder();
            }
            60..64 => {
                self.world.kill("litellm");
                self.launch();
            }
            64..66 => {
                let (name, ..) = self.random.of(&KEYS);
                let until = self.world.now() + self.time();
                let ticket = self.world.ask(Request::Snooze(name.into(), Some(until)));
                // Refused, or asked of a daemon that died over it: what is in force now was asked for before, or it was saved.
                let is_done = self.world.replies.get(&ticket) == Some(&Reply::Done);
                let until = Some(until).filter(|_| is_done).or(self.world.key(name).record.snoozed_until);
                self.quiet.extend(until.map(|until| (name, until)));
            }
            66..68 if self.jumpy => {
                let time = self.time();
                self.world.jump(if self.random.chance(50) { time } else { -time });
                self.hinder();
            }
            _ => {}
        }
        let pause = self.time();
        self.world.run(pause);
    }

    /// Each threshold that was reached was told of, once, and no later than what was in its way.
    fn check_thresholds(&self) {
        let now = self.world.now();
        let alerts = || self.world.shown.iter().filter(|shown| shown.reason != Reason::Reminder);
        let mut heard = BTreeSet::new();
        for shown in alerts().filter(|shown| matches!(shown.topic, Topic::Key(_))) {
            let what = (&shown.topic, shown.print, shown.reason);
            assert!(!heard.contains(&what), "told twice: {shown:?}");
            // One whose result reached no machine may be shown again.
            if !shown.unheard {
                heard.insert(what);
            }
        }
        for (name, _, _, hours) in KEYS {
            let key = self.world.key(name);
            let (Some(present), Some(known)) = (key.present(), key.record.known_now()) else { continue };
            let (issued, lifetime) = (known.issued.at, HOUR * hours);
            let leads = self.days.iter().map(|day| {
                let left = 30 - i64::from(*day);
                SignedDuration::from_hours(left * 24).min(SignedDuration::from_secs(lifetime.as_secs() * left / 30))
            });
            let quiet = self.quiet.get(name).copied().unwrap_or(issued);
            let due = leads.map(|lead| (issued + lifetime - lead, quiet)).chain([(issued + lifetime, issued)]);
            for (at, quiet) in due {
                let by = at.max(self.hindered).max(quiet) + SLACK;
                let in_time = || {
                    let of_it = alerts().filter(|shown| shown.topic == Topic::Key(name.into()) && shown.print == Some(present.fingerprint));
                    of_it.map(|shown| shown.at).any(|told| told >= at && told <= by)
                };
                assert!(now < by || self.jumpy || in_time(), "{name} reached {at}, and nobody was told by {by}: {known:?}");
            }
        }
    }

    /// Reminders come at ten, one a day, or when the quiet ends that was asked for.
    fn check_reminders(&mut self) {
        let Self { last_reminder, quiet, zone, travelled, world, .. } = self;
        let seen = std::mem::replace(&mut self.reminders_seen, world.shown.len());
        for (number, shown) in world.shown.iter().enumerate().skip(seen).filter(|(_, shown)| shown.reason == Reason::Reminder) {
            let Topic::Key(name) = &shown.topic else { continue };
            let local = shown.at.to_zoned(zone.clone());
            let ends_quiet = quiet.get(name.as_str()).is_some_and(|until| shown.at.duration_since(*until).abs() < SLACK);
            // What was missed is made up for at any hour; and that it is ten elsewhere is noticed when the next thing happens.
            if self.jumpy || ends_quiet || shown.at <= self.hindered + SLACK || shown.at < *travelled + DAY + HOUR {
                continue;
            }
            assert!(local.hour() == 10 && local.minute() < 3, "{name} was reminded of at {local}");
            // One whose result reached no machine comes again.
            let before = last_reminder.insert((name.clone(), shown.print), (local.date(), number));
            let again = before.is_some_and(|(day, number)| day == local.date() && !world.shown[number].unheard);
            assert!(!again, "{name} was reminded of twice on {}", local.date());
        }
    }
}

/// Lives a life; returns how many days it had, and steps.
fn live(seed: u64) -> (i64, u64) {
    let mut life = Life::new(seed);
    let begun = life.world.now();
    while life.world.now().duration_since(begun) < SignedDuration::from_hours(DAYS * 24) {
        life.act();
        life.check_thresholds();
        life.check_reminders();
    }
    // Nothing happens for two days: all is told.
    (life.jumpy, life.hindered) = (false, life.world.now());
    life.world.run(DAY * 2);
    life.check_thresholds();
    assert_eq!(life.world.state("litellm"), consumer::ConsumerState::Current);
    (life.world.real() / 86_400_000, life.world.steps)
}

#[test]
#[allow(clippy::print_stdout)] // for --nocapture
fn years_go_by() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let wanted = number("CREDD_YEARS").unwrap_or(30) * 365;
    let first = number("CREDD_SEED").unwrap_or(0);
    let (mut seed, mut lived, mut all_steps) = (first, 0, 0);
    while lived < wanted {
        let Ok((days, steps)) = std::panic::catch_unwind(|| live(seed)) else { panic!("CREDD_SEED={seed} fails") };
        lived += u64::try_from(days).unwrap();
        all_steps += steps;
        seed += 1;
        if number("CREDD_YEARS").is_none() && number("CREDD_SEED").is_some() {
            break;
        }
    }
    println!("{} lives, {} simulated years, {all_steps} steps", seed - first, lived / 365);
}
