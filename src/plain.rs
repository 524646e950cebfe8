//! What may not be shown as it is: names and messages come from files and programs that anybody may have written.

/// Whether a character steers what shows it, rather than being shown: control characters (C0, DEL and C1, of which some terminals
/// take U+009B for the beginning of an escape sequence, ECMA-48), separators of lines and paragraphs, and those that turn the
/// direction of writing (Unicode's bidirectional formatting characters, UAX #9).
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_known() {
        for c in "\0\u{7}\u{8}\n\u{1b}\u{7f}\u{85}\u{90}\u{9b}\u{9d}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}"
            .chars()
        {
            assert!(steers(c), "{c:?}");
        }
        assert!(!"schlüssel 鍵 🔑 ~/a-b_c.env → …\u{a0}".chars().any(steers));
    }
}
