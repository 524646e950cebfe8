//! The daemon's log: one line for each thing that happened, on standard error, without secrets.
//!
//! Under systemd a line starts with its priority in the form of sd-daemon(3) (`<4>`), and the journal
//! adds the time; elsewhere a line starts with the time.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging. `CREDD_LOG` is a tracing filter and goes before the flags.
pub fn start(verbose: u8, quiet: bool, colour: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "warn",
        (_, 0) => "info",
        (_, 1) => "debug",
        _ => "trace",
    };
    // The libraries' own lines are of no use to the user unless asked for: the scheduler logs each job.
    let ours = format!("warn,credd={level}");
    let filter = match std::env::var("CREDD_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new(&ours)),
        _ if verbose > 1 => EnvFilter::new(level),
        _ => EnvFilter::new(&ours),
    };
    // systemd sets it for units whose output goes to the journal (systemd.exec(5)).
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !colour;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour && !no_color)
        .event_format(Line { journal });
    // A second start in one process (tests) keeps the first.
    let _ = subscriber.try_init();
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
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
