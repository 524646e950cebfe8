//! What popups say. Pure: facts in, text out.

use jiff::{SignedDuration, Zoned};

/// A popup's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub summary: String,
    /// A sentence or two: what it means and what to do.
    pub body: String,
}

/// The key a popup is about, as the user knows it.
#[derive(Clone, Copy, Debug)]
pub struct KeyWords<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its variable.
    pub variable: &'a str,
    /// Its file, with `~` for the home directory.
    pub env_file: &'a str,
}

impl KeyWords<'_> {
    fn place(self) -> String {
        format!("{} in {}", self.variable, self.env_file)
    }

    fn way_out(self) -> String {
        format!("To renew it: credd renew {}", self.name)
    }
}

/// A key comes to its end. Says so rightly, too, where that has passed.
pub fn expiring(key: KeyWords<'_>, now: &Zoned, expires_at: &Zoned) -> Text {
    let left = now.duration_until(expires_at);
    if left <= SignedDuration::ZERO {
        return expired(key, now, expires_at);
    }
    Text {
        summary: format!("{}: key expires in {}", key.name, roughly(left)),
        body: format!("{} stops working on {}. {}", key.place(), moment(now, expires_at), key.way_out()),
    }
}

/// A key has ended.
pub fn expired(key: KeyWords<'_>, now: &Zoned, expires_at: &Zoned) -> Text {
    Text {
        summary: format!("{}: key has expired", key.name),
        body: format!("{} stopped working on {}. {}", key.place(), moment(now, expires_at), key.way_out()),
    }
}

/// The issuer doesn't take a key that consumers use now.
pub fn revoked(key: KeyWords<'_>, running: &[&str], detail: &str) -> Text {
    Text {
        summary: format!("{}: key is no longer accepted", key.name),
        body: format!(
            "Bedrock no longer accepts the key in {}: calls of {} fail. {} {}",
            key.env_file,
            listed(running),
            sentence(detail),
            key.way_out()
        ),
    }
}

/// The issuer doesn't take a key that nobody uses yet, so nobody was given it.
pub fn refused(key: KeyWords<'_>, kept: &[&str], detail: &str) -> Text {
    let (new, left) = match kept {
        [] => ("", String::new()),
        [one] => ("new ", format!("; {one} keeps running with the old one")),
        many => ("new ", format!("; {} keep running with the old one", listed(many))),
    };
    Text {
        summary: format!("{}: {new}key is not accepted", key.name),
        body: format!("Bedrock refuses the {new}key in {}{left}. {} {}", key.env_file, sentence(detail), key.way_out()),
    }
}

/// What was done about a key, or is left to do.
pub fn news(key: &str, what: &str, detail: &str, fix: &str) -> Text {
    let fix = if fix.is_empty() { String::new() } else { format!(" {}", sentence(fix)) };
    Text { summary: format!("{key}: {what}"), body: format!("{}{fix}", sentence(detail)) }
}

/// A consumer did not come up with a new key and was put back.
pub fn rolled_back(consumer: &str, detail: &str) -> Text {
    Text {
        summary: format!("{consumer}: new key not taken up, old one put back"),
        body: format!("{} Try again: credd apply {consumer}", sentence(detail)),
    }
}

/// A consumer doesn't serve after an attempt to give it a new key.
pub fn apply_failed(consumer: &str, detail: &str) -> Text {
    Text { summary: format!("{consumer} is down"), body: format!("{} See: credd status, then credd apply {consumer}", sentence(detail)) }
}

/// A consumer was restarted so often that credd waits.
pub fn too_many_restarts(consumer: &str, now: &Zoned, next_try: Option<&Zoned>) -> Text {
    let when = next_try.map_or_else(String::new, |at| format!(" The next attempt is on {}.", moment(now, at)));
    Text {
        summary: format!("{consumer}: too many restarts"),
        body: format!(
            "3 restarts were begun within 10 minutes, so credd holds back and tries again by itself.{when} \
             See: credd status {consumer}"
        ),
    }
}

/// A time span in words: the nearest whole day, hours below two days.
pub fn roughly(span: SignedDuration) -> String {
    const HOUR: i64 = 3_600;
    let seconds = span.as_secs();
    if seconds < HOUR {
        "less than an hour".to_owned()
    } else if seconds < 48 * HOUR {
        counted((seconds + HOUR / 2) / HOUR, "hour")
    } else {
        counted((seconds + 12 * HOUR) / (24 * HOUR), "day")
    }
}

