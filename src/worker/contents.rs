//! What the bytes of an env file say of the variables asked after.

use jiff::Timestamp;

use crate::core::{FileContents, Finding, PresentKey, VariableReport};
use crate::envfile::{self, Answer, Reading};
use crate::keys;
use crate::salt::Salt;
use crate::secret::Secret;

/// Reads an env file's bytes; times and mode are left for the caller to fill in.
pub fn contents(bytes: &[u8], variables: &[String], salt: &Salt, home: &[u8]) -> FileContents {
    let reading = envfile::read(bytes, home);
    let set = |name: &str| match reading.variable(name) {
        Answer::Static { value, .. } => !value.is_empty(),
        _ => false,
    };
    FileContents {
        modified_at: Timestamp::UNIX_EPOCH,
        changed_at: Timestamp::UNIX_EPOCH,
        mode: 0,
        empty: bytes.iter().all(u8::is_ascii_whitespace),
        unfinished: reading.unfinished(),
        exports_others: reading.exports().iter().any(|(name, _)| !variables.iter().any(|asked| asked.as_bytes() == name.as_slice())),
        static_aws_keys: set("AWS_ACCESS_KEY_ID") && set("AWS_SECRET_ACCESS_KEY"),
        variables: variables.iter().map(|variable| report(&reading, variable, salt)).collect(),
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
        Answer::Static { value, exported, line, .. } => {
            let value = Secret::new(value);
            let value = value.expose();
            if value.is_empty() {
                return Finding::Empty { line };
            }
            Finding::Present(PresentKey {
                fingerprint: salt.fingerprint(value),
                exported,
                line,
                control_character: value.iter().any(u8::is_ascii_control),
                anatomy: keys::anatomy(value),
            })
        }
        Answer::Unset { hint } => Finding::Unset { hint },
        Answer::Inherited { depends_on, line } => {
            Finding::Dynamic { reason: format!("it depends on {}, which the shell may have inherited", depends_on.join(" and ")), line }
        }
        Answer::Dynamic { reason, line } | Answer::Broken { reason, line } => Finding::Dynamic { reason, line },
    }
}
