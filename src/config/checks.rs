//! What single values must be: lengths of time, cron expressions, names, paths, URLs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;

use super::table::{Result, Text, Wrong};
use crate::cron;

/// Ten thousand years: dates don't go further.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 3_652_425);

/// Lengths of time as people write them: `30d`, `12h`, `1d 12h`, `30s`. Days are 24 hours.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is not a length of time; write it like \"30d\", \"12h\" or \"90s\"");
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    match duration {
        _ if !duration.is_positive() => Err(format!("{text:?} is not a length of time greater than nothing")),
        _ if duration > LONGEST => Err(format!("{text:?} is longer than dates go")),
        _ => Ok(duration),
    }
}

pub(super) fn duration(text: &Text<'_>) -> Result<SignedDuration> {
    parse_duration(text.get_ref()).map_err(|why| Wrong::new(text.span(), why))
}

pub(super) fn timeout(text: Option<Text<'_>>, default: Duration) -> Result<Duration> {
    let Some(text) = text else { return Ok(default) };
    Duration::try_from(duration(&text)?).map_err(|_| Wrong::new(text.span(), "this is too long"))
}

pub(super) fn cron<'t>(text: &Text<'t>) -> Result<&'t str> {
    match cron::parse(text.get_ref()) {
        Ok(cron) if cron::comes(&cron) => Ok(text.get_ref()),
        Ok(_) => Err(Wrong::new(text.span(), "this cron expression names a day that never comes")),
        Err(why) => Err(Wrong::new(text.span(), format!("{why}; a cron expression here is \"second minute hour day month weekday\""))),
    }
}

/// The name of a key or a consumer.
pub(super) fn name<'t>(text: &Text<'t>) -> Result<&'t str> {
    let fine = !text.get_ref().is_empty() && text.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    stand(fine, text, "a name is letters, digits, -, _ and .")
}

/// The name of an environment variable.
pub(super) fn variable<'t>(text: &Text<'t>) -> Result<&'t str> {
    let mut chars = text.get_ref().chars();
    let fine = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    stand(fine, text, "a variable's name is letters, digits and _, not starting with a digit")
}

pub(super) fn region<'t>(text: &Text<'t>) -> Result<&'t str> {
    let fine = !text.get_ref().is_empty() && text.get_ref().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    stand(fine, text, "an AWS region looks like \"us-east-1\"")
}

/// A compose service's name.
pub(super) fn service<'t>(text: &Text<'t>) -> Result<&'t str> {
    stand(is_service(text.get_ref()), text, "a compose service's name is letters, digits, -, _ and ., not starting with -")
}

/// As the compose specification has it; with a `-` in front it would be an option to docker.
pub(super) fn is_service(name: &str) -> bool {
    !name.starts_with('-') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The words of a command.
pub(super) fn argv(words: &Spanned<Vec<Text<'_>>>) -> Result<Vec<String>> {
    if words.get_ref().first().is_some_and(|program| program.get_ref().is_empty()) {
        return Err(Wrong::new(words.span(), "the first word, the program, is empty"));
    }
    Ok(owned(words))
}

pub(super) fn owned(words: &Spanned<Vec<Text<'_>>>) -> Vec<String> {
    words.get_ref().iter().map(|word| (*word.get_ref()).into()).collect()
}

/// An absolute path; `~` is `home`.
pub(super) fn file(path: &Text<'_>, home: &Path) -> Result<PathBuf> {
    let text = *path.get_ref();
    let full = match text.strip_prefix("~/") {
        Some(below) => home.join(below),
        None if text == "~" => home.into(),
        None => text.into(),
    };
    if full.is_absolute() && !text.contains('\0') {
        Ok(full)
    } else {
        Err(Wrong::new(path.span(), "this is not an absolute path; start it with / or ~/"))
    }
}

/// A base URL, without a slash at its end.
pub(super) fn url<'t>(url: &Text<'t>) -> Result<&'t str> {
    let text = url.get_ref().trim_end_matches('/');
    let wrong = |why: &str| Err(Wrong::new(url.span(), why));
    let Some((scheme, rest)) = text.split_once("://") else { return wrong("this is not a URL; write it like \"https://host:port\"") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| if port.parse::<u16>().is_ok() { host } else { authority });
    match scheme {
        _ if host.is_empty() || host.contains('@') => wrong("this has no host name; write it like \"https://host:port\""),
        "https" => Ok(text),
        "http" if matches!(host, "127.0.0.1" | "localhost" | "[::1]") => Ok(text),
        "http" => wrong("this would send the key unencrypted: http is for loopback alone, use https"),
        _ => wrong("this is neither http:// nor https://"),
    }
}

fn stand<'t>(fine: bool, text: &Text<'t>, otherwise: &str) -> Result<&'t str> {
    if fine { Ok(text.get_ref()) } else { Err(Wrong::new(text.span(), otherwise)) }
}
