//! What has to be true of whatever the reader says of a file.

use credd::envfile::{Answer, Reading, read};

use crate::shells::HOME;

/// Whether `value` couldn't stand in a fixed text: a fuzzer finds out what is in these.
pub fn is_telling(value: &[u8]) -> bool {
    value.len() >= 8 && value.contains(&b'^')
}

/// Reads `file` and holds what is said of it against the file.
pub fn checked(file: &[u8]) -> Reading {
    let reading = read(file, HOME.as_bytes());
    let names = reading.names();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "names in order, each once");
    let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
    let mut values = Vec::new();
    let mut said = Vec::new();
    for name in &names {
        match reading.variable(name) {
            Answer::Static { value, line, span, .. } => {
                assert!((1..=lines).contains(&line), "line {line} of {lines}");
                assert!(!value.contains(&0), "no shell's value holds a NUL byte");
                if let Some(span) = span {
                    assert!(span.start <= span.end && span.end <= file.len(), "{span:?} lies in the file");
                    assert!(file[..span.start].ends_with(b"=") || file[..span.start].ends_with(b"\\\n"), "a value follows its =");
                    assert!(reading.assignments(name).contains(&line), "the assignment that decides is one of all");
                }
                values.push(value);
            }
            Answer::Inherited { depends_on, line } => {
                assert!((1..=lines).contains(&line), "line {line} of {lines}");
                assert!(!depends_on.is_empty() && depends_on.is_sorted());
            }
            Answer::Unset { hint } => said.extend(hint),
            Answer::Dynamic { reason, line } | Answer::Broken { reason, line } => {
                assert!((1..=lines).contains(&line), "line {line} of {lines}");
                said.push(reason);
            }
        }
        let assignments = reading.assignments(name);
        assert!(assignments.is_sorted() && assignments.iter().all(|line| (1..=lines).contains(line)));
    }
    said.extend(reading.defect().map(|(reason, _)| reason));
    for value in values.iter().filter(|value| is_telling(value)) {
        let told = said.iter().any(|text| text.as_bytes().windows(value.len()).any(|part| part == value));
        assert!(!told, "a reason holds a value");
    }
    let (exports, unsets) = (reading.exports(), reading.unsets());
    assert!(exports.windows(2).all(|pair| pair[0].0 < pair[1].0) && unsets.windows(2).all(|pair| pair[0] < pair[1]));
    for (name, value) in &exports {
        assert!(!unsets.contains(name), "exported and unset");
        let held = std::str::from_utf8(name).map(|name| reading.variable(name));
        assert!(matches!(held, Ok(Answer::Static { value: held, .. }) if held == *value), "an export is a certain value");
    }
    reading
}
