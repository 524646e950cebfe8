//! The in-place writer: the first line is the new value, the rest the env file. Whatever is written, the reader finds
//! the new value in it, and nothing else changed, neither a byte nor a variable; and so do shells.
#![no_main]

use std::path::Path;

use credd::envfile::{Answer, Reading, read};
use credd::rewrite::{How, Refusal, rewritten, without_dead};
use credd::secret::Secret;
use credd_fuzz::reader::is_telling;
use credd_fuzz::shells::{HOME, compare};

const VARIABLE: &str = "KEY";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (new, file) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &input[..0]),
    };
    replace(file, new);
    remove(file);
});

fn rewrite(file: &[u8], new: &[u8]) -> Result<(Vec<u8>, credd::rewrite::Replaced), Refusal> {
    let written = rewritten(Path::new("/f"), file, VARIABLE, &Secret::copy(new), Path::new(HOME));
    written.map(|(contents, replaced)| (contents.to_vec(), replaced))
}

fn replace(file: &[u8], new: &[u8]) {
    let before = read(file, HOME.as_bytes());
    let (contents, replaced) = match rewrite(file, new) {
        Ok(done) => done,
        Err(refusal) => return discreet(&refusal, &before, new),
    };
    let after = read(&contents, HOME.as_bytes());
    assert!(!new.is_empty() && !new.iter().any(u8::is_ascii_control), "such a value is refused");
    match after.variable(VARIABLE) {
        Answer::Static { value, line, .. } => {
            assert!(value == new, "the reader finds the new value");
            assert!(line == replaced.line, "where it is said to be");
        }
        _ => panic!("the new value isn't certain"),
    }
    assert!(after.defect().is_none() && after.style() == before.style());
    match replaced.how {
        How::Appended => {
            let appended = contents.strip_prefix(file).expect("what was there stays");
            let lines = appended.strip_prefix(b"\n").unwrap_or(appended);
            assert!(lines.ends_with(b"\n") && lines.iter().filter(|byte| **byte == b'\n').count() == 1, "one line");
        }
        How::Replaced => {
            let Answer::Static { span: Some(span), exported, .. } = before.variable(VARIABLE) else {
                panic!("replaced what isn't certain");
            };
            assert!(matches!(after.variable(VARIABLE), Answer::Static { exported: now, .. } if now == exported));
            assert!(contents.starts_with(&file[..span.start]), "all before it stays");
            assert!(contents.len() >= span.start + (file.len() - span.end) && contents.ends_with(&file[span.end..]), "all after it stays");
        }
        How::Created => panic!("there was a file"),
    }
    let mut allowed: Vec<&str> = replaced.derived.iter().map(String::as_str).collect();
    allowed.push(VARIABLE);
    unchanged(&before, &after, &allowed);
    assert!(replaced.duplicates.iter().all(|line| *line <= replaced.line));
    // What says so already needs nothing; and each manner of quoting is kept by itself.
    let (again, _) = rewrite(&contents, new).expect("what was written can be written again");
    assert!(again == contents, "written again, it is the same");
    compare(&contents, &after);
}

fn remove(file: &[u8]) {
    let Some((contents, lines)) = without_dead(file, VARIABLE, Path::new(HOME)) else { return };
    assert!(contents.len() < file.len() && !lines.is_empty());
    let (before, after) = (read(file, HOME.as_bytes()), read(&contents, HOME.as_bytes()));
    unchanged(&before, &after, &[]);
    let dead = before.assignments(VARIABLE);
    assert!(lines.iter().all(|line| dead.contains(line)) && lines.is_sorted());
    // No line is made of what was on several, and none comes to stand elsewhere.
    let mut old = file.split_inclusive(|byte| *byte == b'\n');
    for line in contents.split_inclusive(|byte| *byte == b'\n') {
        assert!(old.any(|old| old == line || (line.starts_with(b"#") && old.ends_with(line))), "a line that wasn't there");
    }
    compare(&contents, &after);
}

/// Holds that all variables but some are as before.
fn unchanged(before: &Reading, after: &Reading, but: &[&str]) {
    let mut names = before.names();
    names.extend(after.names());
    for name in names.iter().filter(|name| !but.contains(&name.as_str())) {
        let same = match (before.variable(name), after.variable(name)) {
            (Answer::Static { value: one, exported: a, .. }, Answer::Static { value: two, exported: b, .. }) => one == two && a == b,
            (Answer::Inherited { depends_on: one, .. }, Answer::Inherited { depends_on: two, .. }) => one == two,
            (one, two) => std::mem::discriminant(&one) == std::mem::discriminant(&two),
        };
        assert!(same, "another variable changed");
    }
}

/// Holds that no value stands in what is said.
fn discreet(refusal: &Refusal, before: &Reading, new: &[u8]) {
    let old = match before.variable(VARIABLE) {
        Answer::Static { value, .. } => value,
        _ => Vec::new(),
    };
    for value in [new, &old].into_iter().filter(|value| is_telling(value)) {
        let told = [&refusal.message, &refusal.fix].iter().any(|text| text.as_bytes().windows(value.len()).any(|part| part == value));
        assert!(!told, "a refusal holds a value");
    }
}
