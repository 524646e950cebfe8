//! Which lines may go because a later assignment overrides theirs.
//!
//! A line goes where it is nothing but `NAME=word` or `export NAME=word`, where nothing between it and the assignment
//! that counts could make use of its value (there are only such lines, comments and blank ones, whose values need no
//! running), and where the reader finds every variable as before without it. A comment after the assignment stays, as a
//! line of its own: it is the user's, and may be about more than the value.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::quote::joined;
use crate::envfile::{Answer, read};

/// The file without the dead assignments of `variable`, and their lines; `None` where there are none to remove.
pub(super) fn without(bytes: &[u8], variable: &str, home: &Path) -> Option<(Zeroizing<Vec<u8>>, Vec<usize>)> {
    let home = home.as_os_str().as_bytes();
    let reading = read(bytes, home);
    let Answer::Static { value, line: last, span: Some(_), .. } = reading.variable(variable) else {
        return None;
    };
    drop(Zeroizing::new(value));
    if reading.defect().is_some() {
        return None;
    }
    let candidates = candidates(bytes, variable, home, &reading.assignments(variable), last);
    let proven = |gone: &[Gone]| {
        let contents = cut(bytes, gone);
        let after = read(&contents, home);
        let same = reading.differences(&after).is_empty() && after.defect().is_none() && after.style() == reading.style();
        same.then_some(contents)
    };
    // All at once, and where one of them has to stay, each on top of those that may go.
    let mut gone = candidates.clone();
    let mut best = proven(&gone);
    if best.is_none() {
        gone.clear();
        for candidate in candidates.into_iter().take(MOST_TRIED) {
            gone.push(candidate);
            match proven(&gone) {
                Some(contents) => best = Some(contents),
                None => {
                    gone.pop();
                }
            }
        }
    }
    best.filter(|_| !gone.is_empty()).map(|contents| (contents, gone.iter().rev().map(|(line, _)| *line).collect()))
}

/// A line, from 1, and its bytes that are to go.
type Gone = (usize, Range<usize>);

/// So many lines are tried one by one: each costs a look at the whole file.
const MOST_TRIED: usize = 100;

/// The lines that could go by what is on them and after them; the last first.
fn candidates(bytes: &[u8], variable: &str, home: &[u8], assignments: &[usize], last: usize) -> Vec<Gone> {
    let lines = lines(bytes);
    let text = |line: usize| lines.get(line - 1).and_then(|range| bytes.get(range.clone())).unwrap_or_default();
    let mut found = Vec::new();
    for line in (1..last).rev() {
        let continued = line > 1 && text(line - 1).ends_with(b"\\\n");
        let dead = assignments.contains(&line) && !continued;
        if let (true, Some(end), Some(whole)) = (dead, simple(text(line), Some(variable), home), lines.get(line - 1)) {
            // Up to the comment, if there is one.
            let rest = text(line).get(end..).unwrap_or_default();
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let stop = if rest.get(blanks) == Some(&b'#') { whole.start + end + blanks } else { whole.end };
            found.push((line, whole.start..stop));
        } else if !is_inert(text(line), home) {
            break;
        }
    }
    found
}

/// `bytes` without the ranges, of which later ones come first.
fn cut(bytes: &[u8], gone: &[Gone]) -> Zeroizing<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut from = 0;
    for (_, range) in gone.iter().rev() {
        kept.push(bytes.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    kept.push(bytes.get(from..).unwrap_or_default());
    joined(&kept)
}

/// Where each line is, with its newline.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        })
        .collect()
}

/// Whether a line does nothing but to assign a value, if that.
fn is_inert(line: &[u8], home: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    text.is_empty() || text.starts_with(b"#") || simple(line, None, home).is_some()
}

/// Where the value of a line's only assignment ends, if the line is nothing but that assignment, which needs no
/// running.
fn simple(line: &[u8], variable: Option<&str>, home: &[u8]) -> Option<usize> {
    let text = line.trim_ascii_start();
    let text = match text.strip_prefix(b"export") {
        Some(after) if after.starts_with(b" ") || after.starts_with(b"\t") => after.trim_ascii_start(),
        _ => text,
    };
    let name = text.split(|byte| *byte == b'=').next()?;
    let name = std::str::from_utf8(name).ok().filter(|name| variable.is_none_or(|variable| variable == *name))?;
    let reading = read(line, home);
    if reading.defect().is_some() || reading.names() != [name] {
        return None;
    }
    let word = text.get(name.len() + 1..)?;
    let end = match reading.variable(name) {
        Answer::Static { value, span, .. } => {
            drop(Zeroizing::new(value));
            let span = span.filter(|span| span.start == line.len() - word.len())?;
            span.end
        }
        // It takes values that the file knows, or that are inherited; nothing is run. Not for one that is to go.
        Answer::Inherited { .. } if variable.is_none() => return Some(line.len()),
        _ => return None,
    };
    let rest = line.get(end..)?;
    let rest = rest.trim_ascii();
    (rest.is_empty() || rest.starts_with(b"#")).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, lines: &[usize], left: &str) {
        let found = without(source.as_bytes(), "KEY", Path::new("/home/u"));
        let (contents, gone) = found.map_or((source.as_bytes().to_vec(), Vec::new()), |(contents, gone)| (contents.to_vec(), gone));
        assert_eq!((String::from_utf8_lossy(&contents).as_ref(), &gone[..]), (left, lines), "{source}");
    }

    #[test]
    fn only_lines_that_nothing_depends_on_go() {
        check("KEY=a\nexport KEY=b\n", &[1], "export KEY=b\n");
        check("export KEY=a\nB=1\n  export KEY='b' # old\n# x\n\nKEY=c", &[3], "export KEY=a\nB=1\n# old\n# x\n\nKEY=c");
        check("export KEY=a\nB=1\nexport KEY='b'   # old\nexport KEY=c", &[1, 3], "B=1\n# old\nexport KEY=c");
        check("export KEY=a\r\nexport KEY=b\r\n", &[1], "export KEY=b\r\n");
        check("export KEY=a\nB=$KEY\nexport KEY=b\n", &[], "export KEY=a\nB=$KEY\nexport KEY=b\n");
        check("export KEY=a\nB=$(echo $KEY)\nexport KEY=b\n", &[], "export KEY=a\nB=$(echo $KEY)\nexport KEY=b\n");
        check("export KEY=a\ncurl x\nexport KEY=b\n", &[], "export KEY=a\ncurl x\nexport KEY=b\n");
        check("export KEY=a; export KEY=b\n", &[], "export KEY=a; export KEY=b\n");
        check("export KEY=a C=1\nexport KEY=b\n", &[], "export KEY=a C=1\nexport KEY=b\n");
        check("true \\\nKEY=a\nexport KEY=b\n", &[], "true \\\nKEY=a\nexport KEY=b\n");
        check("export KEY=a\nKEY=b\n", &[], "export KEY=a\nKEY=b\n");
        check("export KEY=a\nPATH=$PATH:/x\nexport KEY=b\n", &[1], "PATH=$PATH:/x\nexport KEY=b\n");
        check("KEY='a\nb'\nKEY=c\n", &[], "KEY='a\nb'\nKEY=c\n");
        check("KEY=a\nKEY+=b\n", &[], "KEY=a\nKEY+=b\n");
        check("KEY=a\nKEY=$KEY\n", &[], "KEY=a\nKEY=$KEY\n");
        check("KEY=a\n", &[], "KEY=a\n");
    }
}
