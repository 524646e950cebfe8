//! A page that is redrawn in place, on the terminal's other screen.

use std::io::{self, IsTerminal as _, Write as _};

use crate::client::status::StatusArgs;
use crate::client::terminal::is_dumb;

/// The other screen, without a cursor, and with lines that are too long cut rather than broken (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// As it was.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const ROWS: usize = 24;

/// The terminal; as it was before when dropped.
pub(super) struct Screen {
    entered: bool,
}

impl Screen {
    /// Standard output's, where pages can be redrawn and are to be.
    pub(super) fn of_stdout(args: &StatusArgs) -> io::Result<Option<Self>> {
        if args.short || args.json || is_dumb() || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let mut screen = Self { entered: false };
        screen.enter()?;
        Ok(Some(screen))
    }

    /// Takes the screen.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        self.entered = true;
        write(ENTER)
    }

    /// Gives it back.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.entered) {
            // The terminal may be gone.
            let _ = write(LEAVE);
        }
    }

    /// Shows a page, as far as there is room.
    pub(super) fn draw(&mut self, page: &str) -> io::Result<()> {
        if !self.entered {
            self.enter()?;
        }
        let rows = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0);
        write(&frame(page, rows.unwrap_or(ROWS)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What makes a page of what is on the screen, without a moment at which it is empty.
fn frame(page: &str, rows: usize) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let fits = lines.len() < rows;
    let room = if fits { lines.len() } else { rows.saturating_sub(1) };
    let last = if fits { "Ctrl-C ends".to_owned() } else { format!("{} more lines, Ctrl-C ends", lines.len() - room) };
    let mut text = "\x1b[H".to_owned();
    for line in &lines[..room] {
        text.push_str(line);
        text.push_str("\x1b[K\r\n");
    }
    text.push_str(&last);
    text.push_str("\x1b[J");
    text
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_where_the_screen_ends() {
        let page = "one\ntwo\nthree\n";
        assert_eq!(frame(page, 4), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\nthree\x1b[K\r\nCtrl-C ends\x1b[J");
        assert_eq!(frame(page, 3), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n1 more lines, Ctrl-C ends\x1b[J");
        assert_eq!(frame(page, 1), "\x1b[H3 more lines, Ctrl-C ends\x1b[J");
    }
}
