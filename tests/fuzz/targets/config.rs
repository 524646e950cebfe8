//! The configuration: whatever the text, it is a configuration that everything else can work with, or one error whose
//! place lies in the text; and what `credd config --print` makes of it reads back as the same.
#![no_main]

use std::path::Path;

use credd::config::{Config, ConfigError, Surroundings, show};
use credd::core::{Calendar as _, Event, Ledger, Machine};
use credd::cron::CronCalendar;
use credd::view::settings;
use jiff::Timestamp;

/// A time in 2027.
const NOW: i64 = 1_800_000_000;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (path, surroundings) = (Path::new("/c.toml"), Surroundings { home: "/home/u".into() });
    let config = match Config::parse(path, text, &surroundings) {
        Ok(config) => config,
        Err(error) => return check(&error, text),
    };
    let shown = show(&config, path, text);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "nothing that a terminal takes for more than text");
    let again = Config::parse(path, &shown, &surroundings);
    assert!(again.as_ref() == Ok(&config), "it reads back as the same");
    work(&config);
});

/// As the daemon does with it.
fn work(config: &Config) {
    let calendar = CronCalendar::new(&config.alerts.remind, config.probes()).expect("its expressions were read before");
    let now = Timestamp::from_second(NOW).expect("a time");
    let mut machine = Machine::new(settings(config), Ledger::default());
    let _ = machine.step(now, Event::Start, &calendar);
    assert!(calendar.tomorrow(now) > now);
    for key in machine.keys() {
        assert!(calendar.next_probe(&key.spec.name, now).is_none_or(|next| next > now));
    }
    assert!(machine.keys().len() == config.keys.len() && machine.consumers().len() == config.consumers.len(), "names are unique");
    assert!(config.keys.iter().all(|key| key.env_file.is_absolute() && !key.variable.is_empty()));
    assert!(config.alerts.days.is_sorted() && config.alerts.days.iter().all(|day| (1..=30).contains(day)));
}

fn check(error: &ConfigError, text: &str) {
    assert!(!error.message.is_empty() && !error.message.contains(char::is_control), "one line, of text");
    let place = error.place.as_ref().expect("a place in the text");
    let line = text.split('\n').nth(place.line - 1).expect("a line of the text");
    assert!(place.column - 1 + place.width <= line.chars().count() + 1, "a place on its line");
    assert!(place.text.chars().count() <= line.chars().count());
    // What steers a terminal is made harmless by whoever prints it; here a character is one column.
    assert_eq!(error.to_string().split('\n').count(), 4, "what, and the line with a caret");
}
