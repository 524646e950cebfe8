//! `kill -9` at any moment, while keys are edited, dated and quieted and alerts are due.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use credd::store::read_ledger;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::rig::{CREDD, Random, ask, events, is_long, key, put};
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::{run, wait};

/// In one home, each with a key of its own that becomes due.
const KILLS: usize = 60;
const ROUNDS: usize = 50;

/// What was said last and acknowledged, and what was said since: one of these is true.
struct Said(BTreeSet<Option<Timestamp>>);

impl Said {
    fn nothing() -> Self {
        Self([None].into())
    }

    fn say(&mut self, what: Option<Timestamp>, is_acknowledged: bool) {
        if is_acknowledged {
            self.0.clear();
        }
        self.0.insert(what);
    }

    #[track_caller]
    fn holds(&self, shown: &Value, seen: &str) {
        let shown: Option<Timestamp> = shown.as_str().map(|text| text.parse().unwrap());
        assert!(self.0.contains(&shown), "{seen}: {shown:?} is none of {:?}", self.0);
    }
}

/// What is known of one home from outside.
struct Round<'r> {
    home: &'r Home,
    number: usize,
    random: &'r mut Random,
    issued: Said,
    snoozed: Said,
    /// How often a date was acknowledged.
    dates: usize,
    /// The number of the value in the file that is edited.
    value: u64,
    /// The earliest date that was shown of each value of that file, by its fingerprint.
    earliest: BTreeMap<String, Timestamp>,
    /// Daemons that came as far as to answer.
    lived: usize,
    /// How long the last of these took to.
    start: Duration,
}

#[test]
fn nothing_acknowledged_is_lost_nothing_told_twice_and_no_key_gets_younger() {
    let mut random = Random::new();
    let rounds = if is_long() { ROUNDS } else { 1 };
    let desktop = Desktop::start();
    let begun = Instant::now();
    let (mut lived, mut dates) = (0, 0);
    for number in 0..rounds {
        let home = Home::new().on_bus(&desktop.bus());
        let mut round = Round::new(&home, number, &mut random);
        for kill in 0..KILLS {
            round.live_and_die(kill);
        }
        round.ends_well(&desktop);
        lived += round.lived;
        dates += round.dates;
        run(desktop.command("dunstctl").arg("close-all"));
        desktop.forget();
    }
    let kills = rounds * KILLS;
    println!("{kills} kills in {:.1?}; {lived} daemons had answered, {dates} dates were acknowledged", begun.elapsed());
    assert!(lived > kills / 5 && lived < kills && dates > kills / 5, "the moments are ill chosen: {lived} of {kills} lived, {dates} dates");
}

impl<'r> Round<'r> {
    fn new(home: &'r Home, number: usize, random: &'r mut Random) -> Self {
        let mut config = "consumers = []\n".to_owned();
        for name in ["asked".to_owned(), "edited".to_owned()].into_iter().chain((0..KILLS).map(|kill| due(number, kill))) {
            let _ = writeln!(config, "[[keys]]\nname = \"{name}\"\nenv_file = \"~/{name}.env\"\nprobe = \"off\"");
        }
        home.write_config(&config);
        put(&home.path().join("asked.env"), &key(&format!("asked{number}")), 1);
        let round = Self {
            home,
            number,
            random,
            issued: Said::nothing(),
            snoozed: Said::nothing(),
            dates: 0,
            value: 0,
            earliest: BTreeMap::new(),
            lived: 0,
            start: Duration::from_millis(50),
        };
        round.edit();
        let daemon = Daemon::start(CREDD, home);
        daemon.until("the keys", SOON, |status| status["keys"][0]["issued_at"].is_string() && status["keys"][1]["issued_at"].is_string());
        round
    }

    fn edit(&self) {
        put(&self.home.path().join("edited.env"), &key(&format!("edited{}v{}", self.number, self.value)), 0);
    }

