//! Simple commands: assignments, a name, arguments and redirections in any order.

use super::super::syntax::{Command, Redirection, Simple, Target, Word, is_name_byte};
use super::{Scan, Scanner};

/// Words that a shell takes for keywords where a command may start.
const KEYWORDS: [&[u8]; 28] = [
    b"if",
    b"then",
    b"elif",
    b"else",
    b"fi",
    b"for",
    b"while",
    b"until",
    b"do",
    b"done",
    b"case",
    b"esac",
    b"select",
    b"function",
    b"repeat",
    b"time",
    b"coproc",
    b"nocorrect",
    b"noglob",
    b"foreach",
    b"end",
    b"[[",
    b"]]",
    b"{",
    b"}",
    b"!",
    b"-",
    b"always",
];

/// The builtins that take assignments as arguments.
pub(in super::super) const DECLARATIONS: [&[u8]; 5] = [b"export", b"declare", b"typeset", b"readonly", b"local"];

impl Scanner<'_> {
    pub(super) fn simple(&mut self) -> Scan<Command> {
        let mut command = Simple { at: self.at, ..Simple::default() };
        loop {
            self.skip_blanks();
            if let Some((redirection, word)) = self.redirect()? {
                let early = command.words.is_empty() && redirection == Redirection::Safe;
                // Before the command's name, a redirection also changes how zsh reads what follows.
                let redirection = if early { Redirection::Risky } else { redirection };
                command.redirection = command.redirection.max(redirection);
                command.redirect_words.extend(word);
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => break,
                Some(b'(') => return self.parenthesis(command),
                Some(_) => {}
            }
            let start = self.at;
            let word = self.word(true)?;
            if self.at == start {
                return self.refuse("syntax error: an operator where a word should be");
            }
            self.check_keyword(&command, &word)?;
            self.check_array(&command, &word)?;
            match word.assignment {
                Some(assignment) if command.words.is_empty() => {
                    command.assignments.push(*assignment);
                }
                _ => command.words.push(word),
            }
        }
        let empty = command.words.is_empty() && command.assignments.is_empty();
        if empty && command.redirection == Redirection::None {
            return self.refuse("syntax error: an operator where a command should be");
        }
        if command.words.is_empty() && command.redirection != Redirection::None {
            command.redirection = Redirection::Risky;
        }
        Ok(Command::Simple(command))
    }

    /// `name()`, or else an error.
    fn parenthesis(&mut self, mut command: Simple) -> Scan<Command> {
        let plain = command.assignments.is_empty() && command.redirection == Redirection::None;
        match command.words.pop() {
            Some(name) if plain && command.words.is_empty() && name.assignment.is_none() => {
                self.at += 1;
                self.function_parentheses()?;
                self.function_body(&name)
            }
            _ => self.refuse("syntax error: an unquoted parenthesis"),
        }
    }

    /// Keywords are only seen where a command starts; elsewhere the shells differ on some of them.
    fn check_keyword(&mut self, command: &Simple, word: &Word) -> Scan<()> {
        let is_keyword = word.bare().is_some_and(|text| KEYWORDS.contains(&text));
        if is_keyword && command.words.is_empty() {
            // After an assignment or a redirection, or with a continuation line inside it.
            return self.unsupported("a keyword that bash and zsh read differently");
        }
        let first = command.words.is_empty() && word.assignment.is_none();
        if first && word.unquoted().any(|text| text.contains(&b'{') || text.contains(&b'}')) {
            self.differs("zsh takes a brace for the start or end of a group");
        }
        if first && assigns_in_zsh(word) {
            self.differs("zsh takes letters beyond ASCII for part of a variable's name");
        }
        Ok(())
    }

    fn check_array(&self, command: &Simple, word: &Word) -> Scan<()> {
        let is_array = word.assignment.as_ref().is_some_and(|assignment| assignment.target == Target::Array);
        let declares = |first: &Word| first.bare().is_some_and(|name| DECLARATIONS.contains(&name));
        match command.words.first() {
            Some(first) if is_array && !declares(first) => self.refuse("syntax error: an unquoted parenthesis"),
            _ => Ok(()),
        }
    }
}

/// Whether zsh takes a word for an assignment that bash takes for a command: `é=1`. A byte-order mark isn't a letter.
fn assigns_in_zsh(word: &Word) -> bool {
    let text = word.unquoted().next().unwrap_or_default();
    let name = match text.iter().position(|byte| matches!(byte, b'=' | b'+' | b'[')) {
        Some(end) => &text[..end],
        None => return false,
    };
    let letters = name.iter().all(|byte| is_name_byte(*byte) || !byte.is_ascii());
    letters && !name.is_ascii() && !name.starts_with(b"\xef\xbb\xbf")
}
