//! Many machines watched from one place: metrics, the text file, alert rules and dashboard with the real Prometheus,
//! `node_exporter` and Alertmanager, and the alert command's examples against receivers that refuse first.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these wait for and time real programs, not credd's own decisions")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod metrics;
mod receiver;
mod stack;
mod story;
mod textfile;

use std::process::Command;

use support::home::Home;
use support::run;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";
const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQ=";

/// A consumer that isn't there: real ones of whoever runs the tests are none of their business.
const CONSUMER: &str = "[[consumers]]\nname = \"litellm\"\nmatch = [\"credd-no-such-program\"]\n";

/// A home with a key of so many days.
fn home(days: u32, config: &str) -> Home {
    let home = Home::new();
    home.write_config(config);
    home.set_key(KEY);
    run(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(home.env_file()));
    home
}

/// A program that `tests/setup` installs.
fn program(name: &str) -> Command {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(name).exists());
    assert!(found, "{name} is missing: run tests/setup --only fleet");
    Command::new(name)
}

/// A file of the tree.
fn tree(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// When the daemon says that it acts next.
fn deadline(textfile: &std::path::Path) -> Option<i64> {
    let text = std::fs::read_to_string(textfile).ok()?;
    let line = text.lines().find(|line| line.starts_with("credd_next_deadline_timestamp_seconds{"))?;
    line.rsplit(' ').next()?.parse().ok()
}
