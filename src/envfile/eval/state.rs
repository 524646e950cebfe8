//! What is known of each variable, along branches that may or may not be taken.
//!
//! Changes inside a branch are journaled, so that leaving it costs no more than what it changed. Where a shell may
//! stop reading the file, the values so far may be the last: each is noted before it changes, and compared with the
//! final value in the end.

use super::super::syntax::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Why something isn't known: what stands at `at` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) why: &'static str,
    pub(crate) at: usize,
}

/// What a variable holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// The file doesn't touch it: it is whatever was inherited.
    Untouched,
    Unset,
    /// These bytes, as long as none of the variables in `depends` is inherited.
    Known {
        bytes: Bytes,
        depends: BTreeSet<Bytes>,
    },
    Unknown(Reason),
}

impl Value {
    /// A value that depends on nothing.
    pub(super) fn known(bytes: Bytes) -> Self {
        Self::Known { bytes, depends: BTreeSet::new() }
    }

    /// The value that `self` and `other` agree on.
    fn join(self, other: Self, reason: Reason) -> Self {
        match (self, other) {
            (one, two) if one == two => two,
            (Self::Unknown(reason), _) | (_, Self::Unknown(reason)) => Self::Unknown(reason),
            _ => Self::Unknown(reason),
        }
    }
}

/// The literal assignment that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// The bytes of the value's word.
    pub(crate) span: Range<usize>,
    pub(crate) append: bool,
    pub(crate) ends_quoted: bool,
}

/// All that is known of a variable.
#[derive(Clone)]
pub(crate) struct Variable {
    pub(crate) value: Value,
    pub(crate) exported: Option<bool>,
    pub(crate) readonly: bool,
    /// An attribute that changes what is assigned: integer, upper case, array…
    pub(crate) typed: bool,
    /// `export NAME` without a value: zsh then has it set and empty, bash doesn't.
    pub(crate) declared: bool,
    pub(crate) literal: Option<Literal>,
    /// Where the value was assigned.
    pub(crate) at: usize,
    /// How many stops came before this was written, and the time of writing.
    stops: usize,
    written: u64,
}

impl Variable {
    fn untouched() -> Self {
        Self {
            value: Value::Untouched,
            exported: Some(false),
            readonly: false,
            typed: false,
            declared: false,
            literal: None,
            at: 0,
            stops: 0,
            written: 0,
        }
    }

    fn forget(&mut self, reason: Reason) {
        self.value = Value::Unknown(reason);
        self.exported = None;
        self.literal = None;
        self.at = reason.at;
    }

    fn join(self, other: Self, reason: Reason) -> Self {
        Self {
            value: self.value.join(other.value, reason),
            exported: if self.exported == other.exported { other.exported } else { None },
            readonly: self.readonly || other.readonly,
            typed: self.typed || other.typed,
            declared: self.declared || other.declared,
            literal: if self.literal == other.literal { other.literal } else { None },
            ..other
        }
    }
}

/// A moment after which no earlier value can be relied on.
#[derive(Clone, Copy)]
struct Havoc {
    reason: Reason,
    written: u64,
    stops: usize,
}

/// Options of the shell, and whether everything was lost.
#[derive(Clone, Copy)]
pub(super) struct Modes {
    /// `set -a`
    pub(super) allexport: Option<bool>,
    /// `set -e`
    pub(super) errexit: bool,
    /// `set -u`
    pub(super) nounset: bool,
    havoc: Option<Havoc>,
}

/// What a branch changed.
pub(super) struct Branch {
    changed: HashMap<Bytes, Variable>,
    modes: Modes,
}

impl Branch {
    pub(super) fn names(&self) -> Vec<Bytes> {
        self.changed.keys().cloned().collect()
    }
}

