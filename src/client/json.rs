//! JSON for people and programs alike: laid out, and with everything that could steer a terminal escaped. A reader of JSON finds
//! the same text in it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::plain::steers;

/// What lays a document out.
pub type Serializer<W> = serde_json::Serializer<W, Shown>;

/// Writes a document to `out`.
pub fn serializer<W: Write>(out: W) -> Serializer<W> {
    serde_json::Serializer::with_formatter(out, Shown(PrettyFormatter::new()))
}

/// A document as text, with a newline.
pub fn text(document: &impl Serialize) -> serde_json::Result<String> {
    let mut out = Vec::new();
    document.serialize(&mut serializer(&mut out))?;
    out.push(b'\n');
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// A document as it came, on one line. What steers can only be within its texts, where it can be written in another way.
pub fn one_line(document: &str) -> String {
    use std::fmt::Write as _;

    let mut line = String::with_capacity(document.len() + 1);
    for c in document.chars() {
        if steers(c) {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// serde's own layout. JSON has to escape no more than what is below U+0020 (RFC 8259).
pub struct Shown(PrettyFormatter<'static>);

impl Formatter for Shown {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| steers(*c)) {
            // None is beyond U+FFFF.
            write!(out, "{}\\u{:04x}", &fragment[written..at], u32::from(c))?;
            written = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[written..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn is_laid_out_as_ever() {
        let document = json!({"a": [1, {"b": "schlüssel \"鍵\" \\ 🔑"}, []], "c": {}, "d": null});
        assert_eq!(text(&document).unwrap(), serde_json::to_string_pretty(&document).unwrap() + "\n");
    }

    #[test]
    fn what_steers_is_escaped_and_read_again() {
        let document = json!({"a\u{9b}2J": "x\u{1b}[31m\u{7f}y\u{202e}\u{2028}z\u{85}", "\u{9d}": ["\u{200f}"]});
        let text = text(&document).unwrap();
        assert!(!text.replace('\n', "").chars().any(steers), "{text:?}");
        assert!(text.contains("a\\u009b2J") && text.contains("\\u007fy\\u202e\\u2028z\\u0085"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
        let line = one_line(&document.to_string());
        assert!(!line.trim_end().chars().any(steers), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), document);
    }
}
