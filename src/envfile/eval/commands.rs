//! Lists, pipelines and compound commands.

use super::super::syntax::{AndOr, Assignment, Command, Joint, List, Pipeline, Redirection, Simple, Word};
use super::declare::Caller;
use super::{Evaluator, Halt};

/// Whether a command succeeds, where that is known.
pub(super) type Status = Option<bool>;

/// Chains of `elif` longer than this are followed less closely.
const MAX_BRANCHES: usize = 40;

impl<'a> Evaluator<'a> {
    pub(super) fn list(&mut self, list: &'a List) -> Status {
        let mut status = Some(true);
        for item in list {
            if self.halted() {
                return None;
            }
            self.here = item.at;
            status = self.and_or(item);
        }
        status
    }

    fn and_or(&mut self, item: &'a AndOr) -> Status {
        if item.background {
            // All of it runs in a subshell; but of several pipelines zsh keeps the first in the shell itself.
            if !item.rest.is_empty() {
                self.maybe("bash and zsh differ on `&` after `&&` or `||`", |evaluator| {
                    let mut status = evaluator.pipeline(&item.first);
                    for (joint, pipeline) in &item.rest {
                        status = evaluator.joined(status, *joint, pipeline);
                    }
                });
                return None;
            }
            return Some(true);
        }
        let mut status = self.pipeline(&item.first);
        for (joint, pipeline) in &item.rest {
            if let Some(halt) = self.halt.take() {
                // zsh looks at what follows before it leaves.
                self.maybe("bash and zsh differ on `&&` and `||` after `return`", |evaluator| {
                    evaluator.pipeline(pipeline);
                });
                self.halt = Some(halt);
                status = None;
                continue;
            }
            status = self.joined(status, *joint, pipeline);
        }
        if self.state.modes.errexit && status != Some(true) {
            self.may_stop("a command that may fail under `set -e`");
        }
        status
    }

    fn joined(&mut self, status: Status, joint: Joint, pipeline: &'a Pipeline) -> Status {
        let wanted = joint == Joint::And;
        match status {
            Some(status) if status == wanted => self.pipeline(pipeline),
            Some(status) => Some(status),
            None => {
                let mut second = None;
                self.maybe("it depends on whether a command succeeds", |evaluator| {
                    second = evaluator.pipeline(pipeline);
                });
                // The whole is as the second where the first made no difference.
                second.filter(|second| *second != wanted)
            }
        }
    }

    /// Of several commands the last runs in the shell itself in zsh alone, the others in neither.
    fn pipeline(&mut self, pipeline: &'a Pipeline) -> Status {
        let status = match &pipeline.commands[..] {
            [command] => self.command(command),
            [.., last] => {
                self.maybe("the end of a pipeline runs in a subshell in bash alone", |evaluator| {
                    evaluator.command(last);
                });
                None
            }
            [] => None,
        };
        if pipeline.negated { status.map(|status| !status) } else { status }
    }

