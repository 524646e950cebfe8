//! What the bytes of an env file say of the variables asked after.

use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::core::{FileContents, Finding, PresentKey, VariableReport};
use crate::envfile::{self, Answer, Reading, Style};
use crate::keys;
use crate::salt::Salt;

/// Reads an env file's bytes; times and mode are left for the caller to fill in.
pub fn contents(bytes: &[u8], variables: &[String], salt: &Salt, home: &[u8]) -> FileContents {
    let reading = envfile::read(bytes, home);
    FileContents {
        modified_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
        mode: 0,
        empty: bytes.iter().all(u8::is_ascii_whitespace),
        unfinished: reading.unfinished(),
        exports_others: exports_others(&reading, variables),
        static_aws_keys: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().all(|name| is_set(&reading, name)),
        tracked: None,
        tracked_in: None,
        variables: variables.iter().map(|variable| report(&reading, variable, salt)).collect(),
    }
}

/// A file in docker's and systemd's manner exports nothing, though all of it counts.
fn exports_others(reading: &Reading, variables: &[String]) -> bool {
    reading.style() == Style::Shell
        && reading.exports().into_iter().any(|(name, value)| {
            drop(Zeroizing::new(value));
            !variables.iter().any(|asked| asked.as_bytes() == name)
        })
}

fn is_set(reading: &Reading, name: &str) -> bool {
    match reading.variable(name) {
        Answer::Static { value, .. } => !Zeroizing::new(value).is_empty(),
        _ => false,
    }
}

fn report(reading: &Reading, variable: &str, salt: &Salt) -> VariableReport {
    let mut duplicates = reading.assignments(variable);
    if duplicates.len() < 2 {
        duplicates.clear();
    }
    VariableReport {
        variable: variable.into(),
        finding: finding(reading.variable(variable), salt),
        duplicates: duplicates.into(),
        cut_short: reading.cut_short(variable),
    }
}

fn finding(answer: Answer, salt: &Salt) -> Finding {
    match answer {
        Answer::Static { value, line, .. } if value.is_empty() => Finding::Empty { line },
        Answer::Static { value, exported, line, .. } => {
            let value = Zeroizing::new(value);
            Finding::Present(Arc::new(PresentKey {
                fingerprint: salt.fingerprint(&value),
                exported,
                line,
                control_character: value.iter().any(u8::is_ascii_control),
                anatomy: keys::anatomy(&value).into(),
            }))
        }
        Answer::Unset { hint } => Finding::Unset { hint },
        Answer::Inherited { depends_on, line } => {
            Finding::Dynamic { reason: format!("its value depends on {}, which the shell may inherit", depends_on.join(", ")), line }
        }
        Answer::Dynamic { reason, line } => Finding::Dynamic { reason, line },
        Answer::Broken { reason, line } => Finding::Dynamic { reason: format!("a shell would stop reading here: {reason}"), line },
    }
}
