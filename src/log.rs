//! The daemon's log: one line for each thing that happened, on standard error, without secrets.
//!
//! Under systemd a line starts with its priority in the form of sd-daemon(3) (`<4>`), and the journal
//! adds the time; elsewhere a line starts with the time.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::plain::steers;

/// Starts logging. `CREDD_LOG` is a tracing filter, of targets and levels (`credd=debug,zbus=warn`), and goes before
/// the flags.
pub fn start(verbose: u8, quiet: bool, colour: bool) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::WARN,
        (_, 0) => LevelFilter::INFO,
        (_, 1) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // The libraries' own lines are of no use to the user unless asked for: the scheduler logs each job.
    let theirs = if verbose > 1 { level } else { LevelFilter::WARN };
    let ours = Targets::new().with_default(theirs).with_target("credd", level);
    let wanted = std::env::var("CREDD_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = wanted.as_deref().map(parse);
    let is_wrong = matches!(filter, Some(None));
    let journal = goes_to_journal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(colour && !no_color)
        .event_format(Line { journal })
        .finish()
        .with(filter.flatten().unwrap_or(ours));
    // A second start in one process (tests) keeps the first.
    let _ = subscriber.try_init();
    if is_wrong {
        tracing::warn!("CREDD_LOG is not a tracing filter, such as credd=debug; it doesn't count");
    }
}

/// A filter of targets and levels. Not an `EnvFilter`, which can match spans and fields as well, of which there are none
/// to be matched here, and brings a quarter of a megabyte of regular expressions.
fn parse(filter: &str) -> Option<Targets> {
    // In brackets are spans and fields, which would be taken for a part of a target's name.
    filter.parse().ok().filter(|_| !filter.contains(['[', '{']))
}

/// What a line on standard error that tells of an error starts with.
pub fn error_prefix() -> &'static str {
    if goes_to_journal() { "<3>" } else { "" }
}

/// Whether standard error is the journal. systemd names device and inode of its stream in the
/// environment (systemd.exec(5)), which a shell in a unit's terminal inherits as well.
fn goes_to_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(rustix::stdio::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

struct Line {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            let (on, off) = if writer.has_ansi_escapes() { (paint(level), "\x1b[0m") } else { ("", "") };
            write!(writer, " {on}{level:>5}{off} ")?;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}{}", clean(&fields.message), clean(&fields.rest))
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        use fmt::Write;
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.rest, " {name}={value}"),
        };
    }
}

/// One line stays one line, and names from outside can't steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_of_targets_and_levels() {
        let filter = parse("warn,credd=debug,zbus=off").unwrap();
        let enabled = |target, level| filter.would_enable(target, &level);
        assert!(enabled("credd::core", Level::DEBUG) && !enabled("credd", Level::TRACE));
        assert!(enabled("hyper", Level::WARN) && !enabled("hyper", Level::INFO) && !enabled("zbus", Level::ERROR));
        for wrong in ["credd=loud", "credd[x", "credd[{key=1}]=debug"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
