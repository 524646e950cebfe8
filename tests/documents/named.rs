//! Each command and flag that a document or a help text names is there.

use std::collections::{BTreeMap, BTreeSet};

use super::markdown::code;
use super::support::home::Home;
use super::support::run;
use super::{CREDD, DOCUMENTS, commands_of, document};

/// The flags of each command, by what clap itself says of it.
struct Flags<'h> {
    home: &'h Home,
    commands: Vec<String>,
    known: BTreeMap<String, BTreeSet<String>>,
}

impl<'h> Flags<'h> {
    fn of(home: &'h Home) -> Self {
        Self { home, commands: commands_of(home), known: BTreeMap::new() }
    }

    fn has(&mut self, command: &str, flag: &str) -> bool {
        let home = self.home;
        let flags = self.known.entry(command.to_owned()).or_insert_with(|| {
            let words: Vec<&str> = command.split_whitespace().chain(["-h"]).collect();
            flags_in(&run(home.command(CREDD).args(words)))
        });
        flags.contains(flag)
    }

    /// What is wrong with each `credd …` of a piece of code.
    fn wrong(&mut self, code: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for call in calls(code) {
            let mut words = call.split_whitespace();
            let mut command = String::new();
            let mut flags = BTreeSet::new();
            for word in words.by_ref() {
                if word == "--" {
                    break;
                }
                if command.is_empty() && flags.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()) && !word.is_empty() {
                    word.clone_into(&mut command);
                }
                flags.extend(flags_in(word));
            }
            if !command.is_empty() && !self.commands.contains(&command) {
                wrong.push(format!("there is no command {command:?}, in: {code}"));
                continue;
            }
            for flag in flags {
                if !self.has(&command, &flag) {
                    wrong.push(format!("credd {command} has no {flag}, in: {code}"));
                }
            }
        }
        wrong
    }
}

/// What follows each `credd` that is called, up to where a shell would end the command.
fn calls(code: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for (at, _) in code.match_indices("credd ") {
        let begins = code[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "(\"'".contains(c));
        // Such as `cargo install --bin credd`, or `systemctl status credd`.
        let is_argument = code[..at].split(['|', '&', ';', '(']).next_back().is_some_and(|before| !before.trim().is_empty());
        if begins && !is_argument {
            // In a table a pipe is written `\|`, and stands between alternatives.
            let rest = code[at + "credd ".len()..].replace("\\|", " ");
            calls.push(rest.split(['|', ')', ';', '>', '#']).next().unwrap_or_default().to_owned());
        }
    }
    calls
}

/// Long flags in a text.
fn flags_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = |at: usize| text[..at].chars().next_back().is_none_or(|c| !is_part(c));
    let flags = text.match_indices("--").filter(|(at, _)| begins(*at));
    let flags = flags.map(|(at, _)| text[at..].chars().take_while(|c| is_part(*c)).collect::<String>());
    flags.filter(|flag| flag.len() > 2).collect()
}

#[test]
fn what_documents_name_is_there() {
    let home = Home::new();
    let mut flags = Flags::of(&home);
    let mut wrong = Vec::new();
    let mut count = 0;
    for name in DOCUMENTS {
        for code in code(&document(name)) {
            count += calls(&code).len();
            wrong.extend(flags.wrong(&code).into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} were found");
}

#[test]
fn what_help_shows_as_examples_is_there() {
    let home = Home::new();
    let mut flags = Flags::of(&home);
    for command in flags.commands.clone() {
        let help = run(home.command(CREDD).args([&command, "--help"]));
        let examples = help.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("credd {command} --help shows no example"));
        assert!(help.contains("Exit codes:\n"), "credd {command} --help says nothing of exit codes");
        for line in examples.lines().take_while(|line| !line.is_empty()) {
            assert_eq!(flags.wrong(line.trim()), [""; 0], "credd {command} --help");
        }
    }
}

#[test]
fn what_is_not_there_is_told_of() {
    let home = Home::new();
    let mut flags = Flags::of(&home);
    for fine in
        ["credd", "credd status --json", "pass x | credd renew --stdin", "credd snooze NAME [3d \\| --clear]", "systemctl status credd -x"]
    {
        assert_eq!(flags.wrong(fine), [""; 0], "{fine}");
    }
    for not_there in ["credd frobnicate", "credd status --frob", "x && credd check --json", "eval \"$(credd hok bash)\"", "credd --frob"] {
        assert_eq!(flags.wrong(not_there).len(), 1, "{not_there}");
    }
}
