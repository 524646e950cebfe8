//! Words and assignments.

use super::super::syntax::{Assignment, Opaque, Piece, Target, Word, is_name, is_name_byte};
use super::{Scan, Scanner, is_meta};

/// Adds bytes to a word, in one piece with those before them where they are quoted alike.
pub(super) fn push(word: &mut Word, bytes: &[u8], quoted: bool) {
    if let Some(Piece::Text {
        bytes: text,
        quoted: same,
    }) = word.pieces.last_mut()
        && *same == quoted
    {
        text.extend_from_slice(bytes);
        return;
    }
    word.pieces.push(Piece::Text {
        bytes: bytes.to_vec(),
        quoted,
    });
}

/// Adds something that isn't followed and has no effect besides its value.
pub(super) fn push_opaque(word: &mut Word, why: &'static str, may_stop: bool) {
    word.pieces.push(Piece::Opaque(Opaque {
        why,
        mentions: Vec::new(),
        may_stop,
    }));
}

/// The braces of a word that are neither quoted nor part of an expansion.
#[derive(Default)]
struct Braces {
    open: usize,
    any: bool,
}

impl Scanner<'_> {
    /// The word that starts here; `NAME=…` is only an assignment where the grammar has room for one.
    pub(super) fn word(&mut self, may_assign: bool) -> Scan<Word> {
        self.skip_continuations();
        let start = self.at;
        if may_assign && let Some(word) = self.assignment(start)? {
            return Ok(word);
        }
        let mut word = Word::default();
        if self.peek() == Some(b'~') {
            self.tilde(&mut word, false);
        }
        self.word_rest(&mut word, false)?;
        word.span = start..self.at;
        Ok(word)
    }

    /// `NAME=…`, `NAME+=…` and `NAME[…]=…`; a continuation line may split the name.
    fn assignment(&mut self, start: usize) -> Scan<Option<Word>> {
        let Some((name, mut at)) = self.assigned_name(start) else {
            return Ok(None);
        };
        let mut target = Target::Scalar;
        if self.source.get(at) == Some(&b'[') {
            let subscript = &self.source[at..];
            let length = subscript
                .iter()
                .position(|byte| b"] \t\n$'\"`\\".contains(byte));
            match length {
                Some(length) if subscript[length] == b']' => at += length + 1,
                _ => return self.unsupported("a subscript that isn't plain"),
            }
            target = Target::Element;
        }
        let append = self.source[at..].starts_with(b"+=");
        if append {
            at += 2;
        } else if self.source.get(at) == Some(&b'=') {
            at += 1;
        } else {
            return Ok(None);
        }
        self.at = at;
        let mut value = Word::default();
        if self.peek() == Some(b'(') {
            target = Target::Array;
            self.array()?;
            if !self.peek().is_none_or(is_meta) {
                return self.unsupported("an array with something right after it");
            }
        } else {
            self.skip_continuations();
            if self.peek() == Some(b'~') {
                self.tilde(&mut value, true);
            }
            self.word_rest(&mut value, true)?;
        }
        value.span = at..self.at;
        let operator: &[u8] = if append { b"+=" } else { b"=" };
        let mut pieces = vec![Piece::Text {
            bytes: [&name[..], operator].concat(),
            quoted: false,
        }];
        pieces.extend(value.pieces.iter().cloned());
        let ends_quoted = value.ends_quoted;
        let assignment = Assignment {
            name,
            append,
            target,
            value,
            at: start,
        };
        Ok(Some(Word {
            pieces,
            span: start..self.at,
            ends_quoted,
            assignment: Some(Box::new(assignment)),
        }))
    }

    fn assigned_name(&self, start: usize) -> Option<(Vec<u8>, usize)> {
        let mut name = Vec::new();
        let mut at = start;
        loop {
            match self.source.get(at) {
                Some(byte) if is_name_byte(*byte) => {
                    name.push(*byte);
                    at += 1;
                }
                Some(b'\\') if self.source.get(at + 1) == Some(&b'\n') => at += 2,
                _ => break,
            }
        }
        is_name(&name).then_some((name, at))
    }

    /// The elements of an array. They aren't kept, but zsh may stop at a pattern among them.
    fn array(&mut self) -> Scan<()> {
        self.at += 1;
        loop {
            self.skip_newlines();
            match self.peek() {
                None => return self.unfinished("the file ends inside an array"),
                Some(b')') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => {
                    let word = self.needed_word()?;
                    self.check_element(&word)?;
                }
            }
        }
    }

    fn check_element(&mut self, word: &Word) -> Scan<()> {
        let plain = |piece: &Piece| matches!(piece, Piece::Text { .. } | Piece::Home);
        if !word.pieces.iter().all(plain) {
            // Expansions may assign; arrays are rare enough not to follow them.
            return self.unsupported("an array with expansions in it");
        }
        let pattern =
            |text: &[u8]| text.iter().any(|byte| b"*?[{".contains(byte)) || text.contains(&b'=');
        if word.unquoted().any(pattern) {
            self.may_stop("zsh may stop at a pattern in an array");
        }
        Ok(())
    }

    /// `~` alone or before `/` is HOME; another user's home isn't known.
    fn tilde(&mut self, word: &mut Word, in_assignment: bool) {
        self.at += 1;
        let home = match self.peek() {
            None | Some(b'/') => true,
            Some(b':') => in_assignment,
            Some(byte) => is_meta(byte),
        };
        if home {
            word.pieces.push(Piece::Home);
        } else {
            push_opaque(word, "`~` before a name needs the user database", true);
        }
    }

    fn word_rest(&mut self, word: &mut Word, in_assignment: bool) -> Scan<()> {
        let mut braces = Braces::default();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'<' | b'>') && self.ahead(1) == Some(b'(') {
                self.process_substitution(word)?;
                continue;
            }
            if is_meta(byte) {
                break;
            }
            word.ends_quoted = matches!(byte, b'\'' | b'"');
            match byte {
                b'\\' => self.backslash(word),
                b'\'' => self.single_quotes(word)?,
                b'"' => self.double_quotes(word)?,
                b'`' => self.backticks(word, false)?,
                b'$' => self.dollar(word, false)?,
                b'~' if in_assignment => self.later_tilde(word),
                b'{' | b'}' => self.brace(word, byte, &mut braces),
                _ => {
                    push(word, &[byte], false);
                    self.at += 1;
                }
            }
        }
        if braces.open > 0 {
            self.differs("zsh may take a brace for the start of a group");
        }
        if braces.any && matches!(self.peek(), Some(b'<' | b'>')) {
            return self.unsupported("a redirection into a variable");
        }
        Ok(())
    }

    fn brace(&mut self, word: &mut Word, byte: u8, braces: &mut Braces) {
        braces.any = true;
        if byte == b'{' {
            braces.open += 1;
        } else if braces.open > 0 {
            braces.open -= 1;
        } else {
            self.differs("zsh takes a brace for the end of a group");
        }
        push(word, &[byte], false);
        self.at += 1;
    }

    /// A `~` inside a value: HOME after a colon, else itself; after anything quoted or expanded the shells differ.
    fn later_tilde(&mut self, word: &mut Word) {
        match word.pieces.last() {
            Some(Piece::Text {
                bytes,
                quoted: false,
            }) if bytes.last() == Some(&b':') => self.tilde(word, true),
            Some(Piece::Text {
                bytes,
                quoted: false,
            }) if !bytes.is_empty() => {
                push(word, b"~", false);
                self.at += 1;
            }
            _ => {
                push_opaque(
                    word,
                    "zsh expands `~` after a quote or an expansion, bash doesn't",
                    true,
                );
                self.at += 1;
            }
        }
    }

    fn backslash(&mut self, word: &mut Word) {
        match self.ahead(1) {
            None => {
                push_opaque(word, "a backslash at the very end of the file", false);
                self.at += 1;
            }
            Some(b'\n') => self.at += 2,
            Some(byte) => {
                push(word, &[byte], true);
                self.at += 2;
            }
        }
    }

    fn process_substitution(&mut self, word: &mut Word) -> Scan<()> {
        self.at += 2;
        self.commands_inside()?;
        push_opaque(word, "a process substitution", true);
        Ok(())
    }
}
