//! Makes text fit to be shown: the names in it come from files that anybody may have written.

use crate::plain::steers;

/// More than any server shows.
const LIMIT: usize = 1_000;

/// One line of plain text.
pub(super) fn line(text: &str) -> String {
    clean(text, |_| false)
}

/// Several lines of plain text.
pub(super) fn lines(text: &str) -> String {
    clean(text, |c| c == '\n')
}

/// As markup that shows exactly `text`.
///
/// Servers read the body as markup (never the summary):
/// <https://specifications.freedesktop.org/notification-spec/latest/markup.html>
#[cfg(not(target_os = "macos"))]
pub(super) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in lines(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

fn clean(text: &str, keep: impl Fn(char) -> bool) -> String {
    text.chars()
        .filter_map(|c| match c {
            c if keep(c) => Some(c),
            // White space that would break the line.
            '\t' | '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
            // NUL among them: it makes the bus drop the connection.
            c if steers(c) => None,
            c => Some(c),
        })
        .take(LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn markup_is_shown_as_written() {
        assert_eq!(markup("a < b && c > \"d\""), "a &lt; b &amp;&amp; c &gt; \"d\"");
        assert_eq!(markup("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn nothing_hides_in_a_line() {
        assert_eq!(line("a\0b\u{1b}[31mc\nd\te"), "ab[31mc d e");
        assert_eq!(line("key\u{202e}gpj\u{2066}x\u{200f}"), "keygpjx");
        assert_eq!(line("schlüssel 鍵 🔑"), "schlüssel 鍵 🔑");
        assert_eq!(line("a & b"), "a & b");
    }

    #[test]
    fn text_is_bounded() {
        assert_eq!(lines(&"ä".repeat(5_000)).chars().count(), LIMIT);
    }
}
