//! `credd status`.

use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Zoned;

use super::terminal::{Terminal, clean};
use super::{Failure, http, offline, words};
use crate::clock;
use crate::core::{IssuedSource, Outcome};
use crate::paths::{Paths, tilde};
use crate::protocol::{ConsumerStanding, ConsumerStatus, KeyStanding, KeyStatus, Problem, Severity, Status};

/// Arguments of `credd status`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StatusArgs {
    /// Show this key or consumer alone
    name: Option<String>,
    /// Print the whole status as JSON
    #[arg(long, conflicts_with = "short")]
    json: bool,
    /// Print one short line, for prompts and bars
    #[arg(long)]
    short: bool,
}

/// Shows the status; without a daemon the last saved one.
pub fn run(paths: &Paths, args: &StatusArgs) -> Result<u8, Failure> {
    let (mut status, offline) = current(paths)?;
    if let Some(name) = &args.name {
        select(&mut status, name)?;
    }
    let terminal = Terminal::of_stdout();
    let now = words::local(clock::now());
    let mut text = if args.json {
        let mut json = serde_json::to_string_pretty(&status).map_err(|error| Failure::failed(error.to_string()))?;
        json.push('\n');
        json
    } else if args.short {
        short(&status)
    } else {
        full(&status, offline.as_ref(), paths, terminal, &now)
    };
    if !terminal.unicode && !args.json {
        text = ascii(&text);
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

/// The status from the daemon, else the last saved one and why.
pub fn current(paths: &Paths) -> Result<(Status, Option<Failure>), Failure> {
    match http::get(&paths.socket, "/v1/status") {
        Ok(status) => Ok((status, None)),
        Err(failure) if failure.code == 3 => {
            let saved = offline::status(paths)?;
            let status = saved.unwrap_or(Status {
                schema: 1,
                live: false,
                daemon: None,
                keys: Vec::new(),
                consumers: Vec::new(),
                problems: Vec::new(),
            });
            Ok((status, Some(failure)))
        }
        Err(failure) => Err(failure),
    }
}

fn select(status: &mut Status, name: &str) -> Result<(), Failure> {
    let names: Vec<String> =
        status.keys.iter().map(|key| &key.name).chain(status.consumers.iter().map(|consumer| &consumer.name)).cloned().collect();
    if !names.iter().any(|known| known == name) {
        let known = if names.is_empty() { "nothing is known yet".into() } else { format!("there is: {}", names.join(", ")) };
        return Err(Failure::usage(format!("no key or consumer is named {:?}", clean(name))).hint(known));
    }
    status.keys.retain(|key| key.name == name);
    status.consumers.retain(|consumer| consumer.name == name);
    status.problems.retain(|problem| problem.message.contains(name));
    Ok(())
}

/// The worst key in a few characters.
fn short(status: &Status) -> String {
    let mut keys: Vec<&KeyStatus> = status.keys.iter().collect();
    keys.sort_by(|a, b| urgency(a).total_cmp(&urgency(b)));
    let Some(key) = keys.first() else { return "credd: nothing known\n".into() };
    let what = match key.state {
        KeyStanding::Ok | KeyStanding::Due => key.days_left.map_or_else(|| "ok".into(), words::days_short),
        other => standing_word(other).into(),
    };
    format!("{} {what}\n", clean(&key.name))
}

/// Lower is worse.
fn urgency(key: &KeyStatus) -> f64 {
    match key.state {
        KeyStanding::Expired => -5.0e6,
        KeyStanding::Rejected => -4.0e6,
        KeyStanding::Missing => -3.0e6,
        KeyStanding::Unreadable => -2.0e6,
        KeyStanding::Dynamic => -1.0e6,
        KeyStanding::Due => key.days_left.unwrap_or(0.0) - 1.0e5,
        KeyStanding::Ok => key.days_left.unwrap_or(1.0e6),
    }
}

fn standing_word(state: KeyStanding) -> &'static str {
    match state {
        KeyStanding::Ok => "ok",
        KeyStanding::Due => "due",
        KeyStanding::Expired => "expired",
        KeyStanding::Rejected => "rejected",
        KeyStanding::Missing => "missing",
        KeyStanding::Dynamic => "dynamic",
        KeyStanding::Unreadable => "unreadable",
    }
}

const RED: &str = "31";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const DIM: &str = "2";
const BOLD: &str = "1";

/// Left column of names.
const INDENT: usize = 12;
/// Cells of a bar.
const BAR: usize = 30;

fn full(status: &Status, offline: Option<&Failure>, paths: &Paths, terminal: Terminal, now: &Zoned) -> String {
    let mut out = String::new();
    if let Some(failure) = offline {
        let _ = writeln!(out, "{}", terminal.paint(YELLOW, &format!("{}: this is the last saved state", clean(&failure.message))));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(out, "  {}", clean(hint));
        }
        out.push('\n');
    }
    if status.keys.is_empty() && status.consumers.is_empty() {
        out.push_str("Nothing is known yet.\n");
        return out;
    }
    let mut keys: Vec<&KeyStatus> = status.keys.iter().collect();
    keys.sort_by(|a, b| urgency(a).total_cmp(&urgency(b)));
    for key in keys {
        key_lines(&mut out, key, paths, terminal, now);
    }
    if !status.keys.is_empty() && !status.consumers.is_empty() {
        out.push('\n');
    }
    for consumer in &status.consumers {
        consumer_lines(&mut out, consumer, terminal, now);
    }
    if !status.problems.is_empty() {
        out.push('\n');
    }
    for problem in &status.problems {
        problem_lines(&mut out, problem, terminal);
    }
    out
}

