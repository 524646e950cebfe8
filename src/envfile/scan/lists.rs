//! Lists, `&&` and `||`, and pipelines.

use super::super::syntax::{AndOr, Command, Joint, List, Pipeline};
use super::{Scan, Scanner, is_meta};

/// The words that end a list; `)` and `;;` also end a command on the same line.
pub(super) type Closers = [&'static str];

impl Scanner<'_> {
    /// A line, or more where a construct goes on: the shells run it before they read any further.
    pub(super) fn unit(&mut self) -> Scan<List> {
        let mut items = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None => break,
                Some(b'\n') => {
                    self.newline();
                    break;
                }
                Some(_) => {}
            }
            let mut item = self.and_or()?;
            self.skip_blanks();
            match self.peek() {
                Some(b';') if self.ahead(1) != Some(b';') => self.at += 1,
                Some(b'&') => {
                    self.at += 1;
                    item.background = true;
                    self.check_background(&item);
                }
                Some(b'\n') | None => {}
                _ => return self.refuse("syntax error: an operator where a command should end"),
            }
            items.push(item);
        }
        Ok(items)
    }

    /// zsh takes `&` right after an assignment for a syntax error.
    fn check_background(&mut self, item: &AndOr) {
        let pipelines = std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline));
        let assigns = |command: &Command| match command {
            Command::Simple(simple) => simple.words.is_empty(),
            Command::Perhaps(_) => true, // `time`
            _ => false,
        };
        if pipelines.flat_map(|pipeline| &pipeline.commands).any(assigns) {
            self.may_stop("zsh takes `&` after an assignment for a syntax error");
        }
    }

    /// The commands up to one of `closers`, which is left to read.
    pub(super) fn list(&mut self, closers: &Closers) -> Scan<List> {
        self.nested(|scanner| scanner.list_items(closers))
    }

    fn list_items(&mut self, closers: &Closers) -> Scan<List> {
        let mut items = Vec::new();
        loop {
            self.skip_newlines();
            if self.at_end() {
                return self.unfinished("the file ends in the middle of a command");
            }
            if self.closes(closers) {
                if items.is_empty() && !closers.contains(&";;") && !closers.contains(&")") {
                    return self.refuse("syntax error: no command where one is needed");
                }
                return Ok(items);
            }
            let mut item = self.and_or()?;
            self.skip_blanks();
            match self.peek() {
                Some(b';') if !matches!(self.ahead(1), Some(b';' | b'&')) => self.at += 1,
                Some(b'&') => {
                    self.at += 1;
                    item.background = true;
                    self.check_background(&item);
                }
                Some(b'\n') | None => {}
                _ if self.closes(closers) && (closers.contains(&")") || closers.contains(&";;")) => {}
                _ => return self.refuse("syntax error: an operator where a command should end"),
            }
            items.push(item);
        }
    }

    fn closes(&self, closers: &Closers) -> bool {
        closers.iter().any(|closer| match *closer {
            ")" | ";;" | ";&" => self.starts(closer),
            word => self.keyword(word),
        })
    }

    /// Whether `word` stands here on its own.
    pub(super) fn keyword(&self, word: &str) -> bool {
        self.starts(word) && self.ahead(word.len()).is_none_or(is_meta)
    }

    /// Takes `closer`, past newlines.
    pub(super) fn expect(&mut self, closer: &'static str) -> Scan<()> {
        self.skip_newlines();
        if self.closes(&[closer]) {
            self.at += closer.len();
            return Ok(());
        }
        self.refuse("syntax error: a keyword is missing")
    }

    fn and_or(&mut self) -> Scan<AndOr> {
        let at = self.at;
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.skip_blanks();
            let joint = if self.starts("&&") {
                Joint::And
            } else if self.starts("||") {
                Joint::Or
            } else {
                return Ok(AndOr { first, rest, background: false, at });
            };
            self.at += 2;
            self.skip_newlines();
            if self.at_end() {
                return self.unfinished("the file ends in the middle of a command");
            }
            rest.push((joint, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Scan<Pipeline> {
        let mut negated = false;
        let mut timed = false;
        loop {
            self.skip_blanks();
            if self.keyword("!") {
                if negated {
                    self.may_stop("zsh doesn't take more than one `!`");
                }
                self.at += 1;
                negated = !negated;
            } else if self.keyword("time") {
                self.at += 4;
                timed = true;
                self.skip_blanks();
                if self.peek() == Some(b'-') {
                    return self.unsupported("`time` with options, which zsh doesn't have");
                }
            } else {
                break;
            }
        }
        let mut commands = vec![self.command()?];
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'|') || self.ahead(1) == Some(b'|') {
                break;
            }
            self.at += 1;
            if self.peek() == Some(b'&') {
                self.at += 1;
            }
            self.skip_newlines();
            if self.at_end() {
                return self.unfinished("the file ends in the middle of a command");
            }
            commands.push(self.command()?);
        }
        if timed {
            commands = commands.into_iter().map(|command| Command::Perhaps(Box::new(command))).collect();
        }
        Ok(Pipeline { negated, commands })
    }
}
