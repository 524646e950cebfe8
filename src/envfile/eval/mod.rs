//! Works out what each variable is after `source FILE`, or why that can't be told.
//!
//! Nothing is run. Where it isn't certain which way a shell goes, both ways are followed and only what they agree on
//! is kept; where only one of bash and zsh would go on, the file may stop there.

mod assigning;
mod builtins;
mod commands;
mod declare;
mod functions;
mod options;
mod state;
mod unset;
mod words;

pub(super) use state::{Reason, Value, Variable};

use super::names::{Owner, owner};
use super::syntax::{Bytes, Command, FailureKind, Program, names_in};
use state::State;
use std::collections::{HashMap, HashSet};

/// Work that may be spent on a file besides what its length allows: it keeps crafted files from taking long.
const FUEL: u64 = 2 << 20;

/// Why the commands that follow aren't run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// The file is left.
    File,
    /// A function is left.
    Function,
}

/// Follows a program through the shells.
struct Evaluator<'a> {
    source: &'a [u8],
    home: &'a [u8],
    state: State,
    /// Every body that a function was given: which one is called isn't followed.
    functions: HashMap<Bytes, Vec<&'a Command>>,
    aliases: HashSet<Bytes>,
    poison: Option<Reason>,
    halt: Option<Halt>,
    /// Where the command stands that is being followed.
    here: usize,
    fuel: u64,
    calls: usize,
    assignments: Vec<(Bytes, usize)>,
    may_export: bool,
}

/// A syntax error or something that isn't followed, and the variables that stand after it.
pub(super) struct Cut {
    pub(super) reason: Reason,
    pub(super) kind: FailureKind,
    pub(super) mentions: HashSet<Bytes>,
    everything: bool,
}

/// What sourcing a program leads to.
pub(super) struct Findings {
    state: State,
    poison: Option<Reason>,
    pub(super) cut: Option<Cut>,
    pub(super) assignments: Vec<(Bytes, usize)>,
    pub(super) may_export: bool,
}

impl Findings {
    /// What `name` is in the end.
    pub(super) fn variable(&self, name: &[u8]) -> Variable {
        let mut variable = self.state.finally(name);
        if let Some(reason) = self.poison {
            variable.value = Value::Unknown(reason);
        }
        variable
    }

    /// Whether `name` stands after the place where reading had to end.
    pub(super) fn cut_for(&self, name: &[u8]) -> Option<&Cut> {
        self.cut.as_ref().filter(|cut| cut.everything || cut.mentions.contains(name))
    }

    pub(super) fn names(&self) -> Vec<Bytes> {
        self.state.names()
    }
}

/// Follows a whole program.
pub(super) fn evaluate(program: &Program, source: &[u8], home: &[u8]) -> Findings {
    let mut evaluator = Evaluator {
        source,
        home,
        state: State::new(),
        functions: HashMap::new(),
        aliases: HashSet::new(),
        poison: None,
        halt: None,
        here: 0,
        fuel: FUEL + 16 * source.len() as u64,
        calls: 0,
        assignments: Vec::new(),
        may_export: false,
    };
    evaluator.program(program);
    let cut = evaluator.cut(program);
    Findings { state: evaluator.state, poison: evaluator.poison, cut, assignments: evaluator.assignments, may_export: evaluator.may_export }
}

impl<'a> Evaluator<'a> {
    fn program(&mut self, program: &'a Program) {
        let ends = program.units.iter().skip(1).map(|unit| unit.at).chain([self.source.len()]);
        for (unit, end) in program.units.iter().zip(ends) {
            self.here = unit.at;
            self.check_aliases(unit.at..end);
            if let Some(why) = unit.notes.differs {
                self.poison(why);
            }
            if self.halted() {
                return;
            }
            if let Some(why) = unit.notes.may_stop {
                self.may_stop(why);
            }
            self.list(&unit.items);
            for word in &unit.notes.heredocs {
                self.maybe("it may be assigned in a here-document", |evaluator| {
                    evaluator.word(word);
                });
            }
            for name in &unit.notes.mentions {
                self.forget(name, "it may be assigned in a here-document");
            }
        }
    }