fn key_lines(out: &mut String, key: &KeyStatus, paths: &Paths, terminal: Terminal, now: &Zoned) {
    let colour = match key.state {
        KeyStanding::Ok => GREEN,
        KeyStanding::Due => YELLOW,
        _ => RED,
    };
    let left = match (key.state, key.days_left) {
        (KeyStanding::Expired, Some(left)) => format!("expired {} ago", words::days(-left)),
        (KeyStanding::Ok | KeyStanding::Due, Some(left)) => format!("{} left", words::days(left)),
        (KeyStanding::Ok, None) => "doesn't expire".into(),
        _ => String::new(),
    };
    let word = format!("{:<10}", standing_word(key.state));
    let bar = bar(key, terminal)
        .filter(|_| terminal.width >= INDENT + 10 + BAR + 20)
        .map(|bar| format!("{}  ", terminal.paint(colour, &bar)))
        .unwrap_or_default();
    let name = terminal.paint(BOLD, &format!("{:<INDENT$}", clean(&key.name)));
    line(out, &format!("{name}{}{bar}{left}", terminal.paint(colour, &word)));
    let mut more = |text: &str| wrapped(out, text, terminal);
    let place = tilde(std::path::Path::new(&key.env_file), &paths.home);
    if let Some(detail) = &key.detail {
        more(&clean(detail));
    } else {
        more(&format!("{} in {}", clean(&key.variable), clean(&place)));
    }
    if let Some(issued) = key.issued_at {
        let source = match key.issued_source {
            Some(IssuedSource::File) => " at the latest (the file's date)",
            Some(IssuedSource::Observed) => " (seen to arrive)",
            Some(IssuedSource::Renewed) => " (renewed by credd)",
            Some(IssuedSource::Declared) => " (as you said)",
            Some(IssuedSource::Iam) => " (IAM says so)",
            Some(IssuedSource::Key) => " (the key says so)",
            None => "",
        };
        let ends = match key.expires_at {
            Some(at) if key.state == KeyStanding::Expired => format!(", expired {}", words::moment(at, now)),
            Some(at) => format!(", expires {}", words::moment(at, now)),
            None => String::new(),
        };
        more(&format!("issued {}{source}{ends}", words::day(issued, now)));
    }
    let told = key.alerts_sent.iter().any(|alert| alert.delivered);
    match (key.snoozed_until, key.next_alert_at) {
        (None, _) if !told && !key.alerts_sent.is_empty() => more("an alert waits until it can be shown"),
        (Some(until), _) => more(&format!("quiet until {}", words::moment(until, now))),
        (None, Some(at)) if at > now.timestamp() => {
            let what = if told { "next reminder" } else { "first alert" };
            more(&format!("{what} {}", words::moment(at, now)));
        }
        _ => {}
    }
}

