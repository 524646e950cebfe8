//! What the terminal can show.

use std::env;
use std::io::{self, IsTerminal};

use crate::plain::steers;

/// How to write for whoever reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Colours are welcome.
    pub colour: bool,
    /// Characters beyond ASCII are shown.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
}

impl Terminal {
    /// Standard output's.
    pub fn of_stdout() -> Self {
        let tty = io::stdout().is_terminal();
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let columns = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self { colour: tty && !set("NO_COLOR") && !is_dumb(), unicode: unicode(), width: columns.unwrap_or(80).clamp(20, 100) }
    }

    /// `text` in a colour (an SGR parameter), where colours are welcome.
    pub fn paint(self, sgr: &str, text: &str) -> String {
        if self.colour && !sgr.is_empty() { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The terminal understands nothing but text: whoever reads it there may be hearing it.
pub fn is_dumb() -> bool {
    env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// As the C library tells it: the first of these that is set.
fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| env::var(name).ok()).find(|value| !value.is_empty());
    locale.map_or(cfg!(target_os = "macos"), |locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The columns that a terminal gives a text: two to each wide character of Unicode's UAX #11, told by its blocks (the crate with
/// the whole table is 11 KB of program).
pub fn columns(text: &str) -> usize {
    // As nearly all is.
    if text.is_ascii() {
        return text.len();
    }
    let is_wide = |c| {
        matches!(c,
            '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| 1 + usize::from(is_wide(c))).sum()
}

/// Text from outside, on one line: a control character could steer the terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// The same for several lines.
pub fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && steers(c) { '\u{fffd}' } else { c }).collect()
}
