//! The user's terminal: takes a key that is never shown, and a yes or no.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex};
use zeroize::Zeroizing;

use super::editor::{Editor, Ended, LIMIT};
use super::stage::Stage;
use crate::client::endings::INTERRUPTED;
use crate::client::terminal::clean_lines;
use crate::client::{Failure, columns, in_locale, laid_out};
use crate::clock;
use crate::secret::Secret;

const PROMPT: &str = "New key (not shown): ";
/// The next step where standard input has something else.
pub const GIVE_ALONE: &str = "give the key alone, such as: printf '%s\\n' \"$KEY\" | credd renew --stdin";
/// After the line has ended, what comes within this time, in tenths of a second, belongs to the same paste.
const SAME_PASTE: u8 = 2;
/// The same of a paste whose end the terminal will mark.
const MARKED_PASTE: u8 = 10;
/// And no paste is waited for longer.
const LONGEST_PASTE: Duration = Duration::from_secs(5);

/// The terminal that the program was called from.
pub struct Tty {
    file: Arc<File>,
    stage: Stage,
    /// It understands more than lines.
    smart: bool,
}

/// What was entered.
pub struct Entered {
    /// The line.
    pub key: Secret,
    /// It was longer than any key, and is cut.
    pub too_long: bool,
}

impl Tty {
    /// The terminal, if there is one: standard input has to be it, or the key would seem to come from there.
    pub fn open(stage: &Stage) -> Result<Self, Failure> {
        let none = || {
            Failure::usage("standard input is not a terminal, so nobody can be asked for the key")
                .hint("to give it there instead: credd renew --stdin")
        };
        if !io::stdin().is_terminal() {
            return Err(none());
        }
        let file = File::options().read(true).write(true).open("/dev/tty").map_err(|_| none())?;
        let smart = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
        Ok(Self { file: Arc::new(file), stage: stage.clone(), smart })
    }

    /// Asks for a key. What follows its line is thrown away, so that no shell ever runs it.
    pub fn ask_for_key(&self) -> Result<Entered, Failure> {
        let mut editor = Editor::new();
        let change = self.quiet(PROMPT, self.smart)?;
        let ended = self.read(&mut editor)?;
        if ended == Ended::Line {
            self.throw_rest_away(&mut editor)?;
            let mut tty = &*self.file;
            if !self.smart {
                write!(tty, "{}", count(&editor))?;
            }
        }
        drop(change);
        match ended {
            Ended::Line => {}
            Ended::Interrupted => return Err(self.stage.said(INTERRUPTED)),
            Ended::Closed => return Err(self.stage.said(1)),
        }
        if editor.has_dropped() {
            self.say("Only the first line was taken; the rest was thrown away.")?;
        }
        Ok(Entered { too_long: editor.is_too_long(), key: editor.take() })
    }

