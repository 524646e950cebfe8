//! What the scanner hands to the evaluator: the part of the shell grammar that bash and zsh share.

use std::ops::Range;

/// Bytes of a name or value; shell text has no encoding.
pub(super) type Bytes = Vec<u8>;

/// Why the value of a command substitution isn't known.
pub(super) const SUBSTITUTION: &str = "a command substitution";

/// Why the value of `$1`, `$?` and their like isn't known.
pub(super) const RUN_TIME: &str = "a parameter that is only known at run time";

/// One word, in the pieces that expansion treats differently.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
    pub(super) span: Range<usize>,
    /// The word's last byte closes a quote, so that a writer was done with it.
    pub(super) ends_quoted: bool,
    /// Set when the word has the form `NAME=…`, `NAME+=…` or `NAME[…]=…`.
    pub(super) assignment: Option<Box<Assignment>>,
}

impl Word {
    /// The text of a word that needs no expansion.
    pub(super) fn literal(&self) -> Option<Bytes> {
        let mut text = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text { bytes, .. } => text.extend_from_slice(bytes),
                _ => return None,
            }
        }
        Some(text)
    }

    /// The word's text where it is wholly literal and no part of it is quoted: only such a word can be a keyword.
    pub(super) fn bare(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [Piece::Text { bytes, quoted: false }] => Some(bytes),
            _ => None,
        }
    }

    /// The parts of the text that are neither quoted nor expanded.
    pub(super) fn unquoted(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text { bytes, quoted: false } => Some(&bytes[..]),
            _ => None,
        })
    }
}

/// A part of a word.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Bytes after quote removal.
    Text { bytes: Bytes, quoted: bool },
    /// A `~` that stands for HOME.
    Home,
    /// `$name` and the forms of `${name…}` that are understood.
    Param { name: Bytes, form: Form, quoted: bool },
    /// `$((…))` or `$[…]`.
    Arithmetic(Arithmetic),
    /// What can't be told without running it.
    Opaque(Opaque),
}

/// An expansion whose result isn't followed, and what it may do on the way.
#[derive(Clone, Debug)]
pub(super) struct Opaque {
    pub(super) why: &'static str,
    /// Variables that it may assign.
    pub(super) mentions: Vec<Bytes>,
    /// One of the shells may give up on the file here.
    pub(super) may_stop: bool,
}

/// An arithmetic expression, as far as it matters here.
#[derive(Clone, Debug)]
pub(super) struct Arithmetic {
    /// Every identifier in it.
    pub(super) names: Vec<Bytes>,
    /// It has an operator that assigns.
    pub(super) assigns: bool,
    /// It has expansions, subscripts or quotes, so that it may assign anything.
    pub(super) wild: bool,
}

/// How `${name…}` uses its variable. `colon` also takes an empty value for an unset one.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Plain,
    Default { colon: bool, word: Word },
    Assign { colon: bool, word: Word },
    Alternative { colon: bool, word: Word },
    Require { colon: bool, word: Word },
}

/// What an assignment assigns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Scalar,
    /// `NAME=(…)`
    Array,
    /// `NAME[…]=…`
    Element,
}

/// `NAME=value`, before a command or as an argument of `export` and its like.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) name: Bytes,
    pub(super) append: bool,
    pub(super) target: Target,
    pub(super) value: Word,
    /// Where the name starts.
    pub(super) at: usize,
}

/// What a command's redirections may do to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Redirection {
    #[default]
    None,
    /// It can't fail: `/dev/null`, a copy of a standard descriptor, a here-document.
    Safe,
    /// It may fail, and then the command isn't run.
    Risky,
}

/// Assignments, a command name and its arguments; any part may be missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<Assignment>,
    pub(super) words: Vec<Word>,
    pub(super) redirection: Redirection,
    pub(super) redirect_words: Vec<Word>,
    pub(super) at: usize,
}

/// Any command.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Simple(Simple),
    Group(List),
    /// Its assignments never reach us.
    Subshell,
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    Loop {
        names: Vec<Bytes>,
        words: Vec<Word>,
        arithmetic: Option<Arithmetic>,
        condition: List,
        body: List,
    },
    Case {
        words: Vec<Word>,
        arms: Vec<List>,
    },
    Function {
        name: Bytes,
        body: Box<Command>,
    },
    /// `[[ … ]]`; `numbers` are the operands that are evaluated as arithmetic.
    Test {
        words: Vec<Word>,
        numbers: Vec<Word>,
    },
    Arithmetic(Arithmetic),
    /// A compound command with a redirection that may fail.
    Redirected {
        command: Box<Command>,
        words: Vec<Word>,
    },
    /// Run by one of the shells at least: `time` takes arguments in one of them.
    Perhaps(Box<Command>),
}

/// Commands joined by `|`.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) negated: bool,
    pub(super) commands: Vec<Command>,
}

/// What joins two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug)]
pub(super) struct AndOr {
    pub(super) first: Pipeline,
    pub(super) rest: Vec<(Joint, Pipeline)>,
    pub(super) background: bool,
    pub(super) at: usize,
}

/// Commands one after the other.
pub(super) type List = Vec<AndOr>;

/// What a shell reads before it runs any of it: a line, or more where a construct goes on.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) items: List,
    pub(super) at: usize,
    pub(super) notes: Notes,
}

/// What the scanner noticed about a whole unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// zsh may refuse the unit, and with it the rest of the file.
    pub(super) may_stop: Option<&'static str>,
    /// bash and zsh may take different things for the unit: nothing certain can be said from here on.
    pub(super) differs: Option<&'static str>,
    /// The expansions in the unit's here-documents.
    pub(super) heredocs: Vec<Word>,
    /// Variables that the unit may assign in ways that aren't followed (in a here-document).
    pub(super) mentions: Vec<Bytes>,
}

/// Why scanning ended before the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The shells refuse it.
    Syntax,
    /// The file ends in the middle of something.
    Unfinished,
    /// The shells may well accept it; this reader doesn't follow it.
    Unsupported,
}

/// Where and why scanning ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) kind: FailureKind,
    pub(super) why: &'static str,
}

/// A whole file.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) units: Vec<Unit>,
    /// Where the first unit starts that couldn't be read, and why.
    pub(super) failure: Option<(usize, Failure)>,
    /// The file ends inside a here-document.
    pub(super) open_heredoc: bool,
}

/// Whether `text` can be the name of a variable.
pub(super) fn is_name(text: &[u8]) -> bool {
    matches!(text.first(), Some(first) if first.is_ascii_alphabetic() || *first == b'_') && text.iter().copied().all(is_name_byte)
}

/// Whether a name can go on with `byte`.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every run of name bytes in `text` that is a name.
pub(super) fn names_in(text: &[u8]) -> Vec<Bytes> {
    text.split(|byte| !is_name_byte(*byte)).filter(|run| is_name(run)).map(<[u8]>::to_vec).collect()
}
