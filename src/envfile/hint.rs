//! Why a file that names a variable doesn't set it: most often it was written for another reader.

use super::syntax::is_name_byte;

/// What may keep an assignment from working, the most telling last (see [`rank`]).
#[derive(Clone, Copy)]
enum Finding {
    OtherCase,
    Commented,
    Nested,
    Elsewhere(&'static str),
}

/// One sentence about why `name` isn't set, where the text tells.
pub(super) fn hint(source: &[u8], name: &str) -> Option<String> {
    if source.starts_with(b"\xff\xfe") || source.starts_with(b"\xfe\xff") {
        return Some("the file is UTF-16; shells need UTF-8 or ASCII".to_owned());
    }
    let found = source
        .split(|byte| *byte == b'\n')
        .filter_map(|line| in_line(line, name.as_bytes()))
        .max_by_key(rank)?;
    let text = match found {
        Finding::OtherCase => {
            "the file has the name in other letter case; names are case-sensitive"
        }
        Finding::Commented => "the assignment is commented out",
        Finding::Nested => {
            "it is only assigned where that doesn't last, as in a subshell, or where it isn't reached"
        }
        Finding::Elsewhere(text) => text,
    };
    Some(text.to_owned())
}

/// What another reader's syntax is called where `name` is given in it: the shells then make something odd of the line.
pub(super) fn dialect(source: &[u8], name: &str) -> Option<&'static str> {
    source.split(|byte| *byte == b'\n').find_map(|line| {
        let at = position(line, name.as_bytes())?;
        let (before, rest) = line.split_at(at);
        let before = trim_start(before);
        if before.first() == Some(&b'#') || !rest.starts_with(name.as_bytes()) {
            return None;
        }
        let after = &rest[name.len()..];
        let placeholder = after.starts_with(b"=<").then_some(PLACEHOLDER);
        other_dialect(before, after).or(placeholder)
    })
}

const PLACEHOLDER: &str =
    "the value starts with `<`, which a shell takes for a redirection: is it a placeholder?";

fn rank(finding: &Finding) -> u8 {
    match finding {
        Finding::OtherCase => 0,
        Finding::Commented => 1,
        Finding::Nested => 2,
        Finding::Elsewhere(_) => 3,
    }
}

fn in_line(line: &[u8], name: &[u8]) -> Option<Finding> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = position(line, name)?;
    let (before, rest) = line.split_at(at);
    let after = &rest[name.len()..];
    let before = trim_start(before);
    if before.first() == Some(&b'#') {
        return trim_start(after)
            .first()
            .is_some_and(|byte| *byte == b'=')
            .then_some(Finding::Commented);
    }
    if &rest[..name.len()] != name {
        return after.starts_with(b"=").then_some(Finding::OtherCase);
    }
    if let Some(text) = other_dialect(before, after) {
        return Some(Finding::Elsewhere(text));
    }
    if let Some(text) = without_value(trim_end(before), after) {
        return Some(Finding::Elsewhere(text));
    }
    let value = after.strip_prefix(b"=")?;
    let starts = matches!(trim_end(before), b"" | b"export");
    Some(
        cut_value(value)
            .filter(|_| starts)
            .map_or(Finding::Nested, Finding::Elsewhere),
    )
}

/// Where `name` stands on its own in `line`, in any case of letters; the exact name is preferred.
fn position(line: &[u8], name: &[u8]) -> Option<usize> {
    let whole = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| line.get(at));
        let after = line.get(at + name.len());
        !before.is_some_and(|byte| is_name_byte(*byte))
            && !after.is_some_and(|byte| is_name_byte(*byte))
    };
    let windows = || line.windows(name.len().max(1)).enumerate();
    let exact = windows()
        .filter(|(_, text)| *text == name)
        .map(|(at, _)| at)
        .find(whole);
    exact.or_else(|| {
        windows()
            .filter(|(_, text)| text.eq_ignore_ascii_case(name))
            .map(|(at, _)| at)
            .find(whole)
    })
}

fn other_dialect(before: &[u8], after: &[u8]) -> Option<&'static str> {
    let word = trim_end(before);
    let value = after.strip_prefix(b"=");
    let spaced = trim_start(after);
    if before.starts_with(b"\xef\xbb\xbf") {
        return Some(
            "a byte-order mark stands before the command, so that the shell doesn't know it",
        );
    }
    if contains(before, b"\xc2\xa0") || contains(before, b"\xe2\x80") || contains(before, b"\x0c") {
        return Some("an invisible character stands before the name");
    }
    if before.to_ascii_lowercase().ends_with(b"$env:") {
        return Some("this is PowerShell's syntax; a shell needs `export NAME='…'`");
    }
    if word.starts_with(b"setenv") {
        return Some("this is csh's syntax; a shell needs `export NAME='…'`");
    }
    if word.starts_with(b"set") && value.is_some() {
        return Some(
            "this is the syntax of Windows' command prompt; a shell needs `export NAME='…'`",
        );
    }
    if word.starts_with(b"set") && after.starts_with(b" ") {
        return Some("this is fish's syntax; bash and zsh need `export NAME='…'`");
    }
    if word.ends_with(b"$") && value.is_some() {
        return Some("a dollar sign stands before the name in the assignment");
    }
    if after.starts_with(b"\":") {
        return Some("this is JSON; a shell needs `export NAME='…'`");
    }
    if [&b":="[..], b"?=", b"::="]
        .iter()
        .any(|operator| spaced.starts_with(operator))
    {
        return Some("this is make's syntax; a shell needs `export NAME='…'`");
    }
    if after.starts_with(b":") {
        return Some("a colon stands where a shell needs `=`");
    }
    if value.is_none() && spaced.starts_with(b"=") {
        return Some("a space stands before `=`; a shell takes none around it");
    }
    None
}

/// A name that is given no value.
fn without_value(word: &[u8], after: &[u8]) -> Option<&'static str> {
    if word.is_empty() && after.is_empty() {
        return Some("the name stands alone, without a value");
    }
    if word == b"export" && trim_end(after).is_empty() {
        return Some("it is exported, but never given a value");
    }
    None
}

/// What goes wrong after `NAME=`.
fn cut_value(value: &[u8]) -> Option<&'static str> {
    if [
        &b"\xe2\x80\x9c"[..],
        b"\xe2\x80\x9d",
        b"\xe2\x80\x98",
        b"\xe2\x80\x99",
    ]
    .iter()
    .any(|quote| value.starts_with(quote))
    {
        return Some("the value stands in typographic quotes, which don't quote; use ' or \"");
    }
    if value.starts_with(b"<") {
        return Some(PLACEHOLDER);
    }
    if value
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        return Some("a space stands after `=`; a shell takes none around it");
    }
    let unquoted = !value
        .iter()
        .any(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
    let has = |wanted: &[u8]| value.iter().any(|byte| wanted.contains(byte));
    if unquoted && has(b" \t") {
        return Some(
            "the value has an unquoted space: a shell takes what follows for a command, and the value for it alone",
        );
    }
    if unquoted && has(b"&|;()") {
        return Some("the value has an unquoted operator, where a shell ends it");
    }
    None
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &text[blanks..]
}

fn trim_end(text: &[u8]) -> &[u8] {
    let blanks = text
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &text[..text.len() - blanks]
}
