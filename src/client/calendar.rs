//! `credd calendar`: when keys end, as iCalendar (RFC 5545).

use std::io::Write as _;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::terminal::clean;
use super::{Failure, status};
use crate::clock;
use crate::core::{Life, Reason};
use crate::paths::{Paths, tilde};
use crate::protocol::KeyStatus;
use crate::salt::Salt;

/// Octets of a line without its end, at most (section 3.1).
const LONGEST: usize = 75;
/// SEQUENCE counts seconds from here, 1 January 2026: it has 31 bits.
const EPOCH: i64 = 1_767_225_600;

/// Prints the calendar; needs no daemon.
pub fn run(paths: &Paths) -> Result<u8, Failure> {
    let current = status::current(paths)?;
    let config = super::configuration(paths)?;
    let ending = current.status.keys.iter().any(|key| key.expires_at.is_some());
    let mut text = Calendar::begin(clock::now());
    if ending {
        let salt = Salt::load(&paths.state_dir).map_err(|error| Failure::failed(error.to_string()))?;
        for key in &current.status.keys {
            // Keyed with the installation's salt: it stays when the key is replaced, and tells nobody whose it is.
            let uid = salt.fingerprint(format!("calendar of {}", key.name).as_bytes()).to_string();
            text.event(key, &uid, &config.alerts.days, &paths.home);
        }
    }
    std::io::stdout().lock().write_all(text.end().as_bytes())?;
    if !ending {
        let why = "no key is known to have an end, so the calendar is empty";
        Failure::failed(why).hint("see what is known with: credd status").report("");
    }
    Ok(0)
}

/// A calendar that is being written.
struct Calendar {
    text: String,
    now: Timestamp,
}

impl Calendar {
    fn begin(now: Timestamp) -> Self {
        let mut calendar = Self { text: String::new(), now };
        calendar.line("BEGIN:VCALENDAR");
        calendar.line("VERSION:2.0");
        calendar.line(concat!("PRODID:-//credd//credd ", env!("CARGO_PKG_VERSION"), "//EN"));
        calendar.line("CALSCALE:GREGORIAN");
        calendar.line("METHOD:PUBLISH");
        calendar
    }

    fn end(mut self) -> String {
        self.line("END:VCALENDAR");
        self.text
    }

    /// The end of a key, if it has one, with alarms when its alerts are due.
    fn event(&mut self, key: &KeyStatus, uid: &str, days: &[u32], home: &Path) {
        let (Some(issued_at), Some(end)) = (key.issued_at, key.expires_at) else { return };
        let (name, file) = (&key.name, tilde(Path::new(&key.env_file), home));
        let summary = text(&format!("{name}: API key expires"));
        let stamp = utc(self.now);
        self.line("BEGIN:VEVENT");
        self.line(&format!("UID:{uid}@credd"));
        self.line(&format!("DTSTAMP:{stamp}"));
        self.line(&format!("LAST-MODIFIED:{stamp}"));
        // Whoever imports it again takes the later one, whichever date that has.
        self.line(&format!("SEQUENCE:{}", (self.now.as_second() - EPOCH).clamp(0, i64::from(i32::MAX))));
        self.line(&format!("DTSTART:{}", utc(end)));
        self.line(&format!("SUMMARY:{summary}"));
        let description = format!("{} in {file} stops working. To renew it: credd renew {name}", key.variable);
        self.line(&format!("DESCRIPTION:{}", text(&description)));
        self.line("TRANSP:TRANSPARENT");
        for threshold in (Life { issued_at, expires_at: Some(end) }).thresholds(days) {
            if threshold.reason == Reason::Expired {
                continue;
            }
            self.line("BEGIN:VALARM");
            self.line("ACTION:DISPLAY");
            self.line(&format!("DESCRIPTION:{summary}"));
            self.line(&format!("TRIGGER:{}", before(end.duration_since(threshold.at))));
            self.line("END:VALARM");
        }
        self.line("END:VEVENT");
    }

    /// A content line, folded.
    fn line(&mut self, line: &str) {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > LONGEST {
                self.text.push_str("\r\n ");
                octets = 1;
            }
            self.text.push(c);
            octets += c.len_utf8();
        }
        self.text.push_str("\r\n");
    }
}

