//! Which files can be run without doing anything: told apart here, on its own, so that no fault of the reader's has
//! a shell run what a fuzzer came upon.

/// The names that such a file may assign: none means anything to a shell, to `env` or to the linker.
pub const NAMES: [&str; 6] = ["KEY", "A", "B", "FOO", "K", "AWS_BEARER_TOKEN_BEDROCK"];

/// Whether `file` is nothing but comments and lines of `NAME=word` or `export NAME=word`, where the words have quotes,
/// backslashes and `$NAME`s at most.
pub fn is_harmless(file: &[u8]) -> bool {
    let mut rest = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    while !rest.is_empty() {
        let Some(after) = line(rest) else { return false };
        rest = after;
    }
    true
}

/// What follows the first line.
fn line(text: &[u8]) -> Option<&[u8]> {
    let text = blanks(text);
    if let Some(after) = end(text) {
        return Some(after);
    }
    let text = match text.strip_prefix(b"export") {
        Some(after) if after.starts_with(b" ") || after.starts_with(b"\t") => blanks(after),
        _ => text,
    };
    let length = text.iter().position(|byte| *byte == b'=')?;
    let (name, text) = text.split_at(length);
    NAMES.iter().find(|known| known.as_bytes() == name)?;
    end_after_blanks(word(text.get(1..)?)?)
}

fn blanks(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[count..]
}

/// What follows the end of a line, if it ends here, or with a comment.
fn end(text: &[u8]) -> Option<&[u8]> {
    match text.first() {
        None => Some(text),
        Some(b'\n') => text.get(1..),
        // Past the newline, which doesn't start a line of its own.
        Some(b'#') => Some(text.iter().position(|byte| *byte == b'\n').map_or(&[], |at| &text[at + 1..])),
        Some(_) => None,
    }
}

fn end_after_blanks(text: &[u8]) -> Option<&[u8]> {
    let after = blanks(text);
    // A `#` that is part of the word never gets here.
    end(after)
}

/// What follows a word. Nothing in one expands but `$NAME` and `${NAME}`.
fn word(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match *text.first().unwrap_or(&b'\n') {
            b'\n' | b' ' | b'\t' => return Some(text),
            b'\'' => single(text.get(1..)?)?,
            b'"' => double(text.get(1..)?)?,
            b'\\' if text.get(1).is_some_and(|byte| *byte != 0) => text.get(2..)?,
            b'$' => dollar(text.get(1..)?, false)?,
            byte if byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_-+/.,:%@=#^~".contains(&byte) => text.get(1..)?,
            _ => return None,
        }
    }
}

fn single(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| *byte == b'\'')?;
    text.get(end + 1..).filter(|_| !text[..end].contains(&0))
}

fn double(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match *text.first()? {
            b'"' => return text.get(1..),
            b'`' | 0 => return None,
            b'\\' if text.get(1).is_some_and(|byte| *byte != 0) => text.get(2..)?,
            b'$' => dollar(text.get(1..)?, true)?,
            _ => text.get(1..)?,
        }
    }
}

/// What follows the `$` of a variable, or of a `$'…'`.
fn dollar(text: &[u8], quoted: bool) -> Option<&[u8]> {
    if !quoted && let Some(inner) = text.strip_prefix(b"'") {
        return ansi(inner);
    }
    let name = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let (named, after) = match text.strip_prefix(b"{") {
        Some(inner) => {
            let (named, after) = inner.split_at(name(inner));
            (named, after.strip_prefix(b"}")?)
        }
        None => text.split_at(name(text)),
    };
    NAMES.iter().find(|known| known.as_bytes() == named)?;
    // A subscript would be arithmetic, which can run commands; zsh has modifiers after a colon.
    (!after.starts_with(b"[") && !after.starts_with(b":")).then_some(after)
}

fn ansi(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match *text.first()? {
            b'\'' => return text.get(1..),
            0 => return None,
            b'\\' if text.get(1).is_some_and(|byte| *byte != 0) => text.get(2..)?,
            _ => text.get(1..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_harmless;

    #[test]
    fn only_assignments_are_harmless() {
        for file in
            ["", "# c\n", "KEY=a", "export KEY='a b' # c\n\nA=\"$KEY-${B}\"\n", "KEY=a\\ b", "KEY=$'a\\n'\n", "KEY=~/x\n", "KEY='$(x)'"]
        {
            assert!(is_harmless(file.as_bytes()), "{file}");
        }
        for file in [
            "KEY=a x",
            "x",
            "KEY=$(x)",
            "KEY=\"$(x)\"",
            "KEY=`x`",
            "KEY=a;x",
            "KEY=a&x",
            "KEY=a|x",
            "KEY=>x",
            "PATH=x",
            "KEY=$A[B]",
            "KEY=\"$A[B]\"",
            "KEY=${A[B]}",
            "KEY='a",
            "KEY=(x)",
            "KEY='a'\nkill",
            "KEY=a export x",
            "export KEY",
            "export -x KEY=a",
            "KEY=\\\nx y",
            "KEY=$A:h",
            "KEY=\"${A:=x}\"",
            "KEY=$[1]",
            "KEY+=x",
            "KEY=a\rx y",
            "#\nx",
            "KEY=a #\nx",
        ] {
            assert!(!is_harmless(file.as_bytes()), "{file}");
        }
    }
}
