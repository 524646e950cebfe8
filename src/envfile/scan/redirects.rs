//! Redirections and here-documents.

use super::super::syntax::{Notes, Redirection, Word, names_in};
use super::{Scan, Scanner, is_meta};

/// A here-document that was announced and whose body is yet to come.
pub(super) struct Heredoc {
    delimiter: Vec<u8>,
    strip_tabs: bool,
    literal: bool,
}

impl Scanner<'_> {
    /// The redirections after a compound command.
    pub(super) fn redirects(&mut self) -> Scan<(Redirection, Vec<Word>)> {
        let mut worst = Redirection::None;
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            let Some((redirection, word)) = self.redirect()? else {
                return Ok((worst, words));
            };
            worst = worst.max(redirection);
            words.extend(word);
        }
    }

    /// One redirection, where there is one.
    pub(super) fn redirect(&mut self) -> Scan<Option<(Redirection, Option<Word>)>> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let operator = self.ahead(digits);
        if digits == 0 && self.starts("&>") {
            self.at += if self.starts("&>>") { 3 } else { 2 };
            return self.redirect_to_file().map(Some);
        }
        if !matches!(operator, Some(b'<' | b'>')) {
            return Ok(None);
        }
        if digits == 0 && matches!(self.ahead(1), Some(b'(')) {
            return Ok(None); // a process substitution is a word
        }
        if digits > 1 {
            return self.unsupported("a redirection of a descriptor above 9, which zsh reads differently");
        }
        self.at += digits;
        if self.starts("<<<") {
            self.at += 3;
            self.skip_blanks();
            let word = self.needed_word()?;
            return Ok(Some((Redirection::Safe, Some(word))));
        }
        if self.starts("<<") {
            self.at += 2;
            self.announce_heredoc()?;
            return Ok(Some((Redirection::Safe, None)));
        }
        if self.starts("<>") || self.starts(">>") || self.starts(">|") {
            self.at += 2;
            return self.redirect_to_file().map(Some);
        }
        self.at += 1;
        if self.peek() == Some(b'&') {
            self.at += 1;
            return self.redirect_to_descriptor().map(Some);
        }
        self.redirect_to_file().map(Some)
    }

    fn redirect_to_file(&mut self) -> Scan<(Redirection, Option<Word>)> {
        if matches!(self.peek(), Some(b'|' | b'!' | b'&')) {
            return self.unsupported("a redirection that bash and zsh read differently");
        }
        self.skip_blanks();
        let word = self.needed_word()?;
        let number = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        if word.bare().is_some_and(number) && matches!(self.peek(), Some(b'<' | b'>')) {
            return self.unsupported("a number between redirections, which bash and zsh read differently");
        }
        let safe = word.literal().as_deref() == Some(b"/dev/null");
        Ok((if safe { Redirection::Safe } else { Redirection::Risky }, Some(word)))
    }

    fn redirect_to_descriptor(&mut self) -> Scan<(Redirection, Option<Word>)> {
        if matches!(self.peek(), Some(b'|' | b'!' | b'&' | b'>')) {
            return self.unsupported("a redirection that bash and zsh read differently");
        }
        self.skip_blanks();
        let word = self.needed_word()?;
        let safe = matches!(word.bare(), Some(b"1" | b"2"));
        Ok((if safe { Redirection::Safe } else { Redirection::Risky }, Some(word)))
    }

    /// A word, where the grammar demands one.
    pub(super) fn needed_word(&mut self) -> Scan<Word> {
        let substitution = self.starts("<(") || self.starts(">(");
        match self.peek() {
            None => self.unfinished("the file ends in the middle of a command"),
            Some(byte) if is_meta(byte) && !substitution => self.refuse("syntax error: an operator where a word should be"),
            Some(_) => self.word(false),
        }
    }

    fn announce_heredoc(&mut self) -> Scan<()> {
        let strip_tabs = self.peek() == Some(b'-');
        if strip_tabs {
            self.at += 1;
        }
        self.skip_blanks();
        let start = self.at;
        self.needed_word()?;
        let word = &self.source[start..self.at];
        if word.windows(2).any(|pair| pair == b"\\\n") || word.iter().any(|byte| b"$`\n{}".contains(byte)) {
            return self.unsupported("a here-document with an unusual delimiter");
        }
        let quotes = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\');
        let heredoc = Heredoc {
            delimiter: word.iter().copied().filter(|byte| !quotes(byte)).collect(),
            strip_tabs,
            literal: word.iter().any(quotes),
        };
        self.pending.push(heredoc);
        Ok(())
    }

    /// Takes a newline and the here-documents that start after it.
    pub(super) fn newline(&mut self) {
        self.at += 1;
        for heredoc in std::mem::take(&mut self.pending) {
            self.heredoc_body(&heredoc);
        }
    }

    fn heredoc_body(&mut self, heredoc: &Heredoc) {
        let start = self.at;
        let mut end = self.at;
        let mut continued = false;
        let mut closed = false;
        while !closed && !self.at_end() {
            let length = self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
            let mut line = &self.source[self.at..self.at + length];
            end = self.at;
            self.at = (self.at + length + 1).min(self.source.len());
            if heredoc.strip_tabs {
                let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                line = &line[tabs..];
            }
            closed = line == heredoc.delimiter;
            if closed && continued {
                self.differs("a continuation line before the end of a here-document");
            }
            continued = !heredoc.literal && line.ends_with(b"\\");
        }
        if !closed {
            self.open_heredoc = true;
            end = self.at;
            self.may_stop("the file ends inside a here-document");
        }
        if !heredoc.literal {
            self.heredoc_expansions(start, end);
        }
    }

    /// Expansions in a here-document are those of double quotes; what fails there fails for zsh alone.
    fn heredoc_expansions(&mut self, start: usize, end: usize) {
        let body = &self.source[start..end];
        if !body.iter().any(|byte| matches!(byte, b'$' | b'`')) {
            return;
        }
        let mut scanner =
            Scanner { source: body, at: 0, depth: self.depth, pending: Vec::new(), notes: Notes::default(), open_heredoc: false };
        let word = scanner.heredoc_word();
        let plain = scanner.notes.may_stop.or(scanner.notes.differs).is_none() && !scanner.open_heredoc;
        match word {
            Ok(word) if plain => self.notes.heredocs.push(word),
            _ => {
                self.notes.mentions.extend(names_in(body));
                self.may_stop("zsh may stop at an expansion in a here-document");
            }
        }
    }

    fn heredoc_word(&mut self) -> Scan<Word> {
        let mut word = Word::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at += 2,
                b'`' => self.backticks(&mut word, true)?,
                b'$' => self.dollar(&mut word, true)?,
                _ => self.at += 1,
            }
        }
        Ok(word)
    }
}
