//! Files that have a copy of a key, old or new.

use std::path::Path;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::client::doctor::sweep::InFile;
use crate::client::doctor::walk::Sort;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    situation.sightings.files.iter().filter_map(|file| finding(situation, file)).collect()
}

fn finding(situation: &Situation, file: &InFile) -> Option<Finding> {
    let (wanted, key) = situation.named(file.print)?;
    let place = format!("{}:{}", situation.tilde(&file.path), file.line);
    let env_file = situation.word(Path::new(&wanted.env_file));
    let is_old = wanted.replaced_at.is_some();
    let fix = match file.sort {
        // Where the current key belongs.
        Sort::Tracked if !is_old => return None,
        Sort::Tracked => format!("remove line {} of {}", file.line, situation.tilde(&file.path)),
        Sort::StartUp => format!("put this in its place: source {env_file}"),
        Sort::Variables => format!("remove it, and have {env_file} sourced instead"),
    };
    Some(if is_old {
        Finding::warning("old-key-in-file", &format!("{place} still has {key}"), &fix)
    } else {
        Finding::info("key-copied", &format!("{place} has a copy of {key}"), &fix)
    })
}
