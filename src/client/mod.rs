//! The other commands: each a short function; what they show is made of the protocol's documents.

pub mod apply;
mod body;
pub mod calendar;
pub mod check;
pub mod completions;
pub mod config;
pub mod doctor;
mod endings;
mod events;
pub mod exec;
pub mod explain;
mod first_run;
pub mod help;
pub mod history;
pub mod hook;
mod http;
pub mod issued;
mod json;
pub mod man;
pub mod metrics;
mod noted;
mod offline;
pub mod renew;
pub mod service;
pub mod snooze;
pub mod status;
mod terminal;
mod trial;
pub mod verify;
mod words;

use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::termios::tcgetwinsize;

use crate::config::{Config, Surroundings};
use crate::hardening;
use crate::paths::Paths;
use crate::protocol::those_there_are;
use status::{ascii, fold};
use terminal::{Terminal, clean};

/// The configuration in force for whoever asks; one that is wrong is told with its place.
fn configuration(paths: &Paths) -> Result<Config, Failure> {
    let surroundings = Surroundings { home: paths.home.clone() };
    Config::load(&paths.config, paths.config_named, &surroundings).map_err(|error| Failure::usage(error.to_string()))
}

/// A failure, as told: one sentence and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The program's exit code (contract, section 5).
    pub code: u8,
    /// What went wrong.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Failure {
    /// The user asked for something that makes no sense: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), hint: None }
    }

    /// It went wrong: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), hint: None }
    }

    /// With the next step.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Tells it on standard error, each line after `prefix`.
    pub fn report(&self, prefix: &str) {
        let mut err = io::stderr().lock();
        let columns = columns(err.as_fd());
        let message = in_locale(terminal::clean_lines(&self.message));
        // What follows is an excerpt of a file, laid out by itself.
        let (sentence, excerpt) = message.split_at(message.find('\n').unwrap_or(message.len()));
        let mut text = laid_out(&format!("credd: {sentence}"), columns, 0);
        text.push_str(excerpt.strip_prefix('\n').unwrap_or(excerpt));
        if let Some(hint) = &self.hint {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&laid_out(&format!("  {}", in_locale(terminal::clean_lines(hint))), columns, 2));
        }
        for line in text.lines() {
            let _ = writeln!(err, "{prefix}{line}");
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // `credd status | head`: the reader has seen enough.
        let code = u8::from(error.kind() != io::ErrorKind::BrokenPipe);
        Self { code, message: error.to_string(), hint: None }
    }
}

/// Writes to standard output, for a command that has more to do, or an exit code to give, than to be read: whoever has read
/// enough (`credd check | head -1`) changes nothing of that.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The same for text that only people read, laid out for the terminal they read it on.
fn tell(text: &str) -> io::Result<()> {
    say(&laid_out(&in_locale(text.to_owned()), columns(io::stdout().as_fd()), 2))
}

/// The columns of a stream that is a terminal.
fn columns(stream: BorrowedFd<'_>) -> Option<usize> {
    let columns = usize::from(tcgetwinsize(stream).ok()?.ws_col);
    Some(if columns == 0 { 80 } else { columns.clamp(20, 100) })
}

/// Breaks what is too long for a line of so many columns, and goes on so much further in. What is no terminal has lines of any
/// length: there they are searched.
fn laid_out(text: &str, columns: Option<usize>, further: usize) -> String {
    let mut lines = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        match columns {
            Some(columns) if terminal::columns(line) > columns => {
                let mut left = indent;
                for part in fold(words, columns.saturating_sub(indent + further)) {
                    lines.push_str(&" ".repeat(left));
                    lines.push_str(&part);
                    lines.push('\n');
                    left = indent + further;
                }
            }
            _ => {
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    lines
}

/// Text in the characters that the user's locale has.
fn in_locale(text: String) -> String {
    if Terminal::of_stdout().unicode { text } else { ascii(&text) }
}

/// Nothing has this name.
fn unknown(what: &str, name: &str, names: &[&str]) -> Failure {
    Failure::usage(format!("no {what} is named {:?}", clean(name))).hint(those_there_are(names.iter().copied()))
}

/// Why a request about a key or a consumer failed: where no daemon answers, the configuration knows the names (contract, section 7).
fn unless_unknown(failure: Failure, paths: &Paths, what: &str, name: &str) -> Failure {
    let config = if failure.code == 3 { configuration(paths).ok() } else { None };
    let Some(config) = config else { return failure };
    let names: Vec<&str> = match what {
        "key" => config.keys.iter().map(|key| key.name.as_str()).collect(),
        _ => config.consumers.iter().map(|consumer| consumer.name.as_str()).collect(),
    };
    if names.contains(&name) { failure } else { unknown(what, name, &names) }
}

/// This process holds a key for a while.
fn harden() {
    hardening::hide();
    hardening::hold_in_memory();
}

/// The path of a request; a name that can't be one (see the configuration) isn't sent.
fn path(parts: &[&str]) -> Result<String, Failure> {
    let fine = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match parts.iter().find(|part| !fine(part)) {
        None => Ok(format!("/{}", parts.join("/"))),
        Some(wrong) => Err(Failure::usage(format!("nothing can be named {:?}", clean(wrong))).hint("see the names with: credd status")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_words_on_a_terminal_alone() {
        let text = "bedrock: rejected: API Key is not valid\n  credd renew bedrock\n";
        assert_eq!(laid_out(text, None, 2), text);
        assert_eq!(laid_out(text, Some(40), 2), text);
        let broken = "bedrock: rejected:\n  API Key is not\n  valid\n  credd renew bedrock\n";
        assert_eq!(laid_out(text, Some(20), 2), broken);
    }
}
