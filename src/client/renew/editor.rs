//! A line that is typed or pasted and never shown: what each byte from a terminal does to it.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Longer than any key: a short-term one with a session's token has about two thousand.
pub const LIMIT: usize = 16 * 1024;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By Enter.
    Line,
    /// By Ctrl-C.
    Interrupted,
    /// By Ctrl-D, with nothing before it, or since the terminal is gone.
    Closed,
}

/// Where in an escape sequence the bytes are. Arrow keys and the like send such; so does a terminal that marks
/// what was pasted (`ESC [ 200 ~` … `ESC [ 201 ~`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    /// After `ESC [`: the number so far.
    Sequence(u32),
    /// After `ESC O`.
    Single,
}

/// The line so far, in one allocation that is wiped.
pub struct Editor {
    line: Zeroizing<Vec<u8>>,
    too_long: bool,
    escape: Escape,
    pasting: bool,
    /// The line has ended: what still comes is counted and dropped.
    ended: bool,
    dropped: bool,
}

const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: u8 = 8;
const KILL_WORD: u8 = 23;
const KILL_LINE: u8 = 21;
const SUSPEND: u8 = 26;
const ESCAPE: u8 = 27;
const QUIT: u8 = 28;
const DELETE: u8 = 127;

impl Editor {
    /// An empty line.
    pub fn new() -> Self {
        // It never grows, since that would leave a copy behind.
        let line = Zeroizing::new(Vec::with_capacity(LIMIT));
        Self { line, too_long: false, escape: Escape::No, pasting: false, ended: false, dropped: false }
    }

    /// Takes one byte in; says if it ends the line.
    pub fn feed(&mut self, byte: u8) -> Option<Ended> {
        if self.in_sequence(byte) {
            return None;
        }
        if self.ended {
            self.dropped |= !byte.is_ascii_whitespace();
            return None;
        }
        match byte {
            b'\r' | b'\n' => return Some(self.end(Ended::Line)),
            // What was pasted does nothing but stand there: the form check names it.
            _ if self.pasting => self.push(byte),
            INTERRUPT => return Some(self.end(Ended::Interrupted)),
            END if self.line.is_empty() => return Some(self.end(Ended::Closed)),
            // Stopping a program that has the terminal in such a state helps nobody; nor does its core.
            END | SUSPEND | QUIT => {}
            BACKSPACE | DELETE => self.erase(),
            KILL_WORD | KILL_LINE => self.clear(),
            _ => self.push(byte),
        }
        None
    }

    /// How many characters there are.
    pub fn count(&self) -> usize {
        self.line.iter().filter(|byte| !is_continuation(**byte)).count()
    }

    /// More came than any key has.
    pub fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// The terminal has said that a paste began, and not that it ended.
    pub fn is_pasting(&self) -> bool {
        self.pasting
    }

    /// After the line, more came than white space.
    pub fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// The line, without white space around it.
    pub fn take(mut self) -> Secret {
        trimmed(std::mem::take(&mut self.line))
    }

    fn end(&mut self, how: Ended) -> Ended {
        self.ended = true;
        how
    }

