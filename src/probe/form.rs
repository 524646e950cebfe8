//! What no key looks like: known without asking anybody.

use std::fmt;

/// Something in a value that no issuer accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Empty,
    WhiteSpaceAtStart,
    WhiteSpaceAtEnd,
    WhiteSpaceInside,
    ControlCharacter,
    NotAscii,
}

/// The first flaw of a key's value. One without any is printable ASCII from end to end, as a bearer
/// token is (RFC 6750, section 2.1, allows even less).
pub(super) fn flaw(value: &[u8]) -> Option<Flaw> {
    let (Some(first), Some(last)) = (value.first(), value.last()) else {
        return Some(Flaw::Empty);
    };
    let checks = [
        (first.is_ascii_whitespace(), Flaw::WhiteSpaceAtStart),
        (last.is_ascii_whitespace(), Flaw::WhiteSpaceAtEnd),
        (value.iter().any(u8::is_ascii_control), Flaw::ControlCharacter),
        (!value.is_ascii(), Flaw::NotAscii),
        (value.contains(&b' '), Flaw::WhiteSpaceInside),
    ];
    checks.into_iter().find_map(|(is_so, flaw)| is_so.then_some(flaw))
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty => "it is empty",
            Self::WhiteSpaceAtStart => "it has white space at its start",
            Self::WhiteSpaceAtEnd => "it has white space (a space, or the carriage return of a DOS file) at its end",
            Self::WhiteSpaceInside => "it has a space in it",
            Self::ControlCharacter => "it has a control character in it",
            Self::NotAscii => "it has a character that no key has in it (a typographic quote or a non-breaking space)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_found_and_keys_have_none() {
        for (value, expected) in [
            (&b""[..], Some(Flaw::Empty)),
            (b" key", Some(Flaw::WhiteSpaceAtStart)),
            (b"\tkey", Some(Flaw::WhiteSpaceAtStart)),
            (b" ", Some(Flaw::WhiteSpaceAtStart)),
            (b"key ", Some(Flaw::WhiteSpaceAtEnd)),
            (b"key\r", Some(Flaw::WhiteSpaceAtEnd)),
            (b"key\n", Some(Flaw::WhiteSpaceAtEnd)),
            (b"k\ney", Some(Flaw::ControlCharacter)),
            (b"k\x7fey", Some(Flaw::ControlCharacter)),
            (b"\0", Some(Flaw::ControlCharacter)),
            ("\u{201c}key\u{201d}".as_bytes(), Some(Flaw::NotAscii)),
            (b"key\xa0", Some(Flaw::NotAscii)),
            (b"a key", Some(Flaw::WhiteSpaceInside)),
            (b"ABSKabc+/==", None),
            (b"bedrock-api-key-YWJj", None),
            (b"x", None),
        ] {
            assert_eq!(flaw(value), expected, "{value:?}");
        }
    }
}
