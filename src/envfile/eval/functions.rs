//! Functions: they are kept when defined and followed when called.

use super::super::syntax::{Bytes, Command, Word};
use super::{Evaluator, Halt};

/// Calls nested deeper than this aren't followed.
const MAX_CALLS: usize = 6;

/// Commands that one of the shells takes for its own even where a function has their name.
const PROTECTED: [&[u8]; 13] = [
    b"export",
    b"declare",
    b"typeset",
    b"readonly",
    b"local",
    b"integer",
    b"float",
    b"private",
    b"builtin",
    b"command",
    b"exec",
    b"chpwd",
    b"zshexit",
];

impl<'a> Evaluator<'a> {
    pub(super) fn define(&mut self, name: &'a Bytes, body: &'a Command) {
        if PROTECTED.contains(&&name[..]) || name.starts_with(b"TRAP") {
            self.poison("a function with the name of a builtin that bash and zsh treat differently");
        }
        if self.aliases.contains(name) {
            self.poison("a function with the name of an alias");
        }
        self.functions.entry(name.clone()).or_default().push(body);
    }

    /// Follows a call. Arguments aren't, so that nothing is known of what it assigns.
    pub(super) fn call_function(&mut self, name: &[u8], arguments: &'a [Word]) {
        self.words(arguments);
        self.charge(100);
        let bodies = self.functions.get(name).cloned().unwrap_or_default();
        if self.calls >= MAX_CALLS {
            self.may_stop("functions that call each other too deep to follow");
            self.forget_all("functions that call each other too deep to follow");
            return;
        }
        self.calls += 1;
        let at = self.here;
        self.repeated("it is assigned in a function", |evaluator| {
            for body in &bodies {
                evaluator.here = at;
                evaluator.maybe("it is assigned in a function", |evaluator| {
                    evaluator.command(body);
                });
                if evaluator.halt == Some(Halt::Function) {
                    evaluator.halt = None;
                }
            }
        });
        self.here = at;
        self.calls -= 1;
    }
}
