//! Writing a value so that bash and zsh read exactly it.

use zeroize::Zeroizing;

/// A word to stand after `NAME=`; wiped when dropped.
pub(super) type Word = Zeroizing<Vec<u8>>;

/// `value` in the manner of the word `old` where that can hold it, else in single quotes.
///
/// Double quotes keep what no reader of env files takes for more than itself; there are too many ways to read a
/// backslash between them. Nothing is ever escaped but `'`, as `'\''`.
pub(super) fn like(old: &[u8], value: &[u8]) -> Word {
    let old = old.strip_suffix(b"\r").unwrap_or(old);
    let within = |from: usize| old.get(from..old.len().saturating_sub(1)).unwrap_or_default();
    let ends = |quote: u8, from: usize| old.len() > from && old.last() == Some(&quote);
    let double = old.first() == Some(&b'"') && ends(b'"', 1) && !escapes_or(within(1), b'"');
    let ansi = old.starts_with(b"$'") && ends(b'\'', 2);
    if double && !value.iter().any(|byte| b"\"$`\\!".contains(byte)) {
        return joined(&[b"\"", value, b"\""]);
    }
    if ansi && !value.iter().any(|byte| b"'\\".contains(byte)) {
        return joined(&[b"$'", value, b"'"]);
    }
    if !old.is_empty() && !old.iter().any(|byte| b"'\"\\$`".contains(byte)) && is_bare(value) {
        return joined(&[value]);
    }
    single(value)
}

/// `value` without quotes where that can hold it, else in single quotes: what docker and systemd read alike.
pub(super) fn plain(value: &[u8]) -> Word {
    if is_bare(value) { joined(&[value]) } else { single(value) }
}

/// `value` in single quotes.
pub(super) fn single(value: &[u8]) -> Word {
    let mut parts: Vec<&[u8]> = vec![b"'"];
    for (index, part) in value.split(|byte| *byte == b'\'').enumerate() {
        if index > 0 {
            parts.push(b"'\\''");
        }
        parts.push(part);
    }
    parts.push(b"'");
    joined(&parts)
}

/// Parts put together in one allocation: a buffer that grows leaves copies behind.
pub(super) fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut all = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        all.extend_from_slice(part);
    }
    all
}

/// Whether there is a quote in `text` that ends the word's, so that it is put together of several.
fn escapes_or(text: &[u8], quote: u8) -> bool {
    let mut escaped = false;
    text.iter().any(|byte| {
        let ends = !escaped && *byte == quote;
        escaped = !escaped && *byte == b'\\';
        ends
    })
}

/// Whether no shell takes any of it for more than itself without quotes.
fn is_bare(value: &[u8]) -> bool {
    // zsh has a meaning for `=` at the start of a word and after a colon.
    let equals = value.starts_with(b"=") || value.windows(2).any(|pair| pair == b":=");
    !value.is_empty() && !equals && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-+/.,:%@=".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manner_is_kept_where_it_can_hold_the_value() {
        for (old, value, word) in [
            ("'a'", "b", "'b'"),
            ("'a'", "it's", "'it'\\''s'"),
            ("'a'\r", "b", "'b'"),
            ("\"a\"", "b", "\"b\""),
            ("\"a\\\"c\"", "b", "\"b\""),
            ("\"a\"", "it's", "\"it's\""),
            ("\"a\"", "b$c", "'b$c'"),
            ("\"a\"", "b!c", "'b!c'"),
            ("\"a\"\"c\"", "b", "'b'"),
            ("\"", "b", "'b'"),
            ("a", "b+/=", "b+/="),
            ("a", "=b", "'=b'"),
            ("a", "b:=c", "'b:=c'"),
            ("a", "~b", "'~b'"),
            ("a", "b c", "'b c'"),
            ("a\r", "b", "b"),
            ("a\\ c", "b", "'b'"),
            ("a'c'", "b", "'b'"),
            ("$'a'", "b", "$'b'"),
            ("$'a'", "b\\", "'b\\'"),
            ("", "b", "'b'"),
            ("\r", "b", "'b'"),
        ] {
            assert_eq!(String::from_utf8_lossy(&like(old.as_bytes(), value.as_bytes())), word, "{old} {value}");
        }
    }
}
