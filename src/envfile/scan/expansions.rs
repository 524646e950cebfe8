//! What starts with `$`, and backticks.

use super::super::syntax::{Form, Opaque, Piece, RUN_TIME, SUBSTITUTION, Word, is_name, is_name_byte, names_in};
use super::tests_and_arithmetic::{Expression, arithmetic};
use super::words::{push, push_opaque};
use super::{Scan, Scanner, is_meta};

/// How much deeper the commands in backticks count, since a scanner of their own reads them.
const BACKTICK_DEPTH: usize = 15;

/// How far a subscript is looked at that only zsh sees.
const MAX_SUBSCRIPT: usize = 200;

/// Where a word stands that belongs to `${name:-word}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BraceWord {
    /// Its value matters.
    Followed,
    /// It only has to be skipped.
    Skipped,
}

impl Scanner<'_> {
    /// An expansion, or a dollar sign that stands for itself.
    pub(super) fn dollar(&mut self, word: &mut Word, quoted: bool) -> Scan<()> {
        match self.ahead(1) {
            Some(b'\\') if self.ahead(2) == Some(b'\n') => self.unsupported("a continuation line after a dollar sign"),
            Some(b'\'') if !quoted => {
                word.ends_quoted = true;
                self.dollar_quotes(word)
            }
            Some(b'"') if !quoted => {
                self.at += 1;
                self.double_quotes(word)?;
                word.ends_quoted = true;
                push_opaque(word, "$\"…\" differs between bash and zsh", false);
                Ok(())
            }
            Some(b'(') => self.dollar_parenthesis(word),
            Some(b'[') => self.dollar_bracket(word),
            Some(b'{') => self.nested(|scanner| scanner.braced(word, quoted)),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                self.plain_parameter(word, quoted);
                Ok(())
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                self.at += 2;
                // zsh goes on: `$#name` is a length, and a subscript may follow.
                let length = |next: u8| is_name_byte(next) || b"$#*@?!-{+=~^".contains(&next);
                if self.peek().is_some_and(|next| next == b'[' || byte == b'#' && length(next)) {
                    self.differs("a parameter that bash and zsh read differently");
                }
                push_opaque(word, RUN_TIME, false);
                Ok(())
            }
            next => {
                self.at += 1;
                // zsh has more expansions, such as `$+name` and `$=name`.
                let literal = match next {
                    None => true,
                    Some(b'"') => quoted,
                    Some(byte) if is_meta(byte) => !matches!(byte, b'<' | b'>' | b')'),
                    Some(byte) => b"%./,".contains(&byte),
                };
                if literal {
                    push(word, b"$", quoted);
                } else {
                    if matches!(self.ahead(1), Some(b'$' | b'{' | b'(' | b'`')) {
                        self.differs("a dollar sign that bash and zsh read differently");
                    }
                    push_opaque(word, "a dollar sign that bash and zsh read differently", true);
                }
                Ok(())
            }
        }
    }

    /// `$name`. zsh also takes a subscript or a modifier after it.
    fn plain_parameter(&mut self, word: &mut Word, quoted: bool) {
        let start = self.at + 1;
        let length = self.source[start..].iter().take_while(|byte| is_name_byte(**byte)).count();
        self.at = start + length;
        let name = self.source[start..self.at].to_vec();
        let modifier = |next: Option<u8>| next.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'&');
        match self.peek() {
            Some(b'[') => {
                let near = &self.rest()[1..self.rest().len().min(MAX_SUBSCRIPT)];
                let end = near.iter().position(|byte| matches!(byte, b'[' | b']' | b'\n'));
                let subscript = end.filter(|end| near[*end] == b']').map(|end| names_in(&near[..end]));
                if subscript.is_none() {
                    self.differs("zsh reads a bracket after a variable as a subscript");
                }
                let mentions = subscript.unwrap_or_default();
                let why = "zsh reads a bracket after a variable as a subscript";
                word.pieces.push(Piece::Opaque(Opaque { why, mentions, may_stop: true }));
            }
            Some(b':') if modifier(self.ahead(1)) || self.ahead(1) == Some(b'\\') => {
                push_opaque(word, "zsh reads a colon and a letter after a variable as a modifier", true);
            }
            Some(byte) if !byte.is_ascii() => {
                push_opaque(word, "zsh takes letters beyond ASCII for part of a variable's name", true);
            }
            Some(b'\\') if self.ahead(1) == Some(b'\n') => {
                push_opaque(word, "a continuation line right after a variable's name", true);
            }
            _ => word.pieces.push(Piece::Param { name, form: Form::Plain, quoted }),
        }
    }

    fn dollar_parenthesis(&mut self, word: &mut Word) -> Scan<()> {
        if self.ahead(2) == Some(b'(')
            && let Expression::Arithmetic { text, end } = self.expression(self.at + 3)?
        {
            self.at = end;
            word.pieces.push(Piece::Arithmetic(text));
            return Ok(());
        }
        self.at += 2;
        let start = self.at;
        self.commands_inside()?;
        let inside = &self.source[start..self.at];
        push_substitution(word, inside);
        Ok(())
    }

    /// The commands up to a closing parenthesis. They run in a subshell and change nothing here.
    pub(super) fn commands_inside(&mut self) -> Scan<()> {
        let start = self.at;
        let outer = std::mem::take(&mut self.pending);
        self.list(&[")"])?;
        self.expect(")")?;
        if !self.pending.is_empty() || (!outer.is_empty() && self.source[start..self.at].contains(&b'\n')) {
            return self.unsupported("a here-document across a substitution");
        }
        self.pending = outer;
        Ok(())
    }

    /// `$[…]`
    fn dollar_bracket(&mut self, word: &mut Word) -> Scan<()> {
        let start = self.at + 2;
        let line = self.source[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = line.split(|byte| *byte == b']').next().unwrap_or_default();
        let odd = |byte: &u8| b"$`'\"\\[{}".contains(byte);
        if text.len() == line.len() || text.iter().any(odd) {
            return self.unsupported("arithmetic in brackets that isn't plain");
        }
        word.pieces.push(Piece::Arithmetic(arithmetic(text)));
        self.at = start + text.len() + 1;
        Ok(())
    }

    /// `` `…` ``
    pub(super) fn backticks(&mut self, word: &mut Word, quoted: bool) -> Scan<()> {
        let start = self.at + 1;
        let mut inside = Vec::new();
        self.at = start;
        loop {
            match self.peek() {
                None => return self.unfinished("a backtick isn't closed"),
                Some(b'`') => break,
                Some(b'\\') => {
                    match self.ahead(1) {
                        Some(byte) if b"$`\\".contains(&byte) || (quoted && byte == b'"') => {
                            inside.push(byte);
                        }
                        Some(byte) => inside.extend([b'\\', byte]),
                        None => {}
                    }
                    self.at += 2;
                }
                Some(byte) => {
                    if byte == b'\n' {
                        self.check_quoted_newline()?;
                    }
                    inside.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.check_backticks(&inside)?;
        push_substitution(word, &inside);
        Ok(())
    }

    /// zsh gives up on the file at a syntax error inside backticks, bash doesn't.
    fn check_backticks(&mut self, inside: &[u8]) -> Scan<()> {
        let depth = self.depth + BACKTICK_DEPTH;
        if depth >= super::MAX_DEPTH {
            return self.unsupported("the file is nested too deep to follow");
        }
        let program = super::scan_at_depth(inside, depth);
        let risky = program.units.iter().any(|unit| unit.notes.may_stop.or(unit.notes.differs).is_some());
        if program.failure.is_some() || program.open_heredoc || risky {
            self.may_stop("zsh may stop at what stands inside backticks");
        }
        Ok(())
    }

    /// `${…}`
    fn braced(&mut self, word: &mut Word, quoted: bool) -> Scan<()> {
        let start = self.at;
        self.at += 2;
        let length = self.rest().iter().take_while(|byte| is_name_byte(**byte)).count();
        let name = self.source[self.at..self.at + length].to_vec();
        self.at += length;
        if is_name(&name) {
            if self.peek() == Some(b'}') {
                self.at += 1;
                word.pieces.push(Piece::Param { name, form: Form::Plain, quoted });
                return Ok(());
            }
            let colon = self.peek() == Some(b':');
            let operator = if colon { self.ahead(1) } else { self.peek() };
            if let Some(operator @ (b'-' | b'=' | b'+' | b'?')) = operator {
                self.at += 1 + usize::from(colon);
                let word_of = self.brace_word(quoted, BraceWord::Followed)?;
                let form = match operator {
                    b'-' => Form::Default { colon, word: word_of },
                    b'=' => Form::Assign { colon, word: word_of },
                    b'+' => Form::Alternative { colon, word: word_of },
                    _ => Form::Require { colon, word: word_of },
                };
                word.pieces.push(Piece::Param { name, form, quoted });
                return Ok(());
            }
        }
        self.brace_word(quoted, BraceWord::Skipped)?;
        let text = &self.source[start..self.at];
        let assigns =
            text.iter().any(|byte| matches!(byte, b'=' | b'[' | b':')) || text.windows(2).any(|pair| matches!(pair, b"++" | b"--"));
        let mentions = if assigns { names_in(text) } else { Vec::new() };
        let why = "an expansion that isn't followed, or that bash and zsh read differently";
        word.pieces.push(Piece::Opaque(Opaque { why, mentions, may_stop: true }));
        Ok(())
    }

    /// The word of `${name:-word}` and its closing brace.
    fn brace_word(&mut self, quoted: bool, use_as: BraceWord) -> Scan<Word> {
        let start = self.at;
        let mut word = Word::default();
        loop {
            let Some(byte) = self.peek() else {
                return self.unfinished("a `${` isn't closed");
            };
            match byte {
                b'}' => {
                    word.span = start..self.at;
                    self.at += 1;
                    return Ok(word);
                }
                b'\\' => self.brace_backslash(&mut word, quoted)?,
                b'\'' if quoted => {
                    return self.unsupported("a single quote inside `\"${…}\"`, which bash and zsh read differently");
                }
                b'\'' => self.single_quotes(&mut word)?,
                b'"' => {
                    self.double_quotes(&mut word)?;
                    if quoted {
                        push_opaque(&mut word, "quotes inside `\"${…}\"`", false);
                    }
                }
                b'`' => self.backticks(&mut word, quoted)?,
                b'$' => self.dollar(&mut word, quoted)?,
                b'{' => return self.unsupported("a brace inside `${…}`"),
                _ => self.brace_byte(&mut word, byte, quoted, use_as)?,
            }
        }
    }

    fn brace_byte(&mut self, word: &mut Word, byte: u8, quoted: bool, use_as: BraceWord) -> Scan<()> {
        if byte == b'\n' {
            self.check_quoted_newline()?;
        }
        let after_blank = matches!(self.source.get(self.at.wrapping_sub(1)), Some(b' ' | b'\t' | b'\n'));
        let odd = match byte {
            b'(' | b')' | b'<' | b'>' | b'|' | b'&' | b';' | b'~' => true,
            b'=' => word.pieces.is_empty() || matches!(self.source.get(self.at.wrapping_sub(1)), Some(b':')),
            b'#' => after_blank,
            _ => false,
        };
        if odd && !quoted && use_as == BraceWord::Followed {
            push_opaque(word, "an operator inside `${…}`", true);
            self.may_stop("zsh may not take an operator inside `${…}`");
        } else {
            push(word, &[byte], quoted);
        }
        self.at += 1;
        Ok(())
    }

    fn brace_backslash(&mut self, word: &mut Word, quoted: bool) -> Scan<()> {
        match self.ahead(1) {
            None => return self.unfinished("a `${` isn't closed"),
            Some(b'\n') => self.check_quoted_newline()?,
            Some(byte) if quoted && !b"$`\"\\}".contains(&byte) => push(word, &[b'\\', byte], true),
            Some(byte) => push(word, &[byte], true),
        }
        self.at += 2;
        Ok(())
    }
}

/// Adds a command substitution. `$(<file)` isn't run in a subshell, so that the file's name may assign.
fn push_substitution(word: &mut Word, inside: &[u8]) {
    let reads_file = inside.trim_ascii_start().first() == Some(&b'<');
    let mentions = if reads_file { names_in(inside) } else { Vec::new() };
    word.pieces.push(Piece::Opaque(Opaque { why: SUBSTITUTION, mentions, may_stop: reads_file }));
}
