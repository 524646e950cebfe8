//! What in a text could be a key.

/// Shorter ones are words.
const SHORTEST: usize = 20;
/// A short-term key with the token of a session has some thousands of characters.
const LONGEST: usize = 8192;
/// Of one run of characters, as in `A=B=C`.
const MOST_PARTS: usize = 8;

/// Calls `each` with everything in a text that could be a key, and the line it is on, from 1. The same bytes may come
/// more than once.
pub fn candidates<'t>(text: &'t [u8], each: &mut dyn FnMut(usize, &'t [u8])) {
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let mut told = |part: &'t [u8]| {
            if (SHORTEST..=LONGEST).contains(&part.len()) {
                each(number + 1, part);
            }
        };
        if line.len() < SHORTEST {
            continue;
        }
        for run in line.split(|byte| !is_of_a_key(*byte)) {
            parts(run, &mut told);
        }
        quoted(line, &mut told);
    }
}

/// Letters and what encodings and makers of keys add to them.
fn is_of_a_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-.:~%".contains(&byte)
}

/// A run of characters, and what stands behind each `=` and `:` of it: which of them assign can't be told.
fn parts<'t>(run: &'t [u8], told: &mut dyn FnMut(&'t [u8])) {
    if run.len() > LONGEST {
        return;
    }
    let behind = run.iter().enumerate().filter(|(_, byte)| b"=:".contains(byte)).map(|(at, _)| at + 1);
    for from in std::iter::once(0).chain(behind.take(MOST_PARTS)) {
        let part = &run[from..];
        told(part);
        // The end of a sentence.
        let bare = part.trim_ascii_end().strip_suffix(b".").or_else(|| part.strip_suffix(b":"));
        if let Some(bare) = bare {
            told(bare);
        }
    }
}

/// What stands between quotes, or behind the first `=` of the line: a value with characters that keys of the usual
/// makers don't have.
fn quoted<'t>(line: &'t [u8], told: &mut dyn FnMut(&'t [u8])) {
    let mut odd = |part: &'t [u8]| {
        if !part.iter().all(|byte| is_of_a_key(*byte)) {
            told(part);
        }
    };
    for quote in [b'\'', b'"'] {
        for inside in line.split(|byte| *byte == quote).skip(1).step_by(2) {
            odd(inside);
        }
    }
    if let Some(at) = line.iter().position(|byte| *byte == b'=') {
        odd(line[at + 1..].trim_ascii());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ABSK-planted-001:/+0123456789==";

    fn lines_with(text: &str, key: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        candidates(text.as_bytes(), &mut |line, part| {
            if part == key.as_bytes() && lines.last() != Some(&line) {
                lines.push(line);
            }
        });
        lines
    }

    #[test]
    fn a_key_is_found_however_it_is_written() {
        for written in [
            "export K='@'",
            "K=@",
            "K=@ # mine",
            "K=\"@\"\r",
            "# old: @",
            "#@",
            "export K=@; echo",
            "api_key: @",
            "{\"K\":\"@\"}",
            "  set -gx K @",
            "SETUVAR --export K:@",
            "Authorization: Bearer @",
            "curl https://user:@@host/",
            "(@)",
            "it was @.",
            "K = `@`",
            "a=b=c=@",
        ] {
            let text = format!("first\n{}\nlast", written.replacen('@', KEY, 1));
            assert_eq!(lines_with(&text, KEY), [2], "{written}");
        }
    }

    #[test]
    fn an_odd_key_is_found_between_quotes_or_alone() {
        let odd = "pass word! with $igns & more";
        for written in ["K='@'", "K=\"@\" # mine", "K=@"] {
            assert_eq!(lines_with(&written.replace('@', odd), odd), [1], "{written}");
        }
    }

    #[test]
    fn short_words_and_parts_of_longer_ones_are_none() {
        assert_eq!(lines_with("K=short", "short"), [0; 0]);
        assert_eq!(lines_with(&format!("K={KEY}more"), KEY), [0; 0]);
        assert_eq!(lines_with(&format!("more{KEY}"), KEY), [0; 0]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_out_of_bounds(text: Vec<u8>) {
            candidates(&text, &mut |line, part| {
                assert!(line >= 1 && (SHORTEST..=LONGEST).contains(&part.len()));
            });
        }
    }
}
