//! Each command of a document's `sh` blocks is run, in a home with a daemon and a key.

use std::fs;
use std::process::Stdio;

use super::markdown::sh_lines;
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::said;
use super::{CREDD, KEY, document};

const DOCUMENTS: &[&str] = &["README.md", "TROUBLESHOOTING.md", "CONTRIBUTING.md"];

/// Commands that aren't run here, and why not.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo run --release -- run", "a release build, and the daemon in the foreground: tests/support/daemon.rs starts one for every test"),
    ("tests/run", "what runs this"),
    ("cargo install --locked --path .", "a release build"),
    ("eval \"$(credd hook bash)\"", "a shell that stays open: tests/shells"),
    ("credd hook fish | source", "the same"),
    ("credd install", "needs a user's systemd: tests/under_systemd.rs"),
    ("systemctl --user status credd", "the same"),
    ("journalctl --user -u credd -n 50", "the same"),
    ("tests/setup", "installs packages, and has run"),
    ("cargo test --lib", "what runs this runs that"),
    ("cargo test --test layering", "the same"),
    ("cargo test --test documents", "this is it"),
    (".ci/run", "it runs this"),
];

/// What ends otherwise than well here, with which exit code, and why.
const ENDS_WITH: &[(&str, i32, &str)] = &[
    ("credd status litellm", 2, "the daemon here has no consumers: the proxies of other tests are let alone"),
    ("credd apply", 1, "the same"),
];

#[test]
fn each_command_does_what_it_says() {
    let bedrock = BedrockStandIn::start([KEY]);
    let home = Home::new().asking(&bedrock.url());
    home.write_config(super::QUIET);
    home.set_key(KEY);
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(CREDD, bin.join("credd")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key to be accepted", SOON, |status| status["keys"][0]["probe"]["verdict"] == "works");
    let mut unused: Vec<&str> = NOT_RUN.iter().map(|(line, _)| *line).chain(ENDS_WITH.iter().map(|(line, ..)| *line)).collect();
    let mut wrong = Vec::new();
    for name in DOCUMENTS {
        for line in sh_lines(&document(name)) {
            unused.retain(|known| *known != line);
            if NOT_RUN.iter().any(|(not_run, _)| *not_run == line) {
                continue;
            }
            // What one line says of the key's date is no matter to the next.
            daemon.ok(&["issued", "bedrock", "today"]);
            let expected = ENDS_WITH.iter().find(|(known, ..)| *known == line).map_or(0, |(_, code, _)| *code);
            let mut shell = home.command("sh");
            let output = shell.args(["-euc", &line]).env("PATH", &path).stdin(Stdio::null()).output().unwrap();
            if output.status.code() != Some(expected) {
                wrong.push(format!("{name}: {line}: {}", said(&output)));
            }
            assert!(!said(&output).contains(KEY), "{line} shows the key");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no document has these any more: {unused:?}");
}
