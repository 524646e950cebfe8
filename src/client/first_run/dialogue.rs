//! Questions to the user, and what is said between them.

use std::io::{self, BufRead as _, Write as _};

use crate::client::Failure;
use crate::client::renew::stage::Stage;
use crate::client::status::{ascii, fold};
use crate::client::terminal::{Terminal, clean};

/// Who can't be understood so many times gives the answer as a flag.
const TRIES: u32 = 3;

/// How answers are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The user is asked.
    Asks,
    /// What would be offered is taken.
    Takes,
    /// Nothing is asked or offered.
    Silent,
}

/// A talk with the user.
pub struct Dialogue {
    /// How answers are come by.
    pub manner: Manner,
    /// What whoever ends it is told.
    pub stage: Stage,
    terminal: Terminal,
}

impl Dialogue {
    /// On standard input and output.
    pub fn new(manner: Manner, stage: Stage) -> Self {
        Self { manner, stage, terminal: Terminal::of_stdout() }
    }

    /// Says a paragraph, if anybody listens.
    pub fn say(&self, text: &str) -> Result<(), Failure> {
        if self.manner != Manner::Silent {
            let mut out = io::stdout().lock();
            for line in fold(&self.shown(text), self.terminal.width) {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// One of several things, each in lines that belong together.
    pub fn item(&self, number: usize, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        for (at, line) in fold(&self.shown(text), self.terminal.width.saturating_sub(5)).iter().enumerate() {
            if at == 0 { writeln!(out, "{number:>3}  {line}")? } else { writeln!(out, "     {line}")? }
        }
        Ok(())
    }

    /// Asks until the answer is understood; an empty one is for `understand` to know as well.
    pub fn ask<T>(&self, question: &str, flag: &str, understand: &dyn Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
        for _ in 0..TRIES {
            match understand(self.line(question)?.trim()) {
                Ok(answer) => return Ok(answer),
                Err(why) => self.say(&format!("{why}."))?,
            }
        }
        Err(Failure::usage("nothing was changed: no answer was understood").hint(format!("give it as a flag: credd install {flag}")))
    }

    /// Yes, unless the user says no.
    pub fn agreed(&self, question: &str, flag: &str) -> Result<bool, Failure> {
        self.ask(&format!("{question} [Y/n] "), flag, &|answer| match answer.to_ascii_lowercase().as_str() {
            "" | "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err("Answer y or n".into()),
        })
    }

    fn shown(&self, text: &str) -> String {
        let text = clean(text);
        if self.terminal.unicode { text } else { ascii(&text) }
    }

    /// A line; whoever closes the input instead is gone.
    fn line(&self, question: &str) -> Result<String, Failure> {
        let mut out = io::stdout().lock();
        write!(out, "{}", self.shown(question))?;
        out.flush()?;
        self.stage.line_is_open(true);
        let mut line = Vec::new();
        let read = io::stdin().lock().read_until(b'\n', &mut line);
        self.stage.line_is_open(false);
        if read? == 0 {
            writeln!(out)?;
            return Err(self.stage.said(1));
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}
