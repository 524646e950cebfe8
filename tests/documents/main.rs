//! What is written about credd, and what it writes for other programs: documents, help, manual pages, the calendar.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod calendar;
mod commands;
mod explained;
mod manual;
mod markdown;
mod named;
#[path = "../support/mod.rs"]
mod support;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";

/// A daemon that lets other tests' proxies alone, and shows nothing on any desktop.
const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

/// The documents that users read.
const DOCUMENTS: &[&str] = &["README.md", "TROUBLESHOOTING.md", "CONTRIBUTING.md", "CHANGELOG.md"];

fn document(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The commands that there are, as `credd --help` lists them.
fn commands_of(home: &support::home::Home) -> Vec<String> {
    let help = support::run(home.command(CREDD).arg("-h"));
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names =
        list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}
