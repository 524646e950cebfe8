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

use crate::config::{Config, Surroundings};
use crate::hardening;
use crate::paths::Paths;

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
        let mut text = format!("credd: {}", terminal::clean_lines(&self.message));
        if let Some(hint) = &self.hint {
            text.push_str("\n  ");
            text.push_str(&terminal::clean_lines(hint));
        }
        let mut err = io::stderr().lock();
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
        Some(wrong) => {
            Err(Failure::usage(format!("nothing can be named {:?}", terminal::clean(wrong))).hint("see the names with: credd status"))
        }
    }
}
