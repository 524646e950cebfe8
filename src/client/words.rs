//! Times and lengths of time as people say them.

use jiff::{SignedDuration, Timestamp, Zoned};

use super::Failure;
use crate::config::parse_duration;
use crate::zone;

const HOUR: f64 = 1.0 / 24.0;

/// A number of days: whole days, hours below two days (contract, section 7).
pub fn days(days: f64) -> String {
    let (count, unit) = if days < 2.0 { ((days / HOUR).round(), "hour") } else { (days.round(), "day") };
    if days < HOUR / 2.0 {
        return "less than an hour".into();
    }
    format!("{count} {unit}{}", if (count - 1.0).abs() < 0.5 { "" } else { "s" })
}

/// The same for a narrow place.
pub fn days_short(days: f64) -> String {
    if days < 2.0 { format!("{}h", (days / HOUR).round().max(0.0)) } else { format!("{}d", days.round()) }
}

/// A moment, as seen from `now`: "today 10:00", "Friday 27 November 10:12", "3 January 2027".
pub fn moment(time: Timestamp, now: &Zoned) -> String {
    let time = time.to_zoned(now.time_zone().clone());
    let clock = time.strftime("%H:%M");
    let distance = time.date().duration_since(now.date()).as_hours() / 24;
    match distance {
        0 => format!("today {clock}"),
        1 => format!("tomorrow {clock}"),
        -1 => format!("yesterday {clock}"),
        2..=60 => format!("{} {clock}", time.strftime("%A %-d %B")),
        -300..=-2 => format!("{} {clock}", time.strftime("%-d %B")),
        _ => time.strftime("%-d %B %Y").to_string(),
    }
}

/// The same for a narrow place: "Fri 27 Nov 10:12".
pub fn moment_short(time: Timestamp, now: &Zoned) -> String {
    let there = time.to_zoned(now.time_zone().clone());
    let is_near = (2..=60).contains(&(there.date().duration_since(now.date()).as_hours() / 24));
    if is_near { there.strftime("%a %-d %b %H:%M").to_string() } else { moment(time, now) }
}

/// A day, as seen from `now`.
pub fn day(time: Timestamp, now: &Zoned) -> String {
    let time = time.to_zoned(now.time_zone().clone());
    if time.year() == now.year() { time.strftime("%-d %B").to_string() } else { time.strftime("%-d %B %Y").to_string() }
}

/// How long ago.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs();
    match seconds {
        ..60 => "just now".into(),
        60..3600 => format!("{} min ago", seconds / 60),
        _ => format!("{} ago", days(now.duration_since(time).as_secs_f64() / 86_400.0)),
    }
}

/// A sentence with the moments in it, which programs read as well, as they are where `now` is: by the clock alone on the same day.
pub fn in_local_time(text: &str, now: &Zoned) -> String {
    let mut said: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let stem = word.trim_end_matches([',', ';', ':', '.', ')']);
        let Ok(at) = stem.parse::<Timestamp>() else {
            said.push(word.to_owned());
            continue;
        };
        let at = at.to_zoned(now.time_zone().clone());
        let is_today = at.date() == now.date();
        if let Some(before) = said.last_mut().filter(|before| *before == "at" && !is_today) {
            "on".clone_into(before);
        }
        let form = if is_today { "%H:%M" } else { "%-d %B %Y %H:%M" };
        said.push(format!("{}{}", at.strftime(form), &word[stem.len()..]));
    }
    said.join(" ")
}

/// Here and now.
pub fn local(now: Timestamp) -> Zoned {
    now.to_zoned(zone::local())
}

