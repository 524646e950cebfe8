//! `credd status`.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use jiff::Zoned;

use super::http::Asked;
use super::noted::Noted;
use super::terminal::{Terminal, clean, is_dumb};
use super::{Failure, http, json, offline, words};
use crate::paths::{Paths, tilde, tilde_in};
use crate::protocol::{KeyStanding, Status, those_there_are};
use crate::{clock, zone};

mod bar;
mod consumers;
mod fold;
mod follow;
mod former;
mod keys;
mod page;
mod problems;
mod worst;

pub(super) use fold::fold;
pub(super) use former::needed_until;
pub(super) use keys::{is_told, next_step};
use page::full;
pub(super) use worst::standing_word;
use worst::{state_word, urgency};

/// Arguments of `credd status`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StatusArgs {
    /// Show this key or consumer alone
    pub name: Option<String>,
    /// Show all of many keys, consumers and problems, not the worst alone
    #[arg(long)]
    pub all: bool,
    /// Print the whole status as JSON
    #[arg(long, conflicts_with = "short")]
    pub json: bool,
    /// Print one short line, for prompts and bars
    #[arg(long)]
    pub short: bool,
    /// Stay, and show each change as it comes
    #[arg(long)]
    pub follow: bool,
}

/// Shows the status; without a daemon the last saved one.
pub fn run(paths: &Paths, args: &StatusArgs) -> Result<u8, Failure> {
    if args.follow {
        return follow::run(paths, args);
    }
    if args.json && args.name.is_none() && lay_out(paths)? {
        return Ok(0);
    }
    let asked = ask(paths);
    // Found out while the daemon writes its answer.
    let (layout, zone) = (Layout::of_stdout(), zone::local());
    let mut current = answered(paths, asked)?;
    if let Some(name) = &args.name {
        select(&mut current, name, &paths.home)?;
    }
    let text = if args.json {
        json::text(&current.status).map_err(|error| Failure::failed(error.to_string()))?
    } else {
        page(&current.in_words(&paths.home), paths, args, layout, &clock::now().to_zoned(zone))
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

/// How a page is laid out.
#[derive(Clone, Copy)]
struct Layout {
    terminal: Terminal,
    /// Bars are of use: a screen reader would read them cell by cell.
    draws: bool,
}

impl Layout {
    fn of_stdout() -> Self {
        Self { terminal: Terminal::of_stdout(), draws: !is_dumb() }
    }
}

/// The text that was asked for, as of now.
fn page(current: &Current, paths: &Paths, args: &StatusArgs, layout: Layout, now: &Zoned) -> String {
    let text = if args.short { short(&current.status, args.name.as_deref()) } else { full(current, paths, layout, now, args) };
    if layout.terminal.unicode { text } else { ascii(&text) }
}

/// Prints the daemon's document as it comes, laid out for people. Returns whether a daemon answers.
fn lay_out(paths: &Paths) -> Result<bool, Failure> {
    let mut out = Noted::new(BufWriter::new(std::io::stdout().lock()));
    let mut begun = false;
    let done = http::stream(&paths.socket, "/v1/status", |document| {
        begun = true;
        serde_transcode::transcode(document, &mut json::serializer(&mut out))?;
        out.write_all(b"\n").and_then(|()| out.flush()).map_err(serde_json::Error::io)
    });
    match (out.into_fault(), done) {
        (Some(fault), _) => Err(fault.into()),
        (None, Err(failure)) if failure.code == 3 && !begun => Ok(false),
        (None, done) => done.map(|()| true),
    }
}

/// The status from the daemon, else the last saved one.
pub struct Current {
    /// What is known.
    pub status: Status,
    /// Why the daemon wasn't asked.
    pub offline: Option<Failure>,
    /// The names of all keys there are, known or not.
    pub keys: Vec<String>,
    /// The same of consumers.
    pub consumers: Vec<String>,
}

/// Asks the daemon, else reads the state.
pub fn current(paths: &Paths) -> Result<Current, Failure> {
    answered(paths, ask(paths))
}

fn ask(paths: &Paths) -> Result<Asked<'_>, Failure> {
    http::ask(&paths.socket, "/v1/status")
}

fn answered(paths: &Paths, asked: Result<Asked<'_>, Failure>) -> Result<Current, Failure> {
    match asked.and_then(Asked::answer) {
        Ok(status) => Ok(Current::live(status)),
        Err(failure) if failure.code == 3 => offline::current(paths, failure),
        Err(failure) => Err(failure),
    }
}

impl Current {
    /// As text: with the paths and times in it as people read them.
    pub(super) fn in_words(self, home: &Path) -> Self {
        self.in_words_at(home, || words::local(clock::now()))
    }

    /// The zone is read where something may be said in it.
    fn in_words_at(mut self, home: &Path, now: impl FnOnce() -> Zoned) -> Self {
        for detail in self.status.keys.iter_mut().filter_map(|key| key.detail.as_mut()) {
            *detail = tilde_in(detail, home);
        }
        if !self.status.problems.is_empty() {
            let now = now();
            for text in self.status.problems.iter_mut().flat_map(|problem| [&mut problem.message, &mut problem.fix]) {
                *text = words::in_local_time(text, &now);
            }
        }
        self
    }

    fn live(status: Status) -> Self {
        Self {
            keys: status.keys.iter().map(|key| key.name.clone()).collect(),
            consumers: status.consumers.iter().map(|consumer| consumer.name.clone()).collect(),
            offline: None,
            status,
        }
    }
}

/// Keeps what is of this name. With a key stay the consumers that have it, or should.
fn select(current: &mut Current, name: &str, home: &Path) -> Result<(), Failure> {
    let names = || current.keys.iter().chain(&current.consumers).map(String::as_str);
    if !names().any(|known| known == name) {
        return Err(Failure::usage(format!("no key or consumer is named {:?}", clean(name))).hint(those_there_are(names())));
    }
    let status = &mut current.status;
    status.keys.retain(|key| key.name == name);
    status.consumers.retain(|consumer| consumer.name == name || consumer.key_fingerprints.contains_key(name));
    let is_of_it = |what: &String| what == name || status.keys.iter().any(|key| key.env_file == *what);
    let files: Vec<String> = status.keys.iter().map(|key| tilde(Path::new(&key.env_file), home)).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let speaks_of = |text: &str, what: &String| {
        text.match_indices(what).any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + what.len()..].starts_with(is_part))
    };
    status.problems.retain(|problem| match &problem.about[..] {
        // Its words may have a file. They may have any name as well, which is a word like others.
        [] => files.iter().any(|file| speaks_of(&problem.message, file)),
        about => about.iter().any(is_of_it),
    });
    Ok(())
}

/// The worst key in a few characters; where a consumer was asked for, how it is.
fn short(status: &Status, name: Option<&str>) -> String {
    let worst = status.keys.iter().min_by(|a, b| urgency(a).total_cmp(&urgency(b)));
    if let Some(key) = worst {
        let what = match key.state {
            KeyStanding::Ok | KeyStanding::Due => key.days_left.map_or_else(|| "ok".into(), words::days_short),
            other => standing_word(other).into(),
        };
        let mark = if status.live { "" } else { " (no daemon)" };
        return format!("{} {what}{mark}\n", clean(&key.name));
    }
    // Nobody looks at processes without a daemon.
    match status.consumers.iter().find(|consumer| name == Some(&consumer.name) && status.live) {
        Some(consumer) => format!("{} {}\n", clean(&consumer.name), state_word(consumer)),
        None => "credd: nothing known\n".into(),
    }
}

pub(super) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => plain.push_str("..."),
            '’' | '‘' => plain.push('\''),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