    pub(super) fn command(&mut self, command: &'a Command) -> Status {
        self.charge(1);
        if self.halted() {
            return None;
        }
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Group(list) => self.list(list),
            Command::Subshell => None,
            Command::If { branches, otherwise } => {
                self.conditional(branches, otherwise.as_ref());
                None
            }
            Command::Loop { names, words, arithmetic, condition, body } => {
                self.words(words);
                self.repeated("it is assigned in a loop", |evaluator| {
                    for name in names {
                        evaluator.forget(name, "it is assigned in a loop");
                    }
                    if let Some(arithmetic) = arithmetic {
                        evaluator.arithmetic(arithmetic);
                    }
                    evaluator.list(condition);
                    evaluator.maybe("it is assigned in a loop", |evaluator| {
                        evaluator.list(body);
                    });
                });
                None
            }
            Command::Case { words, arms } => {
                self.maybe("it is assigned in a `case`", |evaluator| {
                    for word in words {
                        evaluator.word(word);
                    }
                });
                for arm in arms {
                    self.maybe("it is assigned in a `case`", |evaluator| {
                        evaluator.list(arm);
                    });
                }
                None
            }
            Command::Function { name, body } => {
                self.define(name, body);
                Some(true)
            }
            Command::Test { words, numbers } => {
                self.maybe("it is assigned in a test", |evaluator| {
                    for word in words {
                        evaluator.word(word);
                    }
                    for word in numbers {
                        evaluator.number(word);
                    }
                });
                None
            }
            Command::Arithmetic(arithmetic) => {
                self.arithmetic(arithmetic);
                None
            }
            Command::Redirected { command, words } => {
                self.maybe("a redirection may fail", |evaluator| {
                    evaluator.words(words);
                    evaluator.command(command);
                });
                None
            }
            Command::Perhaps(command) => {
                self.maybe("bash and zsh differ on `time`", |evaluator| {
                    evaluator.command(command);
                });
                None
            }
        }
    }

    /// Evaluates words for what their expansions do.
    pub(super) fn words(&mut self, words: &'a [Word]) {
        if glob_risk(words) {
            self.may_stop("zsh stops where a pattern matches no file");
        }
        for word in words {
            self.word(word);
        }
    }

    fn conditional(&mut self, branches: &'a [(List, List)], otherwise: Option<&'a List>) {
        if branches.len() > MAX_BRANCHES {
            self.long_conditional(branches, otherwise);
            return;
        }
        let Some(((condition, body), rest)) = branches.split_first() else {
            if let Some(list) = otherwise {
                self.list(list);
            }
            return;
        };
        let at = self.here;
        let status = self.list(condition);
        if self.halted() {
            return;
        }
        self.here = at;
        match status {
            Some(true) => {
                self.list(body);
            }
            Some(false) => self.conditional(rest, otherwise),
            None => self.either(
                |evaluator| {
                    evaluator.list(body);
                },
                |evaluator| evaluator.conditional(rest, otherwise),
            ),
        }
    }

    fn long_conditional(&mut self, branches: &'a [(List, List)], otherwise: Option<&'a List>) {
        for (condition, body) in branches {
            self.maybe("it is assigned in an `if`", |evaluator| {
                evaluator.list(condition);
            });
            self.maybe("it is assigned in an `if`", |evaluator| {
                evaluator.list(body);
            });
        }
        if let Some(list) = otherwise {
            self.maybe("it is assigned in an `if`", |evaluator| {
                evaluator.list(list);
            });
        }
    }

    /// Follows two ways of which one is taken.
    fn either(&mut self, one: impl FnOnce(&mut Self), other: impl FnOnce(&mut Self)) {
        let reason = self.reason("it is assigned in an `if`");
        let before = self.state.enter();
        one(self);
        let first_halt = self.halt.take();
        if first_halt == Some(Halt::File) {
            self.state.stop(reason);
        }
        let first = self.state.leave(before);
        let before = self.state.enter();
        other(self);
        let second_halt = self.halt.take();
        if second_halt == Some(Halt::File) {
            self.state.stop(reason);
        }
        let second = self.state.leave(before);
        match (first_halt == Some(Halt::File), second_halt == Some(Halt::File)) {
            (true, true) => self.stop_file(),
            (true, false) => self.state.adopt(second),
            (false, true) => self.state.adopt(first),
            (false, false) => self.state.join(first, Some(second), reason),
        }
    }

    /// Follows what runs any number of times: whatever it changes is unknown afterwards.
    pub(super) fn repeated(&mut self, why: &'static str, mut inner: impl FnMut(&mut Self)) {
        let reason = self.reason(why);
        let mut known = std::collections::HashSet::new();
        for _ in 0..4 {
            self.charge(20);
            let before = self.state.enter();
            inner(self);
            if self.halt.take() == Some(Halt::File) {
                self.state.stop(reason);
            }
            let branch = self.state.leave(before);
            let mut settled = !self.state.changes_modes(&branch);
            for name in branch.names() {
                settled &= !known.insert(name);
            }
            let names = branch.names();
            self.state.join(branch, None, reason);
            for name in names {
                self.state.forget(&name, reason);
            }
            if settled || self.poison.is_some() {
                return;
            }
        }
        self.forget_all("a loop or function that takes too much work to follow");
        self.state.modes.allexport = None;
    }

    fn simple(&mut self, simple: &'a Simple) -> Status {
        self.here = simple.at;
        if simple.redirection != Redirection::Risky {
            if !simple.redirect_words.is_empty() {
                self.maybe("it may be assigned in a redirection", |evaluator| {
                    evaluator.words(&simple.redirect_words);
                });
            }
            return self.unredirected(simple);
        }
        if simple.words.first().and_then(Word::literal).as_deref() == Some(b"exec") {
            self.may_stop("a redirection of the whole shell may fail");
        }
        self.maybe("a redirection may fail", |evaluator| {
            evaluator.words(&simple.redirect_words);
            evaluator.unredirected(simple);
        });
        None
    }

    fn unredirected(&mut self, simple: &'a Simple) -> Status {
        let Some((first, arguments)) = simple.words.split_first() else {
            return self.assign_all(&simple.assignments);
        };
        let Some(name) = first.literal() else {
            return self.computed_command(first, arguments, &simple.assignments);
        };
        if glob_risk(std::slice::from_ref(first)) {
            self.may_stop("zsh stops where a pattern matches no file");
            self.forget_assigned(&simple.assignments, "zsh may keep it when a pattern matches no file");
        }
        let caller = if first.bare().is_some() { Caller::Plain } else { Caller::Indirect };
        self.call(&name, caller, arguments, &simple.assignments)
    }

    fn assign_all(&mut self, assignments: &'a [Assignment]) -> Status {
        let mut status = Some(true);
        for assignment in assignments {
            self.here = assignment.at;
            let value = self.assigned_value(assignment, false);
            if self.halted() {
                return None;
            }
            if matches!(value, super::Value::Unknown(_)) {
                status = None;
            }
            let literal = self.literal_of(assignment);
            let array = literal.is_none();
            self.assign(&assignment.name, value, literal, assignment.at);
            if array {
                let mut variable = self.state.get(&assignment.name);
                variable.typed = true;
                self.state.put(&assignment.name, variable);
            }
        }
        status
    }

    /// A command whose name is an expansion. A path is a program; anything else may be any builtin.
    fn computed_command(&mut self, first: &'a Word, arguments: &'a [Word], assignments: &'a [Assignment]) -> Status {
        use super::super::syntax::{Form, Piece};
        let slash = first.pieces.iter().any(|piece| matches!(piece, Piece::Text { bytes, .. } if bytes.contains(&b'/')));
        let single = first.pieces.iter().all(|piece| match piece {
            Piece::Text { .. } | Piece::Home => true,
            Piece::Param { quoted, form, .. } => *quoted && matches!(form, Form::Plain),
            _ => false,
        });
        self.forget_assigned(assignments, "an assignment before a command whose name is an expansion");
        self.words(std::slice::from_ref(first));
        self.words(arguments);
        if !(slash && single) {
            self.may_stop("a command whose name is only known at run time");
            self.forget_all("a command whose name is only known at run time");
        }
        None
    }
}

/// Whether zsh may stop at a word: a pattern without a match, or `=name` for a command that isn't there.
pub(super) fn glob_risk(words: &[Word]) -> bool {
    words.iter().any(|word| {
        let bracket = matches!(word.bare(), Some(b"[" | b"="));
        let equals = word.unquoted().next().is_some_and(|text| text.first() == Some(&b'='));
        !bracket && (equals || word.unquoted().any(|text| text.iter().any(|byte| b"*?[".contains(byte))))
    })
}
