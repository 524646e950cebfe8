//! Files that `EnvironmentFile=` names, in systemd's own dialect (systemd.exec(5)).
//!
//! The reader follows `parse_env_file_internal` of systemd 252 (src/basic/env-file.c), and what it leaves
//! out follows `strv_env_clean` (src/basic/env-util.c): that knows no `export`, and takes only values of
//! UTF-8 without control characters other than tab and newline.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Why a variable can't stand in such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its name.
    Name,
    /// There is a control character in its value.
    Control,
    /// Its value isn't UTF-8.
    Utf8,
}

impl Unfit {
    /// For people, after the variable's name.
    pub fn why(self) -> &'static str {
        match self {
            Self::Name => "is no name of a variable to systemd",
            Self::Control => "has a control character in its value, which systemd drops",
            Self::Utf8 => "has a value that isn't UTF-8, which systemd drops",
        }
    }
}

/// Whether systemd would take a variable.
pub fn fits(name: &[u8], value: &[u8]) -> Result<(), Unfit> {
    let starts = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    if !starts || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err(Unfit::Name);
    }
    if value.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n')) {
        return Err(Unfit::Control);
    }
    std::str::from_utf8(value).map(|_| ()).map_err(|_| Unfit::Utf8)
}

/// Writes variables that fit, each in double quotes: so that every version of systemd reads the same.
pub fn render<'a>(head: &str, variables: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Secret {
    let size: usize = variables.clone().map(|(name, value)| name.len() + 2 * value.len() + 4).sum();
    // Never grown, so that no freed half of it stays behind in memory.
    let mut bytes = Vec::with_capacity(head.len() + size);
    bytes.extend_from_slice(head.as_bytes());
    for (name, value) in variables {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b"=\"");
        for byte in value {
            // SHELL_NEED_ESCAPE: before any other byte a backslash stays.
            if b"\"\\`$".contains(byte) {
                bytes.push(b'\\');
            }
            bytes.push(*byte);
        }
        bytes.extend_from_slice(b"\"\n");
    }
    Secret::new(bytes)
}

/// Reads a file's variables as systemd does, in its order; those that systemd drops are left out.
pub fn parse(bytes: &[u8]) -> Vec<(Vec<u8>, Secret)> {
    let mut reader = Reader { rest: bytes, found: Vec::new() };
    while !reader.rest.is_empty() {
        reader.line();
    }
    reader.found
}

struct Reader<'a> {
    rest: &'a [u8],
    found: Vec<(Vec<u8>, Secret)>,
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// One logical line: blank, a comment, or an assignment.
    fn line(&mut self) {
        let mut name = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'#' | b';' if name.is_empty() => return self.comment(),
                b'=' if !name.is_empty() => {
                    let value = self.value();
                    name.truncate(name.trim_ascii_end().len());
                    if fits(&name, &value).is_ok() {
                        self.found.push((name, Secret::copy(&value)));
                    }
                    return;
                }
                byte if is_newline(byte) => return,
                b' ' | b'\t' if name.is_empty() => {}
                byte => name.push(byte),
            }
        }
    }

    fn comment(&mut self) {
        while let Some(byte) = self.next() {
            match byte {
                // The next line is one as well.
                b'\\' => drop(self.next()),
                byte if is_newline(byte) => return,
                _ => {}
            }
        }
    }

    fn value(&mut self) -> Zeroizing<Vec<u8>> {
        let mut value = Zeroizing::new(Vec::with_capacity(self.rest.len()));
        // Where the blanks begin that go if nothing follows them.
        let mut end = 0;
        let mut unquoted = false;
        while let Some(byte) = self.next() {
            match byte {
                byte if is_newline(byte) => break,
                b'\'' if !unquoted => self.quoted(b'\'', &mut value),
                b'"' if !unquoted => self.quoted(b'"', &mut value),
                b'\\' => {
                    unquoted = true;
                    if let Some(next) = self.next().filter(|next| !is_newline(*next)) {
                        value.push(next);
                    }
                }
                b' ' | b'\t' if !unquoted => continue,
                b' ' | b'\t' => {
                    value.push(byte);
                    continue;
                }
                byte => {
                    unquoted = true;
                    value.push(byte);
                }
            }
            end = value.len();
        }
        value.truncate(end);
        value
    }

    fn quoted(&mut self, quote: u8, value: &mut Vec<u8>) {
        while let Some(byte) = self.next() {
            match byte {
                byte if byte == quote => return,
                b'\\' if quote == b'"' => match self.next() {
                    Some(b'\n') | None => {}
                    Some(next) if b"\"\\`$".contains(&next) => value.push(next),
                    Some(next) => value.extend([b'\\', next]),
                },
                byte => value.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        parse(text.as_bytes()).iter().map(|(name, value)| (text_of(name), text_of(value.expose()))).collect()
    }

    #[test]
    fn reads_as_systemd_does() {
        for (text, name, value) in [
            ("K=v", "K", "v"),
            ("  K =  v w \n", "K", "v w"),
            ("K=\"a\\\"b\\$c\\d\\\ne\"\n", "K", "a\"b$c\\de"),
            ("K='a\\b\nc'\n", "K", "a\\b\nc"),
            ("K=\"a\" 'b' c\"d\"\n", "K", "abc\"d\""),
            ("K=a\\\nb\\ \n", "K", "ab "),
            ("# c \\\nX=1\nK=v", "K", "v"),
            ("; c\nK=", "K", ""),
            ("export X=1\r\nK=v\r\n", "K", "v"),
            ("K=a#b", "K", "a#b"),
        ] {
            assert_eq!(read(text), [(name.to_owned(), value.to_owned())], "{text:?}");
        }
        for text in ["export K=v", "K", "=v", "1K=v", "K=a\u{1b}b", "K-L=v"] {
            assert_eq!(read(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_systemd_drops_is_known_beforehand() {
        assert_eq!(fits(b"K", b"a\t\nb"), Ok(()));
        assert_eq!(fits(b"K", b"a\r"), Err(Unfit::Control));
        assert_eq!(fits(b"K", b"\x7f"), Err(Unfit::Control));
        assert_eq!(fits(b"K", b"\xff"), Err(Unfit::Utf8));
        assert_eq!(fits(b"K.L", b""), Err(Unfit::Name));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec("[ -~\t\n\u{e0}-\u{ff}]{0,12}", 0..4)) {
            let variables: Vec<(Vec<u8>, Vec<u8>)> =
                values.iter().enumerate().map(|(index, value)| (format!("K{index}").into_bytes(), value.clone().into_bytes())).collect();
            let written = render("# head\n", variables.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
            let found: Vec<_> = parse(written.expose()).into_iter().map(|(name, value)| (name, value.expose().to_vec())).collect();
            prop_assert_eq!(found, variables);
        }
    }
}
