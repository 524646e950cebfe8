//! The manual pages, as the programs see them that check and show such pages.

use std::fs;
use std::process::Command;

use super::support::home::Home;
use super::support::{run, said};
use super::{CREDD, commands_of, document};

/// A checker of manual pages, or a panic that says how to get it.
fn checker(program: &str) -> Command {
    let found = std::env::var("PATH").unwrap().split(':').any(|dir| std::path::Path::new(dir).join(program).exists());
    assert!(found, "{program} is missing: run tests/setup --only documents");
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env_remove("MANPAGER").env_remove("MANROFFOPT");
    command
}

#[test]
fn checkers_find_nothing() {
    let home = Home::new();
    run(home.command(CREDD).args(["man", "pages"]));
    let mut count = 0;
    for entry in fs::read_dir(home.path().join("pages")).unwrap() {
        let page = entry.unwrap().path();
        let lint = checker("mandoc").args(["-T", "lint", "-W", "style"]).arg(&page).output().unwrap();
        assert!(lint.status.success() && lint.stdout.is_empty(), "{}", said(&lint));
        let shown = checker("man").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(&page).output().unwrap();
        assert!(shown.status.success() && shown.stderr.is_empty(), "{}: {}", page.display(), said(&shown));
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn each_command_has_a_page_that_says_all() {
    let home = Home::new();
    run(home.command(CREDD).args(["man", "pages"]));
    let text = |name: &str| run(checker("mandoc").args(["-T", "utf8", "-O", "width=80"]).arg(home.path().join("pages").join(name)));
    // Without what overstrikes, of which mandoc makes bold.
    let plain = |name: &str| {
        let shown: Vec<char> = text(name).chars().collect();
        let kept = (0..shown.len()).filter(|&at| shown[at] != '\u{8}' && shown.get(at + 1) != Some(&'\u{8}'));
        kept.map(|at| shown[at]).collect::<String>()
    };
    for command in commands_of(&home) {
        let page = plain(&format!("credd-{command}.1"));
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
            assert!(page.lines().any(|line| line == section), "{command} has no {section}: {page}");
        }
        assert!(!page.contains("--state-dir"), "what all commands take stands in credd(1): {page}");
    }
    let page = plain("credd.1");
    for part in ["FILES", "ENVIRONMENT", "--state-dir", "credd-renew(1)", "CREDD_LOG"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // A page's date is that of the version's release.
    let version = document("CHANGELOG.md").lines().find_map(|line| line.strip_prefix("## [").map(str::to_owned)).unwrap();
    let (version, date) = version.split_once("] - ").unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let source = fs::read_to_string(home.path().join("pages/credd.1")).unwrap();
    assert!(source.starts_with(&format!(".TH CREDD 1 {date} \"credd {version}\"")), "{source}");
}
