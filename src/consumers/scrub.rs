//! What a program said, fit to be shown: without secrets and without control of a terminal.

use zeroize::Zeroizing;

use super::apply::Attempt;
use super::environment::Environ;
use crate::core::order;

/// Shorter values aren't secrets, and to look for them would leave nothing of any text.
const SHORTEST: usize = 6;
/// What stands for a secret.
const INSTEAD: &str = "[redacted]";
/// How keys begin: Bedrock's long-term and short-term ones, and LiteLLM's own.
const BEGINNINGS: [&str; 3] = ["ABSK", "bedrock-api-key-", "sk-"];
/// At most so much is shown, from the end.
const SHOWN: usize = 400;

/// Values that must not be seen.
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// What an attempt's env files export, and the keys and the master key in environments.
    pub(super) fn of<'e>(attempt: &Attempt<'_>, environs: impl IntoIterator<Item = &'e Environ>) -> Self {
        let order = attempt.order;
        let names = order.keys.iter().map(|key| &key.variable).chain(&order.withheld).chain([&order.consumer.master_key_variable]);
        let names: Vec<&String> = names.collect();
        let mut values: Vec<&[u8]> = attempt.changes.assignments().map(|(_, value)| value).collect();
        for environ in environs {
            values.extend(names.iter().filter_map(|name| environ.get(name.as_bytes())));
        }
        Self::new(values)
    }

    fn new(values: Vec<&[u8]>) -> Self {
        let mut values: Vec<_> =
            values.into_iter().filter(|value| value.len() >= SHORTEST).map(|value| Zeroizing::new(value.to_vec())).collect();
        // One that is a part of another would leave the rest of that.
        order::sort_by_key(&mut values, |value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// The end of a program's output as one line; empty where it said nothing. `is_cut` says that its
    /// beginning is missing: half a secret may stand there.
    pub(super) fn scrub(&self, output: &[u8], is_cut: bool) -> String {
        let whole = match output.iter().position(|byte| *byte == b'\n') {
            Some(end) if is_cut => &output[end..],
            None if is_cut => &[],
            _ => output,
        };
        // Before what may stand inside a value is taken out, and after.
        let plain = without_control(&self.without_values(whole));
        let text = without_keys(&String::from_utf8_lossy(&self.without_values(&plain)));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        end_of(&lines.join(" / "))
    }

    fn without_values(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut clean = Zeroizing::new(Vec::with_capacity(text.len() * 2));
        let mut rest = text;
        while let Some((first, others)) = rest.split_first() {
            match self.0.iter().find(|value| rest.starts_with(value)) {
                Some(value) => {
                    clean.extend_from_slice(INSTEAD.as_bytes());
                    rest = &rest[value.len()..];
                }
                None => {
                    clean.push(*first);
                    rest = others;
                }
            }
        }
        clean
    }
}

/// Without terminal escapes (ECMA-48) and other control characters but the newline.
fn without_control(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            0x1b => match bytes.next() {
                // A control sequence goes on to its final byte …
                Some(b'[') => drop(bytes.find(|byte| (0x40..=0x7e).contains(byte))),
                // … and a string (a title, a link) to its terminator.
                Some(b']' | b'P' | b'X' | b'^' | b'_') => {
                    let end = bytes.find(|byte| matches!(byte, 0x07 | 0x1b));
                    let _ = end.filter(|byte| *byte == 0x1b).and_then(|_| bytes.next_if_eq(&b'\\'));
                }
                _ => {}
            },
            // A progress bar writes its line again and again.
            b'\n' | b'\r' => clean.push(b'\n'),
            b'\t' => clean.push(b' '),
            byte if byte.is_ascii_control() => {}
            byte => clean.push(byte),
        }
    }
    clean
}

/// Without what looks like a key, be it one that we know or not.
fn without_keys(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=_-.%".contains(c);
    let mut clean = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let starts = !before.is_alphanumeric() && BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning));
        let length = if starts { rest.find(|c| !is_part(c)).unwrap_or(rest.len()) } else { 0 };
        if length > 0 {
            clean.push_str(INSTEAD);
            rest = &rest[length..];
            before = 'x';
        } else {
            // Direction marks and the like turn a line around; nothing of ours needs them.
            if !matches!(first, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{80}'..='\u{9f}') {
                clean.push(first);
            }
            before = first;
            rest = &rest[first.len_utf8()..];
        }
    }
    clean
}

fn end_of(line: &str) -> String {
    let from = line.char_indices().rev().nth(SHOWN - 1).map_or(0, |(at, _)| at);
    if from == 0 { line.to_owned() } else { format!("…{}", &line[from..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &[u8]) -> String {
        Secrets::new(vec![b"hunter22", b"hunter22-longer", b"two\nlines", b"short"]).scrub(text, false)
    }

    #[test]
    fn no_secret_is_left() {
        for (text, shown) in [
            (&b"key: hunter22-longer."[..], "key: [redacted]."),
            (b"hunter22hunter22", "[redacted][redacted]"),
            (b"a two\nlines b", "a [redacted] b"),
            (b"hunt\x1b[1mer22", "[redacted]"),
            (b"ABSKabc+/== bedrock-api-key-xyz. (sk-1234)", "[redacted] [redacted] ([redacted])"),
            (b"task-force short", "task-force short"),
        ] {
            assert_eq!(scrub(text), shown, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(Secrets::new(Vec::new()).scrub(b"half-a-secret\nwhole", true), "whole");
        assert_eq!(Secrets::new(Vec::new()).scrub(b"half-a-secret", true), "");
    }

    #[test]
    fn a_terminal_is_not_to_be_ruled() {
        assert_eq!(scrub(b"\x1b[31mred\x1b[0m \x1b]0;title\x07a\x08\x00\r\n50%\r100%\n\n"), "red a / 50% / 100%");
        assert_eq!(scrub(b"\x1b]8;;x\x1b\\link\xff \xe2\x80\xaeback"), "link\u{fffd} back");
        assert_eq!(scrub(b"\x1b[31"), "");
    }

    #[test]
    fn the_end_is_shown() {
        let shown = scrub("é".repeat(1000).as_bytes());
        assert_eq!(shown.chars().count(), SHOWN + 1);
        assert!(shown.starts_with('…'));
    }
}