/// The key's life as a bar, with a mark where the first alert is (day 25 of 30).
fn bar(key: &KeyStatus, terminal: Terminal) -> Option<String> {
    let (age, left) = (key.age_days?, key.days_left?);
    let life = age + left;
    if life <= 0.0 || !matches!(key.state, KeyStanding::Ok | KeyStanding::Due | KeyStanding::Expired) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "thirty")]
    let cells = BAR as f64;
    let done = (age / life).clamp(0.0, 1.0) * cells;
    let mark = (25.0 / 30.0) * cells;
    let (full, rest, tick) = if terminal.unicode { ('━', '─', '┃') } else { ('=', '-', '|') };
    let mut bar = String::new();
    let mut cell = 0.0;
    while cell < cells {
        bar.push(if (cell - mark).abs() < 0.5 {
            tick
        } else if cell + 0.5 <= done {
            full
        } else {
            rest
        });
        cell += 1.0;
    }
    Some(bar)
}

fn consumer_lines(out: &mut String, consumer: &ConsumerStatus, terminal: Terminal, now: &Zoned) {
    let (word, colour) = match consumer.state {
        ConsumerStanding::Current => ("current", GREEN),
        ConsumerStanding::Stale => ("stale", YELLOW),
        ConsumerStanding::Applying => ("applying", YELLOW),
        ConsumerStanding::Pending => ("pending", YELLOW),
        ConsumerStanding::Failed => ("failed", RED),
        ConsumerStanding::Absent => ("absent", DIM),
    };
    let what = match consumer.state {
        ConsumerStanding::Absent => "no such process runs".to_owned(),
        _ => consumer.pid.map(|pid| format!("process {pid}")).unwrap_or_default(),
    };
    let name = terminal.paint(BOLD, &format!("{:<INDENT$}", clean(&consumer.name)));
    line(out, &format!("{name}{}{what}", terminal.paint(colour, &format!("{word:<10}"))));
    if let Some(detail) = &consumer.detail {
        wrapped(out, &clean(detail), terminal);
    }
    if let Some(at) = consumer.retry_at {
        wrapped(out, &format!("next try {}", words::moment(at, now)), terminal);
    }
    if let Some(last) = &consumer.last_apply {
        let how = match last.outcome {
            Outcome::Applied => format!("took up the key {}, in {} s", words::ago(last.at, now.timestamp()), last.seconds),
            Outcome::RolledBack => format!("put back to its old key {}", words::ago(last.at, now.timestamp())),
            Outcome::Failed => format!("its restart failed {}", words::ago(last.at, now.timestamp())),
            Outcome::Refused | Outcome::Superseded => format!("left as it was {}", words::ago(last.at, now.timestamp())),
        };
        wrapped(out, &how, terminal);
    }
}

fn problem_lines(out: &mut String, problem: &Problem, terminal: Terminal) {
    let (word, colour) = match problem.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
        Severity::Info => ("note", DIM),
    };
    let text = format!("{} ({})", clean(&problem.message), clean(&problem.code));
    let mut lines = fold(&text, terminal.width.saturating_sub(INDENT)).into_iter();
    let first = lines.next().unwrap_or_default();
    line(out, &format!("{}{first}", terminal.paint(colour, &format!("{word:<INDENT$}"))));
    for rest in lines {
        line(out, &format!("{:INDENT$}{rest}", ""));
    }
    line(out, &format!("{:INDENT$}{}", "", terminal.paint(BOLD, &clean(&problem.fix))));
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn wrapped(out: &mut String, text: &str, terminal: Terminal) {
    for part in fold(text, terminal.width.saturating_sub(INDENT)) {
        line(out, &format!("{:INDENT$}{part}", ""));
    }
}

/// Breaks at spaces; a word that is too long stands alone.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '…' => '.',
            '’' | '‘' => '\'',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect()
}
