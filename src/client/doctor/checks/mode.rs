//! Who may read env files.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::repair::Repair;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let open = situation.env_files.iter().filter(|file| file.mode & 0o077 != 0);
    open.map(|file| {
        let message = format!("{} can be read by others (mode {:04o})", situation.tilde(&file.path), file.mode);
        let finding = Finding::warning("env-file-mode", &message, &format!("chmod 600 {}", situation.word(&file.path)));
        if file.is_ours { finding.repaired_by(Repair::Close { path: file.real.clone() }) } else { finding }
    })
    .collect()
}
