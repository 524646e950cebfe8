//! An env file that isn't there.

use std::path::Path;

use crate::core::{FileBody, FileTrack, Machine};
use crate::paths::tilde;
use crate::protocol::{Problem, Severity};

/// One that is yet to be made is good to know of; one whose keys were known is missed.
pub(super) fn problem(machine: &Machine, file: &FileTrack, home: &Path) -> Option<Problem> {
    if file.believed != Some(FileBody::Missing) {
        return None;
    }
    let path = tilde(&file.path, home);
    let mut keys = file.keys.iter().filter_map(|name| machine.key(name));
    let known: Vec<&str> = keys.clone().filter(|key| key.record.current.is_some()).map(|key| key.spec.name.as_str()).collect();
    let first = known.first().copied().or_else(|| keys.next().map(|key| key.spec.name.as_str())).unwrap_or_default();
    let (severity, message, fix) = match known.as_slice() {
        [] => {
            let message = format!("{path} doesn't exist yet; credd waits for it");
            (Severity::Info, message, format!("put the key there with: credd renew {first}"))
        }
        known => {
            let (what, was) = if known.len() == 1 { ("key", "was") } else { ("keys", "were") };
            let message = format!("{path} is gone, or its path is wrong: the {what} {} {was} there before", known.join(", "));
            let fix = format!("put it back, correct env_file in the configuration, or: credd renew {first}");
            (Severity::Warning, message, fix)
        }
    };
    Some(super::problem("env-file-missing", severity, message, fix))
}
