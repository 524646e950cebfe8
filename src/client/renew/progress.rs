//! What is being done, on one line of standard error: written over on a terminal, else a line for each.

use std::io::{self, IsTerminal as _, Write as _};

use super::stage::Stage;
use crate::client::terminal::clean;

/// The line.
pub struct Progress {
    stage: Stage,
    /// Standard error is a terminal that can write over a line.
    smart: bool,
    shown: String,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new(stage: &Stage) -> Self {
        let dumb = std::env::var("TERM").map_or(true, |term| term.is_empty() || term == "dumb");
        Self { stage: stage.clone(), smart: io::stderr().is_terminal() && !dumb, shown: String::new() }
    }

    /// Shows what is being done now.
    pub fn show(&mut self, what: &str) {
        let what = clean(what);
        if what == self.shown {
            return;
        }
        let mut err = io::stderr().lock();
        // That it can't be shown is no reason to stop.
        let _ = if self.smart {
            let columns = rustix::termios::tcgetwinsize(&err).map_or(80, |size| usize::from(size.ws_col));
            let line = cut(&what, if columns == 0 { 79 } else { columns.saturating_sub(1) });
            self.stage.line_is_open(true);
            write!(err, "\r{line}\x1b[K").and_then(|()| err.flush())
        } else {
            writeln!(err, "{what}")
        };
        self.shown = what;
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.smart && !self.shown.is_empty() {
            let _ = io::stderr().write_all(b"\r\x1b[K");
            self.stage.line_is_open(false);
        }
        self.shown.clear();
    }

    /// Says something that stays.
    pub fn say(&mut self, what: &str) {
        self.clear();
        let _ = writeln!(io::stderr(), "{}", clean(what));
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
