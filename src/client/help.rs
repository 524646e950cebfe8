//! What is to be said of each command besides what the command line's own definition says: once, in `help.txt`, for `--help`
//! and for the manual pages. A command that isn't there yet is passed over.
//!
//! In that file a command begins with `# NAME`. Lines without a mark say more about it; `= CODE …` is an exit code, or `= done`
//! and `= asks` for what most commands have; `$ …` is an example with what it does after two spaces and `#`; `> …` names others.

use std::fmt::Write as _;

use clap::Command;

/// The day of this version's release, for the manual pages; CHANGELOG.md has the same.
pub const DATE: &str = "2026-11-28";

// One text rather than a table: each reference in a table costs the program three times its size.
const TEXT: &str = include_str!("help.txt");

/// Exit codes of most commands, the last of those that need a daemon.
const DONE: &str = "0 done\n1 failed; it says why, and the next step\n2 usage or configuration\n3 no daemon answers";

/// Files, each with what it holds, a line each.
pub const FILES: &str = "$XDG_CONFIG_HOME/credd/config.toml the configuration; none is needed\n\
                         $XDG_STATE_HOME/credd/ what is remembered: no key, only keyed fingerprints\n\
                         $XDG_RUNTIME_DIR/credd/credd.sock the daemon's socket, for its user alone";

/// Environment variables, each with what it does, a line each.
pub const ENVIRONMENT: &str = "CREDD_CONFIG as --config\n\
                               CREDD_SOCKET as --socket\n\
                               CREDD_STATE_DIR as --state-dir\n\
                               CREDD_LOG which messages of the daemon are logged, such as debug\n\
                               NO_COLOR no colours, if set";

/// More about a command.
#[derive(Debug, Default)]
pub struct Page {
    /// Goes on where its one line ends.
    pub more: String,
    /// Exit codes and what they mean.
    pub exits: Vec<(&'static str, &'static str)>,
    /// Examples and what they do.
    pub examples: Vec<(&'static str, &'static str)>,
    /// Commands to look at as well.
    pub also: Vec<&'static str>,
}

/// Whether there is such a command.
pub fn is_command(word: &str) -> bool {
    TEXT.contains(&format!("\n# {word}\n"))
}

/// What is said of a command; of `credd` itself by that name.
pub fn page(command: &str) -> Option<Page> {
    let mut lines = TEXT.lines().skip_while(|line| line.strip_prefix("# ") != Some(command));
    lines.next()?;
    let mut page = Page::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        match line.split_at(2) {
            ("= ", "done") => page.exits.extend(pairs(DONE).take(3)),
            ("= ", "asks") => page.exits.extend(pairs(DONE)),
            ("= ", exit) => page.exits.extend(pairs(exit)),
            ("$ ", example) => page.examples.extend(example.split_once("  # ")),
            ("> ", names) => page.also.extend(names.split(' ')),
            _ => {
                let gap = if page.more.is_empty() { "" } else { " " };
                let _ = write!(page.more, "{gap}{line}");
            }
        }
    }
    Some(page)
}

/// Lines of a word and what it means.
pub fn pairs(lines: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines.lines().filter_map(|line| line.split_once(' '))
}

/// The command line with all that `--help` shows.
pub fn in_full(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(told(command), |command, name| command.mut_subcommand(name, told))
}

fn told(command: Command) -> Command {
    let Some(page) = page(command.get_name()) else { return command };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = format!("{about}\n\n{}", page.more);
    let mut after = String::from("Exit codes:");
    let width = page.exits.iter().map(|(code, _)| code.len() + 2).fold(5, usize::max);
    for (code, what) in page.exits {
        let _ = write!(after, "\n  {code:<width$}{what}");
    }
    after.push_str("\n\nExamples:");
    for (example, what) in page.examples {
        let _ = write!(after, "\n  {example}  # {what}");
    }
    if let Some(end) = command.get_after_help() {
        let _ = write!(after, "\n\n{end}");
    }
    command.long_about(long.trim_end().to_owned()).after_long_help(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_by_their_names() {
        assert!(is_command("status") && is_command("man"));
        assert!(!is_command("makes") && !is_command("") && !is_command("sta"));
    }

    #[test]
    fn all_of_the_text_is_understood() {
        let mut examples = 0;
        for command in TEXT.lines().filter_map(|line| line.strip_prefix("# ")) {
            let page = page(command).unwrap();
            for (code, what) in page.exits {
                assert!((code == "otherwise" || code.parse::<u8>().is_ok()) && !what.is_empty(), "{command} {code}");
            }
            for (example, what) in page.examples {
                assert!(example.contains("credd") && example.len() + what.len() < 75 && example.is_ascii(), "{example}");
                examples += 1;
            }
            assert!(!page.also.is_empty(), "{command}");
            for also in page.also {
                assert!(super::page(also).is_some() && also != command, "{command} {also}");
            }
        }
        assert_eq!(examples, TEXT.lines().filter(|line| line.starts_with("$ ")).count());
        assert!(TEXT.lines().all(|line| line.is_empty() || line.is_char_boundary(2)));
    }

    #[test]
    fn a_command_has_all_that_is_said_of_it() {
        let check = Command::new("check").about("Tell whether");
        let command = in_full(Command::new("credd").about("x").subcommand(check).subcommand(Command::new("frob").about("y")));
        let check = command.find_subcommand("check").unwrap();
        assert!(check.get_long_about().unwrap().to_string().starts_with("Tell whether\n\nSilent"));
        assert!(check.get_after_long_help().unwrap().to_string().contains("\n  3    nothing is known, or "));
        assert!(command.get_after_long_help().unwrap().to_string().contains("\n  3    no daemon answers\n"));
        let exec = in_full(Command::new("credd").subcommand(Command::new("exec")));
        let exec = exec.find_subcommand("exec").unwrap().get_after_long_help().unwrap().to_string();
        assert!(exec.contains("\n  1          a value") && exec.contains("\n  otherwise  the command's own\n"), "{exec}");
        assert!(command.find_subcommand("frob").unwrap().get_long_about().is_none());
    }
}