/// A moment (section 3.3.5).
fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// So long before the beginning of the event (section 3.3.6).
fn before(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest % 3600 / 60, rest % 60);
    match (days, rest) {
        (_, 0) => format!("-P{days}D"),
        (0, _) => format!("-PT{hours}H{minutes}M{seconds}S"),
        _ => format!("-P{days}DT{hours}H{minutes}M{seconds}S"),
    }
}

/// Text (section 3.3.11).
fn text(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean(text).chars() {
        if matches!(c, '\\' | ';' | ',') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str, file: &str, issued: &str, expires: Option<&str>) -> KeyStatus {
        serde_json::from_value(json!({
            "name": name, "variable": "AWS_BEARER_TOKEN_BEDROCK", "env_file": file, "kind": null, "state": "ok", "detail": null,
            "fingerprint": null, "issued_at": issued, "issued_source": "declared", "expires_at": expires, "age_days": null,
            "days_left": null, "next_alert_at": null, "snoozed_until": null, "alerts_sent": [], "probe": null
        }))
        .unwrap()
    }

    fn calendar(key: &KeyStatus, days: &[u32], now: &str) -> String {
        let mut calendar = Calendar::begin(now.parse().unwrap());
        calendar.event(key, "00", days, Path::new("/home/u"));
        calendar.end()
    }

    #[test]
    fn a_key_is_an_event_with_an_alarm_at_its_first_alert() {
        let key = key("bedrock", "/home/u/.env", "2026-11-01T09:30:05Z", Some("2026-12-01T09:30:05Z"));
        let text = calendar(&key, &[25], "2026-11-28T12:00:00Z");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text.replace("\r\n", "\n"),
            format!(
                "BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//credd//credd {version}//EN
CALSCALE:GREGORIAN
METHOD:PUBLISH
BEGIN:VEVENT
UID:00@credd
DTSTAMP:20261128T120000Z
LAST-MODIFIED:20261128T120000Z
SEQUENCE:28641600
DTSTART:20261201T093005Z
SUMMARY:bedrock: API key expires
DESCRIPTION:AWS_BEARER_TOKEN_BEDROCK in ~/.env stops working. To renew it: 
 credd renew bedrock
TRANSP:TRANSPARENT
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:bedrock: API key expires
TRIGGER:-P5D
END:VALARM
END:VEVENT
END:VCALENDAR
"
            )
        );
    }

    #[test]
    fn a_key_without_an_end_is_no_event() {
        let text = calendar(&key("k", "/e", "2026-11-01T09:30:05Z", None), &[25], "2026-11-28T12:00:00Z");
        assert!(!text.contains("VEVENT"), "{text}");
    }

    #[test]
    fn a_later_one_takes_the_place_of_an_earlier() {
        let sequence = |now: &str| {
            let text = calendar(&key("k", "/e", "2026-11-01T09:30:05Z", Some("2026-12-01T09:30:05Z")), &[], now);
            let number = text.split("SEQUENCE:").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
            number.parse::<i32>().unwrap()
        };
        assert!(sequence("2026-11-28T12:00:01Z") > sequence("2026-11-28T12:00:00Z"));
        // A clock that shows nonsense makes no calendar that nobody reads.
        assert_eq!((sequence("1970-01-01T00:00:00Z"), sequence("2200-01-01T00:00:00Z")), (0, i32::MAX));
    }

    #[test]
    fn lines_are_folded_between_characters_and_texts_escaped() {
        let file = format!("/home/u/{}/a,b;c\\d\u{1b}[31m\r\nX:1", "schlüssel 鍵 ".repeat(20));
        let text = calendar(&key("k", &file, "2026-11-01T09:30:05Z", Some("2026-12-01T09:30:05Z")), &[25], "2026-11-28T12:00:00Z");
        for line in text.split("\r\n") {
            assert!(line.len() <= LONGEST && !line.chars().any(char::is_control), "{line:?}");
        }
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains("/a\\,b\\;c\\\\d\u{fffd}[31m\u{fffd}\u{fffd}X:1 stops"), "{unfolded}");
    }

    #[test]
    fn alarms_are_as_long_before_as_alerts() {
        let of = |hours: i64, seconds: i64| before(SignedDuration::from_secs(hours * 3600 + seconds));
        assert_eq!([of(120, 0), of(2, 0), of(25, 61), of(0, 0)], ["-P5D", "-PT2H0M0S", "-P1DT1H1M1S", "-P0D"]);
    }
}