/// Every variable, and what branches and stops need to be put together.
pub(crate) struct State {
    variables: HashMap<Bytes, Variable>,
    /// For each branch that is open, what its changes replaced.
    journal: Vec<HashMap<Bytes, Option<Variable>>>,
    /// What variables held where a shell may have stopped, if they changed since.
    observed: HashMap<Bytes, Variable>,
    stops: Vec<Reason>,
    clock: u64,
    pub(super) modes: Modes,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            variables: HashMap::new(),
            journal: Vec::new(),
            observed: HashMap::new(),
            stops: Vec::new(),
            clock: 0,
            modes: Modes { allexport: Some(false), errexit: false, nounset: false, havoc: None },
        }
    }

    /// What is known of `name` now.
    pub(crate) fn get(&self, name: &[u8]) -> Variable {
        let mut variable = self.variables.get(name).cloned().unwrap_or_else(Variable::untouched);
        if let Some(havoc) = self.modes.havoc
            && havoc.written > variable.written
        {
            variable.forget(havoc.reason);
        }
        variable
    }

    /// Writes a variable.
    pub(super) fn put(&mut self, name: &[u8], mut variable: Variable) {
        self.observe(name);
        variable.stops = self.stops.len();
        variable.written = self.tick();
        let old = self.variables.insert(name.to_vec(), variable);
        if let Some(layer) = self.journal.last_mut() {
            layer.entry(name.to_vec()).or_insert(old);
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// One of the shells may stop reading here.
    pub(super) fn stop(&mut self, reason: Reason) {
        self.stops.push(reason);
    }

    /// How many times a shell may have stopped so far.
    pub(super) fn stop_count(&self) -> usize {
        self.stops.len()
    }

    /// Forgets a variable's value, and whether it is exported.
    pub(super) fn forget(&mut self, name: &[u8], reason: Reason) {
        let mut variable = self.get(name);
        variable.forget(reason);
        self.put(name, variable);
    }

    /// Forgets every variable.
    pub(super) fn forget_all(&mut self, reason: Reason) {
        let written = self.tick();
        self.modes.havoc = Some(Havoc { reason, written, stops: self.stops.len() });
    }

    /// Keeps what `name` held at the stops since it was written, before it changes.
    fn observe(&mut self, name: &[u8]) {
        let raw = self.variables.get(name).cloned().unwrap_or_else(Variable::untouched);
        if let Some(reason) = self.stops.get(raw.stops).copied() {
            self.observe_value(name, raw.clone(), reason);
        }
        if let Some(havoc) = self.modes.havoc
            && havoc.written > raw.written
            && havoc.stops < self.stops.len()
        {
            let mut lost = raw;
            lost.forget(havoc.reason);
            self.observe_value(name, lost, havoc.reason);
        }
    }

    fn observe_value(&mut self, name: &[u8], variable: Variable, reason: Reason) {
        let joined = match self.observed.remove(name) {
            Some(before) => before.join(variable, reason),
            None => variable,
        };
        self.observed.insert(name.to_vec(), joined);
    }

    /// Whether what happens now happens for sure.
    pub(super) fn unconditional(&self) -> bool {
        self.journal.is_empty()
    }

    /// Starts a branch.
    pub(super) fn enter(&mut self) -> Modes {
        self.journal.push(HashMap::new());
        self.modes
    }

    /// Ends a branch: what it changed is taken back and handed out.
    pub(super) fn leave(&mut self, before: Modes) -> Branch {
        let mut changed = HashMap::new();
        for (name, old) in self.journal.pop().unwrap_or_default() {
            self.observe(&name);
            let variable = self.get(&name);
            match old {
                Some(old) => self.variables.insert(name.clone(), old),
                None => self.variables.remove(&name),
            };
            changed.insert(name, variable);
        }
        let modes = std::mem::replace(&mut self.modes, before);
        Branch { changed, modes }
    }

    /// The branch was taken.
    pub(super) fn adopt(&mut self, branch: Branch) {
        self.modes = branch.modes;
        for (name, variable) in branch.changed {
            self.put(&name, variable);
        }
    }

    /// One branch or the other was taken; `None` stands for one that does nothing.
    pub(super) fn join(&mut self, one: Branch, other: Option<Branch>, reason: Reason) {
        let before = self.modes;
        let (mut others, other_modes) = match other {
            Some(branch) => (branch.changed, branch.modes),
            None => (HashMap::new(), before),
        };
        for (name, variable) in one.changed {
            let alternative = others.remove(&name).unwrap_or_else(|| self.get(&name));
            self.put(&name, variable.join(alternative, reason));
        }
        for (name, variable) in others {
            let alternative = self.get(&name);
            self.put(&name, variable.join(alternative, reason));
        }
        self.join_modes(one.modes, other_modes, before);
    }

    fn join_modes(&mut self, one: Modes, other: Modes, before: Modes) {
        self.modes = Modes {
            allexport: if one.allexport == other.allexport { one.allexport } else { None },
            errexit: one.errexit || other.errexit,
            nounset: one.nounset || other.nounset,
            havoc: before.havoc,
        };
        let since = before.havoc.map_or(0, |havoc| havoc.written);
        for havoc in [one.havoc, other.havoc].into_iter().flatten() {
            if havoc.written > since {
                self.forget_all(havoc.reason);
                return;
            }
        }
    }

    /// Whether a branch lost everything, or changed an option.
    pub(super) fn changes_modes(&self, branch: &Branch) -> bool {
        let havoc = |modes: &Modes| modes.havoc.map_or(0, |havoc| havoc.written);
        let options = |modes: &Modes| (modes.allexport, modes.errexit, modes.nounset);
        havoc(&branch.modes) > havoc(&self.modes) || options(&branch.modes) != options(&self.modes)
    }

    /// What `name` is after the whole file, wherever the shells stopped.
    pub(crate) fn finally(&self, name: &[u8]) -> Variable {
        let variable = self.get(name);
        let Some(observed) = self.observed.get(name) else {
            return variable;
        };
        let at = variable.at;
        let reason = self.stops.first().copied().unwrap_or(Reason { why: "the file may stop early", at });
        observed.clone().join(variable, self.stop_for(observed).unwrap_or(reason))
    }

    fn stop_for(&self, observed: &Variable) -> Option<Reason> {
        self.stops.get(observed.stops).copied()
    }

    /// Every variable that the file touches.
    pub(crate) fn names(&self) -> Vec<Bytes> {
        let mut names: Vec<Bytes> = self.variables.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
