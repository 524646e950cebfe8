//! Whether whoever gets a git repository gets keys with it.

use std::time::Duration;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::repair::Repair;
use crate::client::doctor::situation::{EnvFile, Situation};
use crate::clock;
use crate::git::Tracked;
use crate::view::untrack;

/// Whether these hold a key that is still accepted is looked at.
const MOST_COMMITS: usize = 50;

/// For all questions to git.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let end = clock::monotonic() + LIMIT;
    let home = &situation.paths.home;
    let all = situation.env_files.iter();
    let of_file = |file: &EnvFile| {
        let repositories = Tracked::all(&file.real, home, end);
        repositories.iter().map(|tracked| findings(situation, file, tracked)).find(|found| !found.is_empty()).unwrap_or_default()
    };
    let mut findings: Vec<_> = all.flat_map(of_file).collect();
    if clock::monotonic() >= end {
        let message = format!("git didn't say within {} s whether it has all env files", LIMIT.as_secs());
        findings.push(Finding::info("search-incomplete", &message, "git log --all -- FILE, in the directory of each env file"));
    }
    findings
}

/// What one repository is told to have; what it had, and what it is about to have, are two things.
fn findings(situation: &Situation, file: &EnvFile, tracked: &Tracked) -> Vec<Finding> {
    let path = situation.tilde(&file.real);
    if tracked.is_tracked() {
        let (message, fix) = untrack(&tracked.path(), tracked.repository().as_deref(), &situation.paths.home);
        return vec![Finding::error("env-file-tracked", &message, &fix)];
    }
    let open = tracked.is_open().then(|| {
        let message = format!("{path} is in a git repository and not ignored there");
        let name = file.real.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let finding = Finding::warning("env-file-not-ignored", &message, &format!("put /{name} into the .gitignore beside it"));
        finding.repaired_by(Repair::Ignore { path: file.real.clone() })
    });
    in_history(situation, tracked, &path).into_iter().chain(open).collect()
}

fn in_history(situation: &Situation, tracked: &Tracked, path: &str) -> Option<Finding> {
    let commits = tracked.commits(MOST_COMMITS);
    let latest = commits.first()?;
    let (mut has_old, mut has_current) = (false, false);
    for commit in &commits {
        let Some(text) = tracked.at(commit) else { continue };
        for wanted in situation.keys.in_text(&text).iter().filter_map(|(print, _)| situation.keys.get(*print)) {
            has_old |= wanted.is_accepted && wanted.replaced_at.is_some();
            has_current |= wanted.is_accepted && wanted.replaced_at.is_none();
        }
        if has_current {
            break;
        }
    }
    let fix = match (has_current, has_old) {
        (true, _) => "renew the key, then revoke the one that is there",
        (false, true) => "revoke the key that is there, once nothing runs with it: it was replaced already",
        // Where keys can't be told, each may be one.
        _ if situation.keys.is_empty() => "revoke each key that is there, and renew those that are in use first",
        _ => {
            let message = format!("{path} is in git's history (commit {latest}), without any key that credd knows to be accepted");
            return Some(Finding::info("env-file-in-history", &message, "nothing, if the keys in it were revoked"));
        }
    };
    let message = format!("{path} is in git's history (commit {latest}), with a key that may still be accepted");
    Some(Finding::warning("env-file-in-history", &message, fix))
}
