//! Groups, `if`, loops, `case` and functions.

use super::super::syntax::{Command, List, Piece, Redirection, Word, names_in};
use super::tests_and_arithmetic::Expression;
use super::{Scan, Scanner};

/// Keywords that close something and so can't start a command.
const CLOSING: [&str; 9] = ["then", "elif", "else", "fi", "do", "done", "esac", "}", "]]"];

/// Words that only zsh takes as keywords or as modifiers of the command after them.
const ZSH_ONLY: [&str; 8] = ["foreach", "end", "repeat", "nocorrect", "noglob", "coproc", "-", "always"];

impl Scanner<'_> {
    pub(super) fn command(&mut self) -> Scan<Command> {
        self.skip_blanks();
        match self.compound()? {
            Some(function @ Command::Function { .. }) => Ok(function),
            Some(command) => {
                let (redirection, words) = self.redirects()?;
                Ok(if redirection == Redirection::Risky { Command::Redirected { command: Box::new(command), words } } else { command })
            }
            None => self.simple(),
        }
    }

    fn compound(&mut self) -> Scan<Option<Command>> {
        if self.starts("((")
            && let Expression::Arithmetic { text, end } = self.expression(self.at + 2)?
        {
            self.at = end;
            return Ok(Some(Command::Arithmetic(text)));
        }
        if self.peek() == Some(b'(') {
            return self.subshell().map(Some);
        }
        if self.keyword("{") {
            self.at += 1;
            let body = self.list(&["}"])?;
            self.expect("}")?;
            return Ok(Some(Command::Group(body)));
        }
        if self.keyword("if") {
            self.at += 2;
            return self.conditional().map(Some);
        }
        if self.keyword("while") || self.keyword("until") {
            self.at += 5;
            return self.while_loop().map(Some);
        }
        if self.keyword("for") {
            self.at += 3;
            return self.for_loop().map(Some);
        }
        if self.keyword("select") {
            self.at += 6;
            return self.for_loop().map(Some);
        }
        if self.keyword("case") {
            self.at += 4;
            return self.case().map(Some);
        }
        if self.keyword("[[") {
            self.at += 2;
            return self.test().map(Some);
        }
        if self.keyword("function") {
            self.at += 8;
            return self.function_keyword().map(Some);
        }
        if CLOSING.iter().any(|word| self.keyword(word)) {
            return self.refuse("syntax error: a keyword without the one it belongs to");
        }
        if ZSH_ONLY.iter().any(|word| self.keyword(word)) {
            return self.unsupported("a keyword that bash and zsh read differently");
        }
        Ok(None)
    }

    fn subshell(&mut self) -> Scan<Command> {
        self.at += 1;
        if self.starts("\\\n") {
            return self.unsupported("a continuation line after a parenthesis");
        }
        let body = self.list(&[")"])?;
        if body.is_empty() {
            return self.refuse("syntax error: empty parentheses");
        }
        self.expect(")")?;
        Ok(Command::Subshell)
    }

    fn conditional(&mut self) -> Scan<Command> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            let body = self.list(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            if self.keyword("elif") {
                self.at += 4;
                continue;
            }
            if self.keyword("else") {
                self.at += 4;
                otherwise = Some(self.list(&["fi"])?);
            }
            self.expect("fi")?;
            return Ok(Command::If { branches, otherwise });
        }
    }

    fn while_loop(&mut self) -> Scan<Command> {
        let condition = self.list(&["do"])?;
        let body = self.loop_body()?;
        Ok(Command::Loop { names: Vec::new(), words: Vec::new(), arithmetic: None, condition, body })
    }

    fn loop_body(&mut self) -> Scan<List> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn for_loop(&mut self) -> Scan<Command> {
        self.skip_blanks();
        let mut names = Vec::new();
        let mut words = Vec::new();
        let mut arithmetic = None;
        if self.starts("((") {
            let Expression::Arithmetic { mut text, end } = self.expression(self.at + 2)? else {
                return self.unsupported("a loop that isn't understood");
            };
            text.assigns = true;
            self.at = end;
            arithmetic = Some(text);
        } else {
            let word = self.needed_word()?;
            match word.bare() {
                Some(name) => names.extend(names_in(name)),
                None => return self.refuse("syntax error: the loop has no variable"),
            }
            self.skip_newlines();
            if self.keyword("in") {
                self.at += 2;
                words = self.loop_words()?;
            }
        }
        self.skip_blanks();
        if self.peek() == Some(b';') {
            self.at += 1;
        }
        let body = self.loop_body()?;
        Ok(Command::Loop { names, words, arithmetic, condition: Vec::new(), body })
    }

    fn loop_words(&mut self) -> Scan<Vec<Word>> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(b'\n' | b';') => return Ok(words),
                Some(_) => words.push(self.needed_word()?),
            }
        }
    }

    fn case(&mut self) -> Scan<Command> {
        self.skip_blanks();
        let mut words = vec![self.needed_word()?];
        let mut arms = Vec::new();
        self.expect("in")?;
        loop {
            self.skip_newlines();
            if self.at_end() {
                return self.unfinished("the file ends inside a `case`");
            }
            if self.keyword("esac") {
                self.at += 4;
                return Ok(Command::Case { words, arms });
            }
            if self.peek() == Some(b'(') {
                self.at += 1;
            }
            self.case_patterns(&mut words)?;
            arms.push(self.list(&[";;", ";&", "esac"])?);
            if self.starts(";;&") {
                // bash goes on to test the next pattern; zsh has another operator for it.
                self.may_stop("zsh doesn't know the operator `;;&`");
                self.at += 3;
            } else if self.starts(";;") || self.starts(";&") {
                self.at += 2;
            }
        }
    }

    fn case_patterns(&mut self, words: &mut Vec<Word>) -> Scan<()> {
        loop {
            self.skip_blanks();
            let pattern = self.needed_word()?;
            if pattern.pieces.is_empty() {
                return self.refuse("syntax error: an empty pattern");
            }
            words.push(pattern);
            self.skip_blanks();
            match self.peek() {
                Some(b'|') => self.at += 1,
                Some(b')') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.refuse("syntax error in the pattern of a `case`"),
            }
        }
    }

    fn function_keyword(&mut self) -> Scan<Command> {
        self.skip_blanks();
        let name = self.needed_word()?;
        self.skip_blanks();
        if self.peek() == Some(b'(') {
            self.at += 1;
            self.function_parentheses()?;
        }
        self.function_body(&name)
    }

    /// The `)` of `name()`.
    pub(super) fn function_parentheses(&mut self) -> Scan<()> {
        self.skip_blanks();
        if self.peek() != Some(b')') {
            return self.refuse("syntax error: an unquoted parenthesis");
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn function_body(&mut self, name: &Word) -> Scan<Command> {
        let [Piece::Text { bytes, quoted: false }] = &name.pieces[..] else {
            return self.unsupported("a function whose name isn't plain text");
        };
        if bytes.iter().any(|byte| b"*?[]{}=~#^".contains(byte)) {
            return self.unsupported("a function whose name isn't plain text");
        }
        let name = bytes.clone();
        self.skip_newlines();
        if self.at_end() {
            return self.unfinished("the file ends before the body of a function");
        }
        let body = self.nested(Self::compound)?;
        let Some(body) = body else {
            return self.refuse("syntax error: a function without a body");
        };
        let (redirection, words) = self.redirects()?;
        let body = if redirection == Redirection::None { body } else { Command::Redirected { command: Box::new(body), words } };
        Ok(Command::Function { name, body: Box::new(body) })
    }
}
