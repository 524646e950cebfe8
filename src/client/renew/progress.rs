//! What is being done, on one line of standard error: written over on a terminal, else a line for each, where that is of use.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use super::stage::Stage;
use crate::client::terminal::clean;
use crate::client::{columns, in_locale, laid_out};

/// The line.
pub struct Progress {
    /// Of work that has to say more when it is ended from outside.
    stage: Option<Stage>,
    /// Somebody is told.
    told: bool,
    /// Standard error is a terminal that can write over a line.
    smart: bool,
    shown: String,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new(stage: &Stage) -> Self {
        let mut progress = Self::of_terminal();
        (progress.stage, progress.told) = (Some(stage.clone()), true);
        progress
    }

    /// The same where only a terminal is told.
    pub fn of_terminal() -> Self {
        let dumb = std::env::var("TERM").map_or(true, |term| term.is_empty() || term == "dumb");
        let told = io::stderr().is_terminal();
        Self { stage: None, told, smart: told && !dumb, shown: String::new() }
    }

    /// Somebody sees what is shown.
    pub fn is_told(&self) -> bool {
        self.told
    }

    /// Shows what is being done now.
    pub fn show(&mut self, what: &str) {
        let what = in_locale(clean(what));
        if what == self.shown || !self.told {
            return;
        }
        self.line_is_open(self.smart);
        let mut err = io::stderr().lock();
        // That it can't be shown is no reason to stop.
        let _ = if self.smart {
            let columns = rustix::termios::tcgetwinsize(&err).map_or(80, |size| usize::from(size.ws_col));
            let line = cut(&what, if columns == 0 { 79 } else { columns.saturating_sub(1) });
            write!(err, "\r{line}\x1b[K").and_then(|()| err.flush())
        } else {
            writeln!(err, "{what}")
        };
        self.shown = what;
    }

    /// Before standard error is locked: who ends the program locks the stage first, then that.
    fn line_is_open(&self, open: bool) {
        if let Some(stage) = &self.stage {
            stage.line_is_open(open);
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.smart && !self.shown.is_empty() {
            let _ = io::stderr().write_all(b"\r\x1b[K");
            self.line_is_open(false);
        }
        self.shown.clear();
    }

    /// Says something that stays.
    pub fn say(&mut self, what: &str) {
        self.clear();
        let mut err = io::stderr().lock();
        let _ = err.write_all(laid_out(&in_locale(clean(what)), columns(err.as_fd()), 2).as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// As much of a text as a line has room for.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room { text.to_owned() } else { text.chars().take(room.saturating_sub(2)).chain("..".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_breaks() {
        assert_eq!(cut("litellm: loading", 40), "litellm: loading");
        assert_eq!(cut("litellm: loading", 10), "litellm:..");
        assert_eq!(cut("litellm", 1), "..");
    }
}
