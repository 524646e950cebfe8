//! `credd history`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use jiff::Zoned;

use super::status::{ascii, fold};
use super::terminal::{Terminal, clean};
use super::{Failure, json, words};
use crate::clock;
use crate::core::{ConsumerName, HistoryEntry, KeyName};
use crate::paths::{Paths, tilde_in};
use crate::store::History;

/// Below this width there is no room for seconds and a column of names.
const NARROW: usize = 60;
/// Cells before a name: the time and what sets it off.
const TIME: usize = 10;
/// Names are set in a column as long as it isn't wider than this.
const WIDEST_NAME: usize = 20;

/// Arguments of `credd history`.
#[derive(Clone, Debug, clap::Args)]
pub struct HistoryArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show this many entries, the newest last
    #[arg(short, default_value_t = 50, value_name = "N")]
    n: usize,
}

/// Shows what happened; needs no daemon.
pub fn run(paths: &Paths, args: &HistoryArgs) -> Result<u8, Failure> {
    let entries = entries(paths, args.n)?;
    let text = if args.json {
        json::text(&entries).map_err(|error| Failure::failed(error.to_string()))?
    } else if entries.is_empty() && args.n > 0 {
        "Nothing has happened yet.\n".into()
    } else {
        log(&entries, &paths.home, Terminal::of_stdout(), &words::local(clock::now()))
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

/// The last `n` entries, oldest first.
pub(super) fn entries(paths: &Paths, n: usize) -> Result<Vec<HistoryEntry>, Failure> {
    History::new(&paths.state_dir).last(n).map_err(|error| {
        Failure::failed(format!("the history can't be read: {error}"))
            .hint("check the owner and mode of the state directory, or name another with --state-dir")
    })
}

/// By day, a line for each event; what is too long for one goes on below its beginning.
fn log(entries: &[HistoryEntry], home: &Path, terminal: Terminal, now: &Zoned) -> String {
    let is_narrow = terminal.width < NARROW;
    let column = entries.iter().map(|entry| subject(entry).chars().count() + 2).max().unwrap_or_default().min(WIDEST_NAME);
    let mut text = String::new();
    let mut day = None;
    for entry in entries {
        let at = entry.at.to_zoned(now.time_zone().clone());
        if day != Some(at.date()) {
            let blank = if day.is_none() { "" } else { "\n" };
            let name = at.strftime("%A %-d %B %Y").to_string();
            let _ = writeln!(text, "{blank}{}", terminal.paint("1", &name));
            day = Some(at.date());
        }
        let who = clean(&subject(entry));
        let message = clean(&words::in_local_time(&tilde_in(&entry.message, home), &at));
        let (first, indent, message) = if is_narrow {
            (String::new(), 2, format!("{} {who}: {message}", at.strftime("%H:%M")))
        } else {
            (format!("{}  {:<column$}", at.strftime("%H:%M:%S"), format!("{who}  ")), TIME + column, message)
        };
        for (number, part) in fold(&message, terminal.width.saturating_sub(indent)).into_iter().enumerate() {
            let left = if number == 0 { first.clone() } else { " ".repeat(indent) };
            let _ = writeln!(text, "{left}{part}");
        }
    }
    if terminal.unicode { text } else { ascii(&text) }
}

/// Who it is about.
fn subject(entry: &HistoryEntry) -> String {
    let key = entry.key.as_ref().map(KeyName::as_str);
    key.or(entry.consumer.as_ref().map(ConsumerName::as_str)).unwrap_or("credd").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, key: Option<&str>, consumer: Option<&str>, message: &str) -> HistoryEntry {
        let at = at.parse().unwrap();
        HistoryEntry {
            at,
            event: "test".into(),
            key: key.map(Into::into),
            consumer: consumer.map(Into::into),
            fingerprint: None,
            message: message.into(),
        }
    }

    fn shown(width: usize) -> String {
        let entries = [
            entry("2026-11-21T23:30:05Z", None, None, "the configuration was read anew (its file changed)"),
            entry("2026-11-22T10:00:00Z", Some("bedrock"), None, "reminders are quiet until 2026-11-24T09:00:00Z"),
            entry(
                "2026-11-22T23:10:00Z",
                None,
                Some("litellm"),
                "the completion failed \u{1b}[31m and its old environment was put back, with which it serves again",
            ),
        ];
        let now = "2026-11-25T15:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let text = log(&entries, Path::new("/home/u"), Terminal { colour: false, unicode: false, width }, &now);
        for line in text.lines() {
            assert!(line.is_ascii() && !line.ends_with(' ') && line.len() <= width, "{line:?}");
        }
        format!("\n{text}")
    }

    #[test]
    fn days_and_times_are_those_of_here() {
        assert_eq!(
            shown(80),
            "
Sunday 22 November 2026
00:30:05  credd    the configuration was read anew (its file changed)
11:00:00  bedrock  reminders are quiet until 24 November 2026 10:00

Monday 23 November 2026
00:10:00  litellm  the completion failed ?[31m and its old environment was put
                   back, with which it serves again
"
        );
    }

    #[test]
    fn forty_columns_are_enough() {
        assert_eq!(
            shown(40),
            "
Sunday 22 November 2026
00:30 credd: the configuration was
  read anew (its file changed)
11:00 bedrock: reminders are quiet
  until 24 November 2026 10:00

Monday 23 November 2026
00:10 litellm: the completion failed
  ?[31m and its old environment was put
  back, with which it serves again
"
        );
    }
}