    fn live_and_die(&mut self, kill: usize) {
        put(&self.home.path().join(format!("{}.env", due(self.number, kill))), &key(&format!("due{}n{kill}", self.number)), 26);
        let log = File::options().create(true).append(true).open(self.home.path().join("credd.log")).unwrap();
        let mut child = self.home.command(CREDD).arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let begun = Instant::now();
        // Starts are short, and much happens in them: half of all die in one, on this machine as it is now.
        let start = u64::try_from(self.start.as_micros()).unwrap();
        let least = if kill.is_multiple_of(2) { 0 } else { start };
        let life = Duration::from_micros(least + self.random.below(start + 50_000));
        let killer = thread::spawn(move || {
            thread::sleep(life);
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        let mut is_first = true;
        while !killer.is_finished() {
            if self.act(is_first).is_some() {
                if is_first {
                    self.lived += 1;
                    self.start = begun.elapsed();
                }
                is_first = false;
            }
        }
        killer.join().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}\n{}", self.log());
        let (_, damage) = read_ledger(&self.home.state_dir().join("credd")).unwrap();
        assert_eq!(damage, None, "after kill {kill}");
    }

    /// Does one thing; `None` if nobody answered.
    fn act(&mut self, is_first: bool) -> Option<()> {
        let socket = self.home.socket();
        match if is_first { 0 } else { self.random.below(4) } {
            0 => {
                let (code, status) = ask(&socket, "GET", "/v1/status", "").ok()?;
                assert_eq!(code, 200, "{status}");
                self.is_true(&status);
            }
            1 => {
                let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
                let at = at - SignedDuration::from_mins(1 + i64::try_from(self.random.below(20 * 24 * 60)).unwrap());
                self.issued.say(Some(at), false);
                let answer = ask(&socket, "POST", "/v1/keys/asked/issued", &json!({"at": at}).to_string()).ok()?;
                assert_eq!((answer.0, &answer.1["issued_at"]), (200, &json!(at)), "{}", answer.1);
                self.issued.say(Some(at), true);
                self.dates += 1;
            }
            2 => {
                let hours = i64::try_from(self.random.below(48)).unwrap();
                let until = (hours > 0).then(|| Timestamp::from_second(Timestamp::now().as_second() + 3600 * hours).unwrap());
                self.snoozed.say(until, false);
                let (code, answer) = ask(&socket, "POST", "/v1/keys/asked/snooze", &json!({"until": until}).to_string()).ok()?;
                assert_eq!(code, 200, "{answer}");
                self.snoozed.say(until, true);
            }
            _ => {
                // A new value, or one that was there before.
                self.value = self.random.below(self.value + 2);
                self.edit();
            }
        }
        Some(())
    }

    /// Whether what is shown can be, after all that was said.
    fn is_true(&mut self, status: &Value) {
        let keys = status["keys"].as_array().unwrap();
        if keys[0]["issued_source"] == "declared" || !self.issued.0.contains(&None) {
            self.issued.holds(&keys[0]["issued_at"], "issued");
        }
        self.snoozed.holds(&keys[0]["snoozed_until"], "snoozed");
        for key in &keys[2..] {
            let sent: Vec<_> = key["alerts_sent"].as_array().unwrap().iter().map(|alert| &alert["reason"]).collect();
            assert!(sent.is_empty() || sent == ["day-25"], "{key}");
        }
        if let (Some(print), Some(at)) = (keys[1]["fingerprint"].as_str(), keys[1]["issued_at"].as_str()) {
            let at: Timestamp = at.parse().unwrap();
            let earliest = self.earliest.entry(print.to_owned()).or_insert(at);
            assert!(at <= *earliest, "a key got younger: {at}, and it was {earliest}");
            *earliest = at;
        }
    }

    /// In quiet, all is current: everything was told, each once.
    fn ends_well(&mut self, desktop: &Desktop) {
        let daemon = Daemon::start(CREDD, self.home);
        let status = daemon.until("all to be told", SOON * 3, |status| {
            let told = |key: &Value| key["alerts_sent"].as_array().is_some_and(|sent| sent.len() == 1 && sent[0]["delivered"] == true);
            status["keys"].as_array().unwrap()[2..].iter().all(told)
        });
        self.is_true(&status);
        assert_eq!(status["problems"], json!([]));
        let user = format!("BedrockAPIKey-edited{}v{}", self.number, self.value);
        daemon.until("the last edit", SOON, |status| status["keys"][1]["user"] == user.as_str());
        wait::until_true("the bus to have told all", SOON, || {
            desktop.notifications().iter().all(|popup| popup.id.is_some()) || self.shown(desktop).len() == KILLS
        });
        let shown = self.shown(desktop);
        assert_eq!(shown.len(), KILLS, "one popup of each");
        assert!(shown.values().all(|ids| ids.len() == 1), "each popup replaces the one before it: {shown:?}");
        let events = events(&daemon);
        let dated = events.iter().filter(|event| *event == "issued-declared").count();
        assert!(dated >= self.dates, "{dated} dates in the history, {} were acknowledged", self.dates);
        let log = self.log();
        assert!(!log.contains("panicked") && !log.contains("state-recovered"), "{log}");
        let strays: Vec<_> = fs::read_dir(self.home.state_dir().join("credd")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let strange = strays.iter().filter(|name| !["state.journal", "history.jsonl", "salt", "lock"].iter().any(|known| name == known));
        assert!(strange.count() <= 3, "{strays:?}");
    }

    /// The popups that the server has shown, by what they say: it gave each its number.
    fn shown(&self, desktop: &Desktop) -> BTreeMap<String, BTreeSet<u32>> {
        let mut shown: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for popup in desktop.notifications().iter().filter(|popup| popup.summary.starts_with(&format!("due{}-", self.number))) {
            shown.entry(popup.summary.clone()).or_default().extend(popup.id);
        }
        shown
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("credd.log")).unwrap_or_default()
    }
}

/// The name of the key that becomes due before this kill.
fn due(round: usize, kill: usize) -> String {
    format!("due{round}-{kill:02}")
}
