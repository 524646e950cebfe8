//! `credd explain`: why an alert is when it is, and why one came late or didn't come.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use jiff::{Timestamp, Zoned};

use super::status::{Current, ascii, fold, is_told, standing_word};
use super::terminal::{Terminal, clean};
use super::{Failure, history, status, words};
use crate::clock;
use crate::config::{Alerts, Config, KeyConfig};
use crate::core::{HistoryEntry, Life, Reason};
use crate::paths::Paths;
use crate::protocol::{AlertStatus, KeyStanding, KeyStatus, Status};

mod dates;
mod next;
mod told;

/// Wider lines are hard to read.
const WIDEST: usize = 80;
/// Before what is said of a key.
const INDENT: usize = 2;

/// Arguments of `credd explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The key [default: all]
    name: Option<String>,
}

/// What an explanation rests on.
struct Grounds<'a> {
    status: &'a Status,
    alerts: &'a Alerts,
    /// `None` for a key that the configuration no longer has.
    spec: Option<&'a KeyConfig>,
    /// What happened to this key.
    history: Vec<&'a HistoryEntry>,
    home: &'a Path,
    now: &'a Zoned,
}

/// Explains keys; needs no daemon.
pub fn run(paths: &Paths, args: &ExplainArgs) -> Result<u8, Failure> {
    let current = status::current(paths)?.in_words(&paths.home);
    if let Some(name) = args.name.as_ref().filter(|name| !current.keys.contains(name)) {
        let names: Vec<&str> = current.keys.iter().map(String::as_str).collect();
        return Err(super::unknown("key", name, &names));
    }
    let config = super::configuration(paths)?;
    let entries = history::entries(paths, usize::MAX)?;
    let now = words::local(clock::now());
    let text = page(&current, args.name.as_deref(), &config, &entries, &paths.home, &now, Terminal::of_stdout());
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

/// All that is to be said of one key, or of all.
fn page(
    current: &Current,
    name: Option<&str>,
    config: &Config,
    entries: &[HistoryEntry],
    home: &Path,
    now: &Zoned,
    terminal: Terminal,
) -> String {
    let width = terminal.width.min(WIDEST);
    let mut text = String::new();
    if let Some(failure) = &current.offline {
        paragraph(&mut text, &format!("{}: this is the last saved state, and nothing is sent", failure.message), 0, width);
    }
    let mut keys = current.status.keys.iter().filter(|key| name.is_none_or(|name| key.name == name)).peekable();
    if keys.peek().is_none() {
        paragraph(&mut text, "Nothing is known yet: no daemon has seen a key. Start one with: credd install", 0, width);
    }
    for key in keys {
        let grounds = Grounds {
            status: &current.status,
            alerts: &config.alerts,
            spec: config.keys.iter().find(|spec| spec.name.as_str() == key.name),
            history: entries.iter().filter(|entry| entry.key.as_ref().is_some_and(|name| name.as_str() == key.name)).collect(),
            home,
            now,
        };
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}: {}", terminal.paint("1", &clean(&key.name)), standing_word(key.state));
        for sentence in explained(key, &grounds) {
            paragraph(&mut text, &sentence, INDENT, width);
        }
    }
    if terminal.unicode { text } else { ascii(&text) }
}

fn paragraph(text: &mut String, sentence: &str, indent: usize, width: usize) {
    for part in fold(&clean(sentence), width - indent) {
        let _ = writeln!(text, "{:indent$}{part}", "");
    }
}

/// All that is to be said of a key, a paragraph each.
fn explained(key: &KeyStatus, on: &Grounds) -> Vec<String> {
    let mut said: Vec<String> = next::without_a_value(key).into_iter().collect();
    said.extend(dates::issued(key, on));
    said.extend(dates::end(key, on));
    if is_alerted(key) {
        if let Some(life) = life(key) {
            said.push(dates::due(&life, on));
            said.extend(told::told(key, &life, on));
        }
        said.extend(told::rejection(key, on));
        said.extend(told::reminders(key, on));
    }
    said.extend(next::next(key, on));
    said
}

/// Alerts about the last value go on where it may still be there.
fn is_alerted(key: &KeyStatus) -> bool {
    is_told(key) || key.state == KeyStanding::Unreadable
}

/// The last alert, if it has reached nobody yet; and until when it waits, where the user asked for quiet.
fn unheard(key: &KeyStatus) -> Option<(&AlertStatus, Option<Timestamp>)> {
    let alert = key.alerts_sent.last().filter(|alert| !alert.delivered)?;
    let waits = ![Reason::Expired, Reason::Rejected].iter().any(|reason| alert.reason == reason.to_string());
    Some((alert, key.snoozed_until.filter(|_| waits)))
}

/// The dates of a key that ends.
fn life(key: &KeyStatus) -> Option<Life> {
    Some(Life { issued_at: key.issued_at?, expires_at: Some(key.expires_at?) })
}

#[cfg(test)]
mod tests;
