//! What the bytes of an env file say of the variables asked after.

use jiff::Timestamp;

use crate::core::{FileContents, Finding, PresentKey, VariableReport};
use crate::keys;
use crate::salt::Salt;
use standin::{Answer, Reading};

/// Reads an env file's bytes; times and mode are left for the caller to fill in.
pub fn contents(bytes: &[u8], variables: &[String], salt: &Salt, home: &[u8]) -> FileContents {
    let reading = standin::read(bytes, home);
    let set = |name: &str| match reading.variable(name) {
        Answer::Static { value, .. } => !value.expose().is_empty(),
        _ => false,
    };
    FileContents {
        modified_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
        mode: 0,
        empty: bytes.iter().all(u8::is_ascii_whitespace),
        unfinished: reading.unfinished(),
        exports_others: reading.exports().iter().any(|(name, _)| {
            !variables
                .iter()
                .any(|asked| asked.as_bytes() == name.as_bytes())
        }),
        static_aws_keys: set("AWS_ACCESS_KEY_ID") && set("AWS_SECRET_ACCESS_KEY"),
        variables: variables
            .iter()
            .map(|variable| report(&reading, variable, salt))
            .collect(),
    }
}

fn report(reading: &Reading, variable: &str, salt: &Salt) -> VariableReport {
    let mut duplicates = reading.assignments(variable);
    if duplicates.len() < 2 {
        duplicates.clear();
    }
    VariableReport {
        variable: variable.to_owned(),
        finding: finding(reading.variable(variable), salt),
        duplicates,
        cut_short: reading.cut_short(variable),
    }
}

fn finding(answer: Answer, salt: &Salt) -> Finding {
    match answer {
        Answer::Static { value, line, .. } if value.expose().is_empty() => Finding::Empty { line },
        Answer::Static {
            value,
            exported,
            line,
        } => {
            let value = value.expose();
            Finding::Present(PresentKey {
                fingerprint: salt.fingerprint(value),
                exported,
                line,
                control_character: value.iter().any(u8::is_ascii_control),
                anatomy: keys::anatomy(value),
            })
        }
        Answer::Unset { hint } => Finding::Unset { hint },
    }
}

/// Stands in for `crate::envfile` until that is merged: plain lines alone.
mod standin {
    use crate::secret::Secret;

    pub enum Answer {
        Static {
            value: Secret,
            exported: bool,
            line: usize,
        },
        Unset {
            hint: Option<String>,
        },
    }

    pub struct Reading(Vec<(String, Secret, bool, usize)>, bool);

    pub fn read(bytes: &[u8], _home: &[u8]) -> Reading {
        let text = String::from_utf8_lossy(bytes);
        let assignments = text.lines().enumerate().filter_map(|(number, line)| {
            let bare = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = bare.split_once('=')?;
            let value = value.trim_matches(['"', '\'']).as_bytes().to_vec();
            Some((
                name.to_owned(),
                Secret::new(value),
                bare.len() < line.len(),
                number + 1,
            ))
        });
        Reading(assignments.collect(), text.matches('"').count() % 2 == 1)
    }

    impl Reading {
        pub fn variable(&self, name: &str) -> Answer {
            match self.0.iter().rfind(|found| found.0 == name) {
                Some((_, value, exported, line)) => Answer::Static {
                    value: value.clone(),
                    exported: *exported,
                    line: *line,
                },
                None => Answer::Unset { hint: None },
            }
        }
        pub fn exports(&self) -> Vec<(&str, ())> {
            let exported = self.0.iter().filter(|found| found.2);
            exported.map(|found| (found.0.as_str(), ())).collect()
        }
        pub fn unfinished(&self) -> bool {
            self.1
        }
        pub fn cut_short(&self, _: &str) -> bool {
            false
        }
        pub fn assignments(&self, name: &str) -> Vec<usize> {
            let found = self.0.iter().filter(|found| found.0 == name);
            found.map(|found| found.3).collect()
        }
    }
}
