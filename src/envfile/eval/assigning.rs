//! Builtins that assign the variables which their arguments name.

use super::super::syntax::{Bytes, Piece, Word, names_in};
use super::Evaluator;

/// Builtins, of one shell or the other, that assign the variables which their arguments name.
pub(super) const ASSIGNING: [&[u8]; 26] = [
    b"read",
    b"mapfile",
    b"readarray",
    b"getopts",
    b"let",
    b"vared",
    b"zparseopts",
    b"integer",
    b"float",
    b"zstyle",
    b"zformat",
    b"strftime",
    b"sysread",
    b"sysopen",
    b"zstat",
    b"stat",
    b"zselect",
    b"getln",
    b"zsocket",
    b"ztcp",
    b"zpty",
    b"zcurses",
    b"private",
    b"zregexparse",
    b"pcre_match",
    b"shift",
];

impl<'a> Evaluator<'a> {
    /// `printf -v NAME` and zsh's `print -v NAME` assign.
    pub(super) fn printf(&mut self, arguments: &'a [Word], literals: &[Option<Bytes>]) {
        let option = |argument: &Option<Bytes>| argument.as_ref().is_some_and(|text| text.starts_with(b"-"));
        let starts_option = |word: &Word| match word.pieces.first() {
            Some(Piece::Text { bytes, .. }) => bytes.is_empty() || bytes.starts_with(b"-"),
            _ => true,
        };
        let uncertain = literals.first().is_some_and(Option::is_none);
        if uncertain && arguments.first().is_some_and(starts_option) {
            self.may_stop("`printf` with arguments that are only known at run time");
            self.forget_all("`printf` with arguments that are only known at run time");
        } else if literals.iter().any(option) {
            self.assigning(arguments, literals);
        }
    }

    /// A builtin that assigns the variables which its arguments name, or stops at a bad one.
    pub(super) fn assigning(&mut self, arguments: &'a [Word], literals: &[Option<Bytes>]) {
        self.may_stop("a builtin that bash and zsh treat differently");
        if literals.iter().any(Option::is_none) {
            self.forget_all("a builtin assigns a variable whose name is only known at run time");
            return;
        }
        for literal in literals.iter().flatten() {
            for name in option_names(literal) {
                self.forget(&name, "it is assigned by a builtin such as `read` or `printf -v`");
                let mut variable = self.state.get(&name);
                variable.typed = true;
                self.state.put(&name, variable);
            }
        }
        // `let` and its like are arithmetic: the text of a variable is itself an expression.
        if arguments.iter().any(|word| word.literal().is_none()) {
            self.forget_all("a builtin assigns a variable whose name is only known at run time");
        }
    }
}

/// Every name that an argument may stand for: an option may have it glued to its letters, as in `-vNAME`.
fn option_names(argument: &[u8]) -> Vec<Bytes> {
    const MOST_LETTERS: usize = 8;
    let letters = if argument.starts_with(b"-") { argument.len().min(MOST_LETTERS) } else { 1 };
    (0..letters.max(1)).flat_map(|skipped| names_in(&argument[skipped.min(argument.len())..])).collect()
}
