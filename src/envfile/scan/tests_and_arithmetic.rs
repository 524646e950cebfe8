//! `[[ … ]]` and arithmetic expressions.

use super::super::syntax::{Arithmetic, Command, Word, names_in};
use super::{Scan, Scanner, is_meta};

/// Arithmetic longer than this isn't looked for: it bounds the look-ahead.
const MAX_EXPRESSION: usize = 2000;

/// What stands after `((`.
pub(super) enum Expression {
    /// Arithmetic, and where its `))` ends.
    Arithmetic { text: Arithmetic, end: usize },
    /// Commands in a subshell inside a subshell or a substitution.
    Commands,
}

/// The tests of one operand that both shells have.
const UNARY: &[u8] = b"abcdefghknoprstuvwxzLOGSN";

/// The operators between two operands; those with a letter compare numbers or files.
const BINARY: [&[u8]; 9] = [b"=", b"==", b"!=", b"-nt", b"-ot", b"-ef", b"<", b">", b"=~"];

/// The operators whose operands are arithmetic.
const NUMERIC: [&[u8]; 6] = [b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge"];

impl Scanner<'_> {
    /// Looks for the end of the arithmetic that starts at `from`.
    pub(super) fn expression(&self, from: usize) -> Scan<Expression> {
        let mut open = 0usize;
        for (offset, byte) in self.source.get(from..).unwrap_or_default().iter().enumerate() {
            if offset > MAX_EXPRESSION {
                return self.unsupported("arithmetic that is too long to follow");
            }
            match byte {
                b'(' => open += 1,
                b')' if open > 0 => open -= 1,
                b')' => {
                    let end = from + offset;
                    if self.source.get(end + 1) != Some(&b')') {
                        return Ok(Expression::Commands);
                    }
                    let text = arithmetic(&self.source[from..end]);
                    return Ok(Expression::Arithmetic { text, end: end + 2 });
                }
                b'\'' | b'"' | b'`' | b'\\' | b'#' => {
                    return self.unsupported("double parentheses that may be arithmetic or commands");
                }
                _ => {}
            }
        }
        self.unfinished("the file ends inside double parentheses")
    }

    /// The rest of `[[ … ]]`. Only plain forms are followed; the shells differ on the others.
    pub(super) fn test(&mut self) -> Scan<Command> {
        let mut words = Vec::new();
        let mut numbers = Vec::new();
        let mut open = 0usize;
        loop {
            self.test_prefix(&mut open)?;
            self.test_operation(&mut words, &mut numbers)?;
            self.test_space()?;
            while self.peek() == Some(b')') && open > 0 {
                open -= 1;
                self.at += 1;
                self.test_space()?;
            }
            if self.starts("&&") || self.starts("||") {
                self.at += 2;
            } else if open == 0 && self.keyword("]]") {
                self.at += 2;
                return Ok(Command::Test { words, numbers });
            } else {
                return self.unsupported("a `[[ … ]]` that isn't plain");
            }
        }
    }

    fn test_space(&mut self) -> Scan<()> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\\')) {
            match self.peek() {
                Some(b'\n') => {
                    if !self.pending.is_empty() {
                        return self.unsupported("a here-document inside `[[ … ]]`");
                    }
                    self.at += 1;
                }
                Some(b'\\') if self.ahead(1) != Some(b'\n') => return Ok(()),
                Some(b'\\') => self.at += 2,
                _ => self.at += 1,
            }
        }
        if self.at_end() {
            return self.unfinished("the file ends inside `[[ … ]]`");
        }
        Ok(())
    }

    fn test_prefix(&mut self, open: &mut usize) -> Scan<()> {
        loop {
            self.test_space()?;
            if self.keyword("!") {
                self.at += 1;
            } else if self.peek() == Some(b'(') {
                *open += 1;
                self.at += 1;
            } else {
                return Ok(());
            }
        }
    }

    fn test_operation(&mut self, words: &mut Vec<Word>, numbers: &mut Vec<Word>) -> Scan<()> {
        let first = self.test_word()?;
        if let Some([b'-', letter]) = first.bare() {
            if !UNARY.contains(letter) {
                self.may_stop("a test that zsh doesn't know");
            }
            self.test_space()?;
            words.push(self.test_word()?);
            return Ok(());
        }
        self.test_space()?;
        if self.starts("&&") || self.starts("||") || self.peek() == Some(b')') || self.keyword("]]") {
            self.may_stop("a test of a single word");
            words.push(first);
            return Ok(());
        }
        let operator = self.test_operator()?;
        self.test_space()?;
        if operator == b"=~" && self.has_regex_specials() {
            return self.unsupported("a regular expression in `[[ … ]]`");
        }
        let second = self.test_word()?;
        if NUMERIC.contains(&&operator[..]) {
            numbers.extend([first, second]);
        } else {
            if operator == b"=~" {
                self.may_stop("a regular expression in `[[ … ]]`");
            }
            words.extend([first, second]);
        }
        Ok(())
    }

    fn test_operator(&mut self) -> Scan<Vec<u8>> {
        if let Some(byte @ (b'<' | b'>')) = self.peek() {
            self.at += 1;
            return Ok(vec![byte]);
        }
        let word = self.test_word()?;
        match word.bare() {
            Some(operator) if BINARY.contains(&operator) || NUMERIC.contains(&operator) => Ok(operator.to_vec()),
            _ => self.unsupported("a `[[ … ]]` that isn't plain"),
        }
    }

    fn has_regex_specials(&self) -> bool {
        let word = self.rest().split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).next();
        word.unwrap_or_default().iter().any(|byte| b"()|<>;&'\"\\`#".contains(byte))
    }

    fn test_word(&mut self) -> Scan<Word> {
        if self.keyword("]]") || self.peek().is_none_or(is_meta) {
            return self.unsupported("a `[[ … ]]` that isn't plain");
        }
        let word = self.word(false)?;
        let equals = word.unquoted().next().is_some_and(|text| text.first() == Some(&b'='));
        if equals && !matches!(word.bare(), Some(b"=" | b"==" | b"=~")) {
            self.may_stop("zsh takes a word that starts with `=` for a command to look up");
        }
        if word.unquoted().any(|text| text.contains(&b'[')) {
            self.may_stop("a pattern that zsh may refuse");
        }
        Ok(word)
    }
}

/// What an arithmetic expression may assign.
pub(super) fn arithmetic(text: &[u8]) -> Arithmetic {
    let pair = |twice: &[u8]| text.windows(2).any(|window| window == twice);
    Arithmetic {
        names: names_in(text),
        assigns: text.contains(&b'=') || pair(b"++") || pair(b"--"),
        wild: text.iter().any(|byte| b"$`[]'\"\\{}".contains(byte)),
    }
}
