//! Cron expressions with seconds, as tokio-cron-scheduler reads them, in local time.

use std::collections::HashMap;
use std::rc::Rc;

use chrono::Local;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::core::{Calendar, KeyName};
use crate::zone;

/// Reads an expression exactly as the scheduler does (its `Job::new_async_tz`), so that the two never
/// differ about a time.
pub fn parse(expression: &str) -> Result<Cron, String> {
    CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(true)
        .build()
        .parse(expression)
        .map_err(|_| format!("{expression:?} is not a cron expression"))
}

/// Whether an expression comes at all: the 30th of February doesn't, and each look for it would be through thousands of
/// years.
pub fn comes(cron: &Cron) -> bool {
    cron.find_next_occurrence(&chrono::DateTime::UNIX_EPOCH, false).is_ok()
}

/// The first time of `cron` after `time`, in the local time zone as it is now; an hour that a clock
/// change skips or repeats is the cron library's business, once for both.
pub fn next_after(cron: &Cron, time: Timestamp) -> Option<Timestamp> {
    let local = chrono::DateTime::from_timestamp(time.as_second(), 0)?.with_timezone(&Local);
    let next = cron.find_next_occurrence(&local, false).ok()?;
    Timestamp::from_second(next.timestamp()).ok()
}

/// The user's cron expressions as the core asks them.
pub struct CronCalendar {
    remind: Cron,
    /// Keys that are asked after; thousands may share one expression.
    probes: HashMap<KeyName, Rc<Cron>>,
}

impl CronCalendar {
    /// Of the `remind` expression and the `probe` expressions of keys.
    pub fn new<'c>(remind: &str, probes: impl Iterator<Item = (&'c KeyName, &'c str)>) -> Result<Self, String> {
        let mut parsed: HashMap<&str, Rc<Cron>> = HashMap::new();
        let mut of_keys = HashMap::new();
        for (key, expression) in probes {
            let cron = match parsed.get(expression) {
                Some(cron) => cron.clone(),
                None => parsed.entry(expression).or_insert(Rc::new(parse(expression)?)).clone(),
            };
            of_keys.insert(key.clone(), cron);
        }
        Ok(Self { remind: parse(remind)?, probes: of_keys })
    }
}

impl Calendar for CronCalendar {
    fn next_reminder(&self, time: Timestamp) -> Option<Timestamp> {
        next_after(&self.remind, time)
    }

    fn next_probe(&self, key: &KeyName, time: Timestamp) -> Option<Timestamp> {
        next_after(self.probes.get(key)?, time)
    }

    fn tomorrow(&self, now: Timestamp) -> Timestamp {
        let this_time_tomorrow = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
        let zoned = now.to_zoned(zone::local());
        let midnight = zoned.checked_add(1.day()).and_then(|tomorrow| tomorrow.start_of_day());
        midnight.ok().and_then(|midnight| self.next_reminder(midnight.timestamp())).map_or(this_time_tomorrow, |next| {
            // A cron that comes once a week would be quiet for a week.
            if next.duration_since(now) > SignedDuration::from_hours(48) { this_time_tomorrow } else { next }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_scheduler_reads() {
        for expression in ["0 0 10 * * *", "0 0 */6 * * *", "*/2 * * * * *", "0 30 9 * * MON-FRI", "0 0 10 1 * *"] {
            assert!(parse(expression).is_ok(), "{expression}");
            assert!(tokio_cron_scheduler::Job::new_async_tz(expression, Local, |_, _| Box::pin(async {})).is_ok(), "{expression}");
        }
        for expression in ["", "never", "0 10 * * *", "61 0 10 * * *"] {
            assert!(parse(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn comes_after() {
        let cron = parse("*/10 * * * * *").unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(next_after(&cron, at(1_000_000_000)), Some(at(1_000_000_010)));
        assert_eq!(next_after(&cron, at(1_000_000_001)), Some(at(1_000_000_010)));
    }

    /// Runs once more in each zone: chrono takes the zone of the process.
    #[test]
    fn at_ten_on_the_clock_all_year_in_any_zone() {
        const TEST: &str = "cron::tests::at_ten_on_the_clock_all_year_in_any_zone";
        let Ok(zone) = std::env::var("CREDD_TEST_ZONE") else {
            // Offsets of half hours and quarters, clocks that change in either half of the year, at midnight, or by half an hour.
            for zone in
                ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham", "Australia/Lord_Howe", "America/Santiago"]
            {
                let mut again = std::process::Command::new(std::env::current_exe().unwrap());
                let output = again.args(["--exact", TEST, "--nocapture"]).env("TZ", zone).env("CREDD_TEST_ZONE", zone).output().unwrap();
                let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                assert!(output.status.success() && said.contains("1 passed"), "{zone}: {said}");
            }
            return;
        };
        let zone = jiff::tz::TimeZone::get(&zone).unwrap();
        let calendar = CronCalendar::new("0 0 10 * * *", std::iter::empty()).unwrap();
        let mut time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut days = 0;
        loop {
            let next = calendar.next_reminder(time).unwrap();
            let there = next.to_zoned(zone.clone());
            if there.year() > 2026 {
                break;
            }
            assert_eq!(there.time(), jiff::civil::time(10, 0, 0, 0), "{there}");
            // A popup of today's is quiet until ten tomorrow, however long the night is.
            assert_eq!(calendar.tomorrow(next).to_zoned(zone.clone()).date(), there.date().tomorrow().unwrap(), "{there}");
            (time, days) = (next, days + 1);
        }
        assert!((364..=366).contains(&days), "{days}");
    }

    #[test]
    fn each_key_has_its_own() {
        let (often, seldom, never) = (KeyName::from("often"), KeyName::from("seldom"), KeyName::from("never"));
        let probes = [(&often, "*/10 * * * * *"), (&seldom, "0 0 * * * *")];
        let calendar = CronCalendar::new("0 0 10 * * *", probes.into_iter()).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(calendar.next_probe(&often, at(7_200)), Some(at(7_210)));
        assert_eq!(calendar.next_probe(&seldom, at(7_200)), Some(at(10_800)));
        assert_eq!(calendar.next_probe(&never, at(7_200)), None);
        assert!(CronCalendar::new("0 0 10 * * *", [(&often, "x")].into_iter()).is_err());
    }

    #[test]
    fn tomorrow_is_tomorrow() {
        let calendar = CronCalendar::new("0 0 10 * * *", std::iter::empty()).unwrap();
        let now: Timestamp = "2026-11-22T10:00:05Z".parse().unwrap();
        let hours = calendar.tomorrow(now).duration_since(now).as_secs_f64() / 3600.0;
        assert!((10.0..48.0).contains(&hours), "{hours}");
    }
}
