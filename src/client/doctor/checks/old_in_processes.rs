//! Processes that were started with a key that has been replaced since.

use std::path::Path;

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::client::doctor::sweep::InProcess;

const SHELLS: &[&str] = &["bash", "zsh", "fish", "sh", "dash", "ksh", "tmux", "tmux: server", "screen"];
/// What a whole session is started by.
const SESSIONS: &[&str] = &["systemd", "gnome-session-b", "gnome-shell", "plasmashell", "startplasma-way", "sway", "Hyprland", "launchd"];

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    situation.sightings.processes.iter().filter_map(|process| finding(situation, process)).collect()
}

fn finding(situation: &Situation, process: &InProcess) -> Option<Finding> {
    let (wanted, key) = situation.named(process.print)?;
    let env_file = situation.word(Path::new(&wanted.env_file));
    let below = match process.below {
        0 => String::new(),
        1 => " and one process below it".to_owned(),
        many => format!(" and {many} processes below it"),
    };
    let who = if process.is_here { "this very shell".to_owned() } else { format!("{} (process {}){below}", process.name, process.pid) };
    let verb = if process.is_here || process.below == 0 { "has" } else { "have" };
    let fix = if process.is_here {
        format!("source {env_file}, or open a new terminal")
    } else if SHELLS.contains(&process.name.as_str()) {
        format!("source {env_file} there, or open a new terminal")
    } else if SESSIONS.contains(&process.name.as_str()) {
        "log out and in again".to_owned()
    } else {
        format!("restart it from a shell that has sourced {env_file}")
    };
    Some(Finding::warning("old-key-in-process", &format!("{who} still {verb} {key}"), &fix))
}