    /// An alias may stand for anything, even for half a command, and zsh expands it before it reads on.
    fn check_aliases(&mut self, unit: std::ops::Range<usize>) {
        if self.aliases.is_empty() {
            return;
        }
        let text = self.source.get(unit).unwrap_or_default();
        let ends_word = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b'`');
        if text.split(ends_word).any(|word| self.aliases.contains(word)) {
            self.poison("a command that may be an alias");
        }
    }

    /// What to make of a failure: the variables named after it aren't certain, and none is if anything there could
    /// reach further.
    fn cut(&mut self, program: &Program) -> Option<Cut> {
        let (start, failure) = program.failure?;
        if self.halted() {
            return None;
        }
        let rest = self.source.get(start..).unwrap_or_default();
        let quoting = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\' | b'\n');
        let bare: Bytes = rest.iter().copied().filter(|byte| !matches!(byte, b'\'' | b'"' | b'\\')).collect();
        let joined: Bytes = rest.iter().copied().filter(|byte| !quoting(byte)).collect();
        let mut mentions: HashSet<Bytes> = names_in(rest).into_iter().collect();
        mentions.extend(names_in(&bare));
        mentions.extend(names_in(&joined));
        let reaches = |name: &Bytes| self.functions.contains_key(name) || FAR_REACHING.contains(&&name[..]) || self.aliases.contains(name);
        let computed = mentions.contains(&b"export"[..]) && has_computed_name(&bare);
        let sources = bare.windows(2).any(|pair| pair == b". ");
        let everything = failure.kind != FailureKind::Unfinished && (sources || mentions.iter().any(reaches) || computed);
        self.may_export |= mentions.iter().any(|name| EXPORTING.contains(&&name[..]));
        let at = if failure.at < self.source.len() { failure.at } else { start };
        Some(Cut { reason: Reason { why: failure.why, at }, kind: failure.kind, mentions, everything })
    }

    fn reason(&self, why: &'static str) -> Reason {
        Reason { why, at: self.here }
    }

    fn unknown(&self, why: &'static str) -> Value {
        Value::Unknown(self.reason(why))
    }

    /// Something assigns `name`, and it can't be told what.
    fn forget(&mut self, name: &[u8], why: &'static str) {
        match owner(name) {
            Owner::Reading => self.poison("a variable that changes how the shell reads the file"),
            Owner::File if !self.state.get(name).readonly => {}
            Owner::File | Owner::Shell => self.may_stop("an assignment to a readonly variable"),
        }
        let reason = self.reason(why);
        self.state.forget(name, reason);
    }

    fn forget_all(&mut self, why: &'static str) {
        self.may_export = true;
        let reason = self.reason(why);
        self.state.forget_all(reason);
    }

    /// One of the shells may stop reading here.
    fn may_stop(&mut self, why: &'static str) {
        let reason = self.reason(why);
        self.state.stop(reason);
    }

    /// Nothing can be said of any variable any more.
    fn poison(&mut self, why: &'static str) {
        self.may_export = true;
        let reason = self.reason(why);
        self.poison.get_or_insert(reason);
    }

    /// The file is left here.
    fn stop_file(&mut self) {
        self.halt = Some(Halt::File);
    }

    fn halted(&self) -> bool {
        self.halt.is_some() || self.poison.is_some()
    }

    fn charge(&mut self, work: usize) {
        self.fuel = self.fuel.saturating_sub(work as u64 + 1);
        if self.fuel == 0 {
            self.poison("the file takes too much work to follow");
        }
    }

    /// Follows what may or may not happen.
    fn maybe(&mut self, why: &'static str, inner: impl FnOnce(&mut Self)) {
        let reason = self.reason(why);
        let before = self.state.enter();
        inner(self);
        let left = self.halt.take();
        if left == Some(Halt::File) {
            self.state.stop(reason);
        }
        let branch = self.state.leave(before);
        if left != Some(Halt::File) {
            self.state.join(branch, None, reason);
        }
    }
}

/// Commands that may assign variables which aren't named next to them.
const FAR_REACHING: [&[u8]; 16] = [
    b"eval",
    b"source",
    b"declare",
    b"typeset",
    b"readonly",
    b"local",
    b"unset",
    b"read",
    b"printf",
    b"mapfile",
    b"readarray",
    b"alias",
    b"trap",
    b"set",
    b"emulate",
    b"setopt",
];

/// Commands that may export.
const EXPORTING: [&[u8]; 7] = [b"export", b"declare", b"typeset", b"set", b"setopt", b"eval", b"source"];

/// Whether an `export` in `text` takes a name from an expansion.
fn has_computed_name(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b';'))
        .any(|word| word.split(|byte| *byte == b'=').next().is_some_and(|name| name.contains(&b'$') || name.contains(&b'`')))
}