    /// Asks a question; no unless the user says yes.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let change = self.quiet(&format!("{} [y/N] ", clean_lines(question)), false)?;
        let mut byte = [0];
        let length = self.read_some(&mut byte)?;
        let yes = length == 1 && byte[0].eq_ignore_ascii_case(&b'y');
        let interrupted = length == 1 && byte[0] == 3;
        if !interrupted {
            (&*self.file).write_all(if yes { b"yes" } else { b"no" })?;
        }
        self.throw_rest_away(&mut Editor::new())?;
        drop(change);
        if interrupted { Err(self.stage.said(INTERRUPTED)) } else { Ok(yes) }
    }

    /// Says something to the user.
    pub fn say(&self, text: &str) -> Result<(), Failure> {
        let text = laid_out(&in_locale(clean_lines(text)), columns(self.file.as_fd()), 2);
        (&*self.file).write_all(text.as_bytes())?;
        Ok(())
    }

    /// Shows nothing that is typed, and has every byte come as it is, until the result is dropped.
    fn quiet(&self, prompt: &str, marks: bool) -> Result<super::stage::Change, Failure> {
        let before = termios::tcgetattr(&*self.file).map_err(io::Error::from)?;
        let mut during = before.clone();
        during.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        during.special_codes[SpecialCodeIndex::VMIN] = 1;
        during.special_codes[SpecialCodeIndex::VTIME] = 0;
        self.stage.change(&self.file, before, during, marks, prompt)
    }

    /// Reads up to the end of the line and shows how much there is of it.
    fn read(&self, editor: &mut Editor) -> Result<Ended, Failure> {
        let mut bytes = Zeroizing::new([0; 512]);
        loop {
            let length = self.read_some(&mut *bytes)?;
            if length == 0 {
                return Ok(Ended::Closed);
            }
            let mut ended = None;
            for byte in &bytes[..length] {
                // What follows the end is dropped by the editor.
                ended = ended.or(editor.feed(*byte));
            }
            if ended.is_none_or(|ended| ended == Ended::Line) {
                self.show_count(editor)?;
            }
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    fn show_count(&self, editor: &Editor) -> Result<(), Failure> {
        let count = count(editor);
        let columns = termios::tcgetwinsize(&*self.file).map_or(80, |size| usize::from(size.ws_col));
        // A line that the terminal breaks can't be written over.
        if self.smart && (columns == 0 || PROMPT.len() + count.len() < columns) {
            write!(&*self.file, "\r{PROMPT}{count}\x1b[K")?;
        }
        Ok(())
    }

    /// Waits for what belongs to the same paste, and drops it.
    fn throw_rest_away(&self, editor: &mut Editor) -> Result<(), Failure> {
        let mut bytes = Zeroizing::new([0; 512]);
        let start = clock::monotonic();
        while clock::monotonic().saturating_duration_since(start) < LONGEST_PASTE {
            self.wait_at_most(if editor.is_pasting() { MARKED_PASTE } else { SAME_PASTE })?;
            let length = self.read_some(&mut *bytes)?;
            if length == 0 {
                break;
            }
            for byte in &bytes[..length] {
                let _ = editor.feed(*byte);
            }
        }
        Ok(())
    }

    /// Has reads give up after so many tenths of a second. (On macOS, terminals can't be polled.)
    fn wait_at_most(&self, tenths: u8) -> Result<(), Failure> {
        let mut modes = termios::tcgetattr(&*self.file).map_err(io::Error::from)?;
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = tenths;
        termios::tcsetattr(&*self.file, OptionalActions::Now, &modes).map_err(io::Error::from)?;
        Ok(())
    }

    fn read_some(&self, bytes: &mut [u8]) -> Result<usize, Failure> {
        Ok(read(&*self.file, bytes)?)
    }
}

fn count(editor: &Editor) -> String {
    match editor.count() {
        0 => String::new(),
        1 => "(1 character)".into(),
        count => format!("({count} characters)"),
    }
}

/// The key as the one line of standard input.
pub fn from_stdin() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage("standard input is a terminal, which would show the key").hint("leave --stdin out to be asked for it"));
    }
    // Not through the standard library's reader, whose buffer isn't wiped; one allocation, as nothing may
    // be left behind.
    let mut line = Zeroizing::new(vec![0; LIMIT + 2]);
    let mut length = 0;
    while length < line.len() {
        match read(&stdin, &mut line[length..])? {
            0 => break,
            more => length += more,
        }
    }
    line.truncate(length);
    let fits = length < LIMIT + 2;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    if line.contains(&b'\n') {
        return Err(Failure::failed("nothing was changed: there is more than one line on standard input").hint(GIVE_ALONE));
    }
    if !fits {
        return Err(Failure::failed("nothing was changed: what is on standard input is longer than any key").hint(GIVE_ALONE));
    }
    Ok(super::editor::trimmed(line))
}

fn read(from: impl AsFd, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(&from, &mut *bytes) {
            Err(rustix::io::Errno::INTR) => {}
            // The terminal is gone.
            Err(rustix::io::Errno::IO) => return Ok(0),
            done => return Ok(done?),
        }
    }
}
