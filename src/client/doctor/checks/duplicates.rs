//! Variables that are assigned more than once.

use std::os::unix::ffi::OsStrExt;

use zeroize::Zeroizing;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::repair::Repair;
use crate::client::doctor::situation::Situation;
use crate::envfile::{self, Answer};

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &situation.env_files {
        let reading = envfile::read(&file.text, situation.paths.home.as_os_str().as_bytes());
        let path = situation.tilde(&file.path);
        for variable in &file.variables {
            let all = reading.assignments(variable);
            if all.len() < 2 {
                continue;
            }
            let shown: Vec<_> = all.iter().map(usize::to_string).collect();
            let message = format!("{path} assigns {variable} on lines {}: the last one counts", shown.join(", "));
            let finding = Finding::warning("duplicate-assignment", &message, &format!("remove the earlier assignments from {path}"));
            findings.push(if is_certain(reading.variable(variable)) {
                let lines = all[..all.len() - 1].to_vec();
                finding.repaired_by(Repair::RemoveDead { path: file.path.clone(), variable: variable.clone(), lines })
            } else {
                finding
            });
        }
    }
    findings
}

/// Where only running the file could tell which one counts, none is removed.
fn is_certain(answer: Answer) -> bool {
    match answer {
        Answer::Static { value, .. } => {
            drop(Zeroizing::new(value));
            true
        }
        _ => false,
    }
}