fn counted(number: i64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// A moment as the user's wall clock and calendar show it; the year only where it isn't this one.
fn moment(now: &Zoned, at: &Zoned) -> String {
    let at = at.with_time_zone(now.time_zone().clone());
    if at.year() == now.year() { at.strftime("%A %-d %B at %H:%M").to_string() } else { at.strftime("%A %-d %B %Y at %H:%M").to_string() }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let mut out: String = match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => return "It is not known why.".to_owned(),
    };
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::{TimeZone, offset};

    const KEY: KeyWords<'_> = KeyWords { name: "bedrock", variable: "AWS_BEARER_TOKEN_BEDROCK", env_file: "~/.backlog-toolkit-env" };

    fn at(month: i8, day: i8, hour: i8, minute: i8) -> Zoned {
        let zone = TimeZone::fixed(offset(1));
        date(2026, month, day).at(hour, minute, 0, 0).to_zoned(zone).unwrap()
    }

    #[test]
    fn five_days_before() {
        let text = expiring(KEY, &at(11, 23, 10, 12), &at(11, 28, 10, 12));
        assert_eq!(text.summary, "bedrock: key expires in 5 days");
        assert_eq!(
            text.body,
            "AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env stops working on \
             Saturday 28 November at 10:12. To renew it: credd renew bedrock"
        );
    }

    #[test]
    fn spans_are_rounded_to_what_is_nearest() {
        let hours = |n| roughly(SignedDuration::from_hours(n));
        assert_eq!(hours(5 * 24 - 11), "5 days");
        assert_eq!(hours(5 * 24 - 13), "4 days");
        assert_eq!(hours(48), "2 days");
        assert_eq!(hours(47), "47 hours");
        assert_eq!(hours(1), "1 hour");
        assert_eq!(roughly(SignedDuration::from_mins(47 * 60 + 59)), "48 hours");
        assert_eq!(roughly(SignedDuration::from_mins(89)), "1 hour");
        assert_eq!(roughly(SignedDuration::from_mins(59)), "less than an hour");
    }

    #[test]
    fn the_clock_is_the_user_s() {
        let expires = at(11, 28, 23, 30).with_time_zone(TimeZone::UTC);
        let text = expiring(KEY, &at(11, 27, 10, 0), &expires);
        assert_eq!(text.summary, "bedrock: key expires in 38 hours");
        assert!(text.body.contains("Saturday 28 November at 23:30"), "{}", text.body);
        let summer = TimeZone::get("Europe/Berlin").unwrap();
        let now = date(2026, 10, 20).at(9, 0, 0, 0).to_zoned(summer).unwrap();
        // After the clocks went back.
        let text = expiring(KEY, &now, &at(10, 26, 8, 0).with_time_zone(TimeZone::UTC));
        assert!(text.body.contains("Monday 26 October at 08:00"), "{}", text.body);
    }

    #[test]
    fn another_year_is_said() {
        let now = at(12, 30, 8, 0);
        let expires = date(2027, 1, 4).at(8, 0, 0, 0).to_zoned(now.time_zone().clone()).unwrap();
        let text = expiring(KEY, &now, &expires);
        assert!(text.body.contains("Monday 4 January 2027 at 08:00"), "{}", text.body);
    }

    #[test]
    fn what_has_passed_is_past() {
        let text = expiring(KEY, &at(11, 28, 10, 12), &at(11, 28, 10, 12));
        assert_eq!(text.summary, "bedrock: key has expired");
        assert_eq!(
            text.body,
            "AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env stopped working on \
             Saturday 28 November at 10:12. To renew it: credd renew bedrock"
        );
    }

    #[test]
    fn trouble_says_what_to_do_next() {
        assert_eq!(
            rolled_back("litellm", "the completion failed with status 500").body,
            "The completion failed with status 500. Try again: credd apply litellm"
        );
        assert_eq!(apply_failed("litellm", "").body, "It is not known why. See: credd status, then credd apply litellm");
        let text = too_many_restarts("litellm", &at(11, 28, 10, 0), Some(&at(11, 28, 10, 10)));
        assert_eq!(
            text.body,
            "3 restarts were begun within 10 minutes, so credd holds back and tries again by itself. The next attempt is on \
             Saturday 28 November at 10:10. See: credd status litellm"
        );
    }

    #[test]
    fn a_key_that_is_rejected() {
        let refused = |kept: &[&str]| refused(KEY, kept, "it was revoked").body;
        assert_eq!(
            refused(&["litellm"]),
            "Bedrock refuses the new key in ~/.backlog-toolkit-env; litellm keeps running with the old one. It was revoked. \
             To renew it: credd renew bedrock"
        );
        assert!(refused(&["a", "b", "c"]).contains("; a, b and c keep running with the old one."));
        assert!(refused(&[]).starts_with("Bedrock refuses the key in ~/.backlog-toolkit-env. It was revoked. To renew"));
        let text = revoked(KEY, &["litellm"], "it was revoked");
        assert_eq!(text.summary, "bedrock: key is no longer accepted");
        assert_eq!(
            text.body,
            "Bedrock no longer accepts the key in ~/.backlog-toolkit-env: calls of litellm fail. It was revoked. \
             To renew it: credd renew bedrock"
        );
    }
}