/// A moment in the past or the future as the user writes it: `2026-10-28`, RFC 3339, `25 days ago`,
/// `yesterday`.
pub fn parse_moment(text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    let text = text.trim();
    let at_midnight =
        |days: i64| now.checked_add(jiff::Span::new().days(days)).and_then(|day| day.start_of_day()).map(|day| day.timestamp());
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return at_midnight(0).map_err(|error| Failure::usage(error.to_string())),
        "yesterday" => return at_midnight(-1).map_err(|error| Failure::usage(error.to_string())),
        "tomorrow" => return at_midnight(1).map_err(|error| Failure::usage(error.to_string())),
        _ => {}
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A civil time or date is meant here; jiff would also take "2026-10-28T10:00" for one.
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>()
        && let Ok(zoned) = civil.to_zoned(now.time_zone().clone())
    {
        return Ok(zoned.timestamp());
    }
    if text.ends_with("ago")
        && let Ok(span) = text.parse::<jiff::Span>()
        && let Ok(then) = now.checked_add(span)
    {
        return Ok(then.timestamp());
    }
    Err(Failure::usage(format!("{text:?} is not a date")).hint("write it like 2026-10-28, 2026-10-28T09:30:00Z or \"25 days ago\""))
}

/// A length of time as the user writes it.
pub fn parse_length(text: &str) -> Result<SignedDuration, Failure> {
    parse_duration(text).map_err(Failure::usage)
}

/// A count with its thousands set apart.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-22T15:00:00[UTC]".parse().unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_of_days() {
        let said: Vec<_> = [27.6, 5.4, 2.0, 1.99, 1.0, HOUR, 0.01, 0.0].map(days).into();
        assert_eq!(said, ["28 days", "5 days", "2 days", "48 hours", "24 hours", "1 hour", "less than an hour", "less than an hour"]);
        assert_eq!([27.6, 1.5, 0.0].map(days_short), ["28d", "36h", "0h"]);
    }

    #[test]
    fn moments() {
        let said = |text: &str| moment(time(text), &now());
        assert_eq!(said("2026-11-22T23:59:00Z"), "today 23:59");
        assert_eq!(said("2026-11-23T10:00:00Z"), "tomorrow 10:00");
        assert_eq!(said("2026-11-27T10:12:00Z"), "Friday 27 November 10:12");
        assert_eq!(said("2026-10-28T10:12:00Z"), "28 October 10:12");
        assert_eq!(said("2027-06-03T10:12:00Z"), "3 June 2027");
        assert_eq!(ago(time("2026-11-22T14:59:30Z"), now().timestamp()), "just now");
        assert_eq!(ago(time("2026-11-22T11:00:00Z"), now().timestamp()), "4 hours ago");
    }

    #[test]
    fn only_moments_are_changed() {
        for text in ["a new key is in /home/u/.env, line 1", "2026-11-22", "10:00:00", ""] {
            assert_eq!(in_local_time(text, &now()), text);
        }
        let until = |time| in_local_time(&format!("it waits (until {time})."), &now());
        assert_eq!(until("2026-11-22T10:00:00Z"), "it waits (until 10:00).");
        assert_eq!(until("2026-11-23T10:00:00Z"), "it waits (until 23 November 2026 10:00).");
        let there = now().with_time_zone(jiff::tz::TimeZone::fixed(jiff::tz::offset(9)));
        assert_eq!(in_local_time("at 2026-11-22T14:00:00Z and 2026-11-22T16:00:00Z", &there), "on 22 November 2026 23:00 and 01:00");
        assert_eq!(in_local_time("at 2026-11-22T10:00:00Z", &now()), "at 10:00");
    }

    #[test]
    fn dates_as_written() {
        let read = |text: &str| parse_moment(text, &now()).map(|time| time.to_string());
        assert_eq!(read("2026-10-28").unwrap(), "2026-10-28T00:00:00Z");
        assert_eq!(read("2026-10-28T09:30:00Z").unwrap(), "2026-10-28T09:30:00Z");
        assert_eq!(read("2026-10-28T09:30:00+02:00").unwrap(), "2026-10-28T07:30:00Z");
        assert_eq!(read("25 days ago").unwrap(), "2026-10-28T15:00:00Z");
        assert_eq!(read("3h ago").unwrap(), "2026-11-22T12:00:00Z");
        assert_eq!(read("yesterday").unwrap(), "2026-11-21T00:00:00Z");
        for wrong in ["", "soon", "25 days", "2026-13-01", "10"] {
            assert_eq!(read(wrong).unwrap_err().code, 2, "{wrong}");
        }
    }
}