    fn push(&mut self, byte: u8) {
        if self.line.len() < LIMIT {
            self.line.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn erase(&mut self) {
        while self.line.pop().is_some_and(is_continuation) {}
    }

    fn clear(&mut self) {
        self.line.clear();
        self.too_long = false;
    }

    /// Whether this byte is part of an escape sequence.
    fn in_sequence(&mut self, byte: u8) -> bool {
        self.escape = match (self.escape, byte) {
            (Escape::No, ESCAPE) => Escape::Begun,
            (Escape::No, _) => return false,
            (Escape::Begun, b'[') | (Escape::Sequence(_), b';') => Escape::Sequence(0),
            (Escape::Begun, b'O') => Escape::Single,
            (Escape::Begun, ESCAPE) => Escape::Begun,
            // The Escape key alone, and another key.
            (Escape::Begun, 0..=31 | 127) => {
                self.escape = Escape::No;
                return false;
            }
            (Escape::Sequence(number), b'0'..=b'9') => Escape::Sequence(number.saturating_mul(10).saturating_add(u32::from(byte - b'0'))),
            (Escape::Sequence(number), b'~') => {
                match number {
                    200 => self.pasting = true,
                    201 => self.pasting = false,
                    _ => {}
                }
                Escape::No
            }
            (Escape::Sequence(number), 0x20..=0x3f) => Escape::Sequence(number),
            // A key with Alt, or the end of a sequence.
            (Escape::Begun | Escape::Sequence(_) | Escape::Single, _) => Escape::No,
        };
        true
    }
}

/// Bytes of UTF-8 that belong to the character before them.
fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// A line without white space around it, in the allocation that it is in.
pub fn trimmed(mut line: Zeroizing<Vec<u8>>) -> Secret {
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.pop();
    }
    let start = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    line.drain(..start);
    Secret::new(std::mem::take(&mut line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the line, how it ended, and whether anything came after it.
    fn typed(bytes: &[u8]) -> (String, Option<Ended>, bool) {
        let mut editor = Editor::new();
        let mut ended = None;
        for byte in bytes {
            ended = editor.feed(*byte).or(ended);
        }
        let dropped = editor.has_dropped();
        (String::from_utf8(editor.take().expose().to_vec()).unwrap(), ended, dropped)
    }

    #[test]
    fn keys_do_what_they_say() {
        let line = Some(Ended::Line);
        for (bytes, expected, ended, dropped) in [
            (&b"abc\r"[..], "abc", line, false),
            (b"abc\n", "abc", line, false),
            (b"abx\x7fc\r", "abc", line, false),
            ("ab\u{e9}\x7fc\r".as_bytes(), "abc", line, false),
            (b"\x7f\x7fa\r", "a", line, false),
            (b"wrong\x15abc\r", "abc", line, false),
            (b"a\x1b[A\x1b[1;5Db\x1bOPc\x1bx\r", "abc", line, false),
            (b"a\x1b\r", "a", line, false),
            (b"a\x1ab\x1cc\x04\r", "abc", line, false),
            (b"  abc \t\r", "abc", line, false),
            (b"a b\r", "a b", line, false),
            (b"abc\x03", "abc", Some(Ended::Interrupted), false),
            (b"\x04", "", Some(Ended::Closed), false),
            (b"abc\nrm -rf /\n", "abc", line, true),
            (b"abc\r\n\n", "abc", line, false),
            (b"abc", "abc", None, false),
        ] {
            assert_eq!(typed(bytes), (expected.to_owned(), ended, dropped), "{bytes:?}");
        }
    }

    #[test]
    fn marks_of_a_paste_are_no_part_of_it() {
        assert_eq!(typed(b"\x1b[200~abc\x1b[201~\r"), ("abc".into(), Some(Ended::Line), false));
        assert_eq!(typed(b"\x1b[200~abc\ndef\n\x1b[201~"), ("abc".into(), Some(Ended::Line), true));
        // Nothing that is pasted acts.
        assert_eq!(typed(b"\x1b[200~a\x03b\x1b[201~\r"), ("a\x03b".into(), Some(Ended::Line), false));
        let mut editor = Editor::new();
        for byte in b"\x1b[200~abc\n" {
            editor.feed(*byte);
        }
        assert!(editor.is_pasting());
        for byte in b"rest\x1b[201~" {
            assert_eq!(editor.feed(*byte), None);
        }
        assert!(!editor.is_pasting() && editor.has_dropped());
    }

    #[test]
    fn a_line_never_grows_out_of_its_place() {
        let mut editor = Editor::new();
        let place = editor.line.as_ptr();
        for _ in 0..LIMIT + 10 {
            editor.feed(b'x');
        }
        assert!(editor.is_too_long());
        assert_eq!((editor.count(), editor.line.as_ptr()), (LIMIT, place));
        assert_eq!(editor.take().expose().as_ptr(), place);
    }
}
