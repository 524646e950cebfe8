//! Quoted parts of words.

use super::super::syntax::Word;
use super::words::{push, push_opaque};
use super::{Scan, Scanner};

impl Scanner<'_> {
    /// A newline inside a quote, while a here-document is waiting for one, is read differently by the shells.
    pub(super) fn check_quoted_newline(&self) -> Scan<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.unsupported("a here-document that starts inside quotes")
    }

    /// `'…'`
    pub(super) fn single_quotes(&mut self, word: &mut Word) -> Scan<()> {
        let start = self.at + 1;
        let Some(length) = self.source[start..].iter().position(|byte| *byte == b'\'') else {
            return self.unfinished("a single quote isn't closed");
        };
        let text = &self.source[start..start + length];
        if text.contains(&b'\n') {
            self.check_quoted_newline()?;
        }
        push(word, text, true);
        self.at = start + length + 1;
        Ok(())
    }

    /// `"…"`
    pub(super) fn double_quotes(&mut self, word: &mut Word) -> Scan<()> {
        self.nested(|scanner| scanner.double_quoted(word))
    }

    fn double_quoted(&mut self, word: &mut Word) -> Scan<()> {
        let start = self.at;
        self.at += 1;
        push(word, b"", true);
        loop {
            match self.peek() {
                None => {
                    self.at = start;
                    return self.unfinished("a double quote isn't closed");
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.double_quoted_backslash(word)?,
                Some(b'`') => self.backticks(word, true)?,
                Some(b'$') => self.dollar(word, true)?,
                Some(byte) => {
                    if byte == b'\n' {
                        self.check_quoted_newline()?;
                    }
                    push(word, &[byte], true);
                    self.at += 1;
                }
            }
        }
    }

    /// Inside double quotes a backslash only quotes what is special there.
    fn double_quoted_backslash(&mut self, word: &mut Word) -> Scan<()> {
        match self.ahead(1) {
            None => return self.unfinished("a double quote isn't closed"),
            Some(b'\n') => {
                self.check_quoted_newline()?;
            }
            Some(byte @ (b'$' | b'`' | b'"' | b'\\')) => push(word, &[byte], true),
            Some(byte) => push(word, &[b'\\', byte], true),
        }
        self.at += 2;
        Ok(())
    }

    /// `$'…'`, whose escapes the shells share for the most part.
    pub(super) fn dollar_quotes(&mut self, word: &mut Word) -> Scan<()> {
        self.at += 2;
        let mut text = Vec::new();
        let mut odd = None;
        loop {
            match self.peek() {
                None => return self.unfinished("a single quote isn't closed"),
                Some(b'\'') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => {
                    if let Err(why) = self.dollar_escape(&mut text)? {
                        odd = Some(why);
                    }
                }
                Some(byte) => {
                    if byte == b'\n' {
                        self.check_quoted_newline()?;
                    }
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        match odd {
            Some(why) => push_opaque(word, why, true),
            None => push(word, &text, true),
        }
        Ok(())
    }

    /// One escape of `$'…'`; the inner error says why its value isn't certain.
    fn dollar_escape(&mut self, text: &mut Vec<u8>) -> Scan<Result<(), &'static str>> {
        let Some(letter) = self.ahead(1) else {
            return self.unfinished("a single quote isn't closed");
        };
        self.at += 2;
        let byte = match letter {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'v' => 11,
            b'\\' | b'\'' | b'"' => letter,
            b'0'..=b'7' => {
                self.at -= 1;
                match self.digits(8, 3) {
                    (0, _) => return Ok(Err("a NUL byte in $'…'")),
                    (value, _) => match u8::try_from(value) {
                        Ok(byte) => byte,
                        Err(_) => {
                            return Ok(Err("an escape in $'…' that bash and zsh read differently"));
                        }
                    },
                }
            }
            b'x' => match self.digits(16, 2) {
                (0, _) => return Ok(Err("an escape in $'…' that bash and zsh read differently")),
                (value, _) => u8::try_from(value).unwrap_or_default(),
            },
            b'u' | b'U' => match self.digits(16, if letter == b'u' { 4 } else { 8 }) {
                (1..=127, _) => return Ok(Err("an escape in $'…' that isn't followed")),
                _ => return Ok(Err("an escape in $'…' that depends on the locale")),
            },
            _ => return Ok(Err("an escape in $'…' that bash and zsh read differently")),
        };
        text.push(byte);
        Ok(Ok(()))
    }

    /// Up to `most` digits: their value and how many they are.
    fn digits(&mut self, radix: u32, most: usize) -> (u64, usize) {
        let mut value = 0u64;
        let mut count = 0;
        while count < most {
            let Some(digit) = self
                .peek()
                .and_then(|byte| char::from(byte).to_digit(radix))
            else {
                break;
            };
            value = value * u64::from(radix) + u64::from(digit);
            self.at += 1;
            count += 1;
        }
        (value, count)
    }
}
