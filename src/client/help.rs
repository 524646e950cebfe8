//! What is to be said of each command besides what the command line's own definition says: once, for `--help` and
//! for the manual pages. A command that isn't there yet is passed over.

use std::fmt::Write as _;

use clap::Command;

/// The day of this version's release, for the manual pages; [`CHANGELOG.md`](../../CHANGELOG.md) has the same.
pub const DATE: &str = "2026-11-28";

/// More about a command.
pub struct Page {
    /// Its name; empty for credd itself.
    pub command: &'static str,
    /// Goes on where its one line ends.
    pub more: &'static str,
    /// A line for each exit code.
    pub exits: &'static str,
    /// A line for each example, with what it does after a `#`.
    pub examples: &'static str,
    /// Commands to look at as well.
    pub also: &'static [&'static str],
}

const DONE: &str = "0 done\n1 failed; it says why, and the next step\n2 usage or configuration";
const ASKS: &str = "0 done\n1 failed; it says why, and the next step\n2 usage or configuration\n3 no daemon answers";

/// All there is to say.
pub const PAGES: &[Page] = &[
    Page {
        command: "",
        more: "A daemon of yours watches env files, tells you before a key in them expires, and hands LiteLLM over to a new one. \
               Without a configuration it tracks AWS_BEARER_TOKEN_BEDROCK in ~/.backlog-toolkit-env. No command ever shows a key.",
        exits: ASKS,
        examples: "credd install  # run the daemon from now on\n\
                   credd issued bedrock 2026-10-28  # when the key was really made\n\
                   credd  # what is tracked, and what is wrong",
        also: &["install", "status", "renew", "doctor", "explain"],
    },
    Page {
        command: "run",
        more: "This is what systemd and launchd start; it never puts itself into the background. SIGHUP reads the configuration \
               anew, SIGTERM ends it: a restart that is under way goes on. CREDD_LOG filters its log (debug, or credd::daemon=trace).",
        exits: "0 ended by a signal\n1 couldn't start; it says why\n2 usage or configuration: nothing was started",
        examples: "credd run  # in a terminal\ncredd -v run  # say more",
        also: &["install", "config"],
    },
    Page {
        command: "status",
        more: "The worst comes first. Of many keys, consumers and problems the worst are shown and the rest summed up. Without a \
               daemon it shows the last saved state and says so.",
        exits: DONE,
        examples: "credd status bedrock  # one key or consumer\n\
                   credd status --short  # for a prompt or a bar\n\
                   credd status --json  # for scripts",
        also: &["check", "explain", "doctor"],
    },
    Page {
        command: "check",
        more: "Silent when nothing is due, else a line for each key. Without --within a key is due from its first alert on.",
        exits: "0 nothing is due\n1 a key is due\n2 a key is expired, rejected or missing; or usage or configuration\n3 nothing is known",
        examples: "credd check  # in a script\ncredd check --within 7d bedrock  # does it last another week?",
        also: &["status"],
    },
    Page {
        command: "renew",
        more: "Opens the console's page, reads the key without showing it, refuses what can't be one, asks Bedrock, replaces the \
               value in the env file and nothing else, has consumers take it up, and says which old key to revoke.",
        exits: "0 renewed\n1 not renewed, or written and not taken up; it says which\n2 usage or configuration\n3 no daemon answers\n\
                130 ended by Ctrl-C",
        examples: "credd renew  # the only key, or the only one that is due\n\
                   pass show bedrock | credd renew --stdin  # from a password manager\n\
                   credd renew --iam  # have IAM make it",
        also: &["issued", "verify", "apply"],
    },
    Page {
        command: "issued",
        more: "All alerts follow from it. What the key says of itself, and what IAM says, counts more.",
        exits: ASKS,
        examples: "credd issued bedrock 2026-10-28  # that day\n\
                   credd issued bedrock 2026-10-28T09:30:00Z  # that moment\n\
                   credd issued bedrock 25 days ago  # counted from now",
        also: &["explain", "snooze"],
    },
    Page {
        command: "snooze",
        more: "Without a time until tomorrow's first reminder; never past the key's end, which is told in any case.",
        exits: ASKS,
        examples: "credd snooze bedrock  # until tomorrow\n\
                   credd snooze bedrock 3d  # for three days\n\
                   credd snooze bedrock until 2027-01-04  # until that day\n\
                   credd snooze bedrock --clear  # be reminded again",
        also: &["explain"],
    },
    Page {
        command: "verify",
        more: "Bedrock is asked directly (a list of models, which costs nothing), a consumer by what its verify setting says. So a \
               bad key is told from a broken LiteLLM.",
        exits: "0 all is good\n1 a key or a consumer isn't; it says which\n2 usage or configuration\n3 no daemon answers",
        examples: "credd verify  # all keys\ncredd verify bedrock --json  # for scripts",
        also: &["apply", "doctor"],
    },
    Page {
        command: "apply",
        more: "A consumer that has the key already is left alone, unless --force is given. One that doesn't come up with the new key \
               keeps its old one.",
        exits: ASKS,
        examples: "credd apply  # all that run\ncredd apply litellm --force  # restart it even so",
        also: &["verify", "status"],
    },
    Page {
        command: "doctor",
        more: "Looks for env files that others can read or git has, copies of keys, old keys that still are accepted or used, and \
               all that status warns of. Each finding has a code and a fix.",
        exits: "0 nothing is worse than a note\n1 something is wrong\n2 usage or configuration",
        examples: "credd doctor  # look\ncredd doctor --fix  # repair what is safe, asking first\ncredd doctor --json  # for scripts",
        also: &["status", "verify"],
    },
    Page {
        command: "explain",
        more: "Says who gave each date, when alerts are due by them, what became of those that were, and what comes next. Needs no \
               daemon.",
        exits: DONE,
        examples: "credd explain  # all keys\ncredd explain bedrock  # one",
        also: &["issued", "snooze", "history"],
    },
    Page {
        command: "history",
        more: "Keys seen, alerts sent, restarts, verdicts; by day, in local time. Needs no daemon.",
        exits: DONE,
        examples: "credd history -n 10  # the last ten\ncredd history --json -n 1000  # for scripts",
        also: &["explain"],
    },
    Page {
        command: "calendar",
        more: "An event for the end of each key, with an alarm when its first alert is due. Importing it again moves the events. \
               It names no host, and holds nothing of a key. Needs no daemon.",
        exits: DONE,
        examples: "credd calendar >keys.ics  # to be imported",
        also: &["explain"],
    },
    Page {
        command: "exec",
        more: "The values of the tracked files, as they are now, are laid over the environment of the command, and credd becomes it. \
               Names before -- choose among the keys.",
        exits: "2 usage or configuration, or a value that can't be told\n126 the command can't be run\n127 there is no such command\n\
                otherwise the command's own",
        examples: "credd exec -- aws bedrock list-foundation-models  # all keys\ncredd exec bedrock -- litellm --config c.yaml  # one",
        also: &["hook"],
    },
    Page {
        command: "hook",
        more: "For the shell's start-up file: at the prompt after a key has changed, the variables of the tracked files are read \
               anew and one line says so; another says when a key is due.",
        exits: DONE,
        examples: "eval \"$(credd hook bash)\"  # in ~/.bashrc\n\
                   eval \"$(credd hook zsh)\"  # in ~/.zshrc\n\
                   credd hook fish | source  # in ~/.config/fish/config.fish",
        also: &["exec"],
    },
    Page {
        command: "metrics",
        more: "For Prometheus: when keys were issued and expire, their state and that of consumers, alerts and restarts. Labels are \
               names, never fingerprints. Needs no daemon.",
        exits: DONE,
        examples: "credd metrics  # OpenMetrics text",
        also: &["status"],
    },
    Page {
        command: "config",
        more: "Shows every setting that is in force, and whether it was set or is the default.",
        exits: "0 it is right\n2 it is wrong; the place and a caret say where",
        examples: "credd config  # all settings\ncredd config --check  # after an edit\n\"${EDITOR:-vi}\" \"$(credd config --path)\"  # edit it",
        also: &["run"],
    },
    Page {
        command: "install",
        more: "A systemd user service, or a launchd agent on macOS. It may be called again at any time, and says what it writes.",
        exits: DONE,
        examples: "credd install --dry-run  # what would be done\ncredd install  # do it",
        also: &["uninstall", "status"],
    },
    Page {
        command: "uninstall",
        more: "The configuration and what is remembered of keys stay.",
        exits: DONE,
        examples: "credd uninstall --dry-run  # what would be done",
        also: &["install"],
    },
    Page {
        command: "completions",
        more: "",
        exits: DONE,
        examples: "source <(credd completions bash)  # in ~/.bashrc\n\
                   credd completions fish >~/.config/fish/completions/credd.fish  # fish",
        also: &["man"],
    },
    Page {
        command: "man",
        more: "A page for credd and one for each command.",
        exits: DONE,
        examples: "credd man ~/.local/share/man/man1  # man credd finds them there",
        also: &["completions"],
    },
];

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

/// What is said of a command.
pub fn page(command: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.command == command)
}

/// The command line with all that `--help` shows.
pub fn in_full(command: Command) -> Command {
    PAGES.iter().fold(command, |command, page| match page.command {
        "" => told(command, page),
        name if command.find_subcommand(name).is_some() => command.mut_subcommand(name, |sub| told(sub, page)),
        _ => command,
    })
}

fn told(command: Command, page: &Page) -> Command {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = format!("{about}\n\n{}", page.more);
    let mut after = String::from("Exit codes:");
    for (code, what) in pairs(page.exits) {
        let _ = write!(after, "\n  {code:<5}{what}");
    }
    after.push_str("\n\nExamples:");
    for example in page.examples.lines() {
        let _ = write!(after, "\n  {example}");
    }
    if let Some(end) = command.get_after_help() {
        let _ = write!(after, "\n\n{end}");
    }
    command.long_about(long.trim_end().to_owned()).after_long_help(after)
}

/// Lines of a word and what it means.
pub fn pairs(lines: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines.lines().map(|line| line.split_once(' ').unwrap_or((line, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_a_narrow_terminal_and_say_what_they_do() {
        for page in PAGES {
            for (code, what) in pairs(page.exits) {
                assert!((code == "otherwise" || code.parse::<u8>().is_ok()) && !what.is_empty(), "{} {code}", page.command);
            }
            for example in page.examples.lines() {
                assert!(example.contains("credd") && example.contains("  # "), "{example}");
                assert!(example.len() < 80 && example.is_ascii(), "{example}");
            }
            for also in page.also {
                assert!(super::page(also).is_some() && *also != page.command, "{} {also}", page.command);
            }
        }
    }

    #[test]
    fn a_command_that_is_not_there_is_passed_over() {
        let command = in_full(Command::new("credd").about("x").subcommand(Command::new("check").about("Tell whether")));
        let check = command.find_subcommand("check").unwrap();
        assert!(check.get_long_about().unwrap().to_string().starts_with("Tell whether\n\nSilent"));
        assert!(check.get_after_long_help().unwrap().to_string().contains("\n  3    nothing is known\n"));
        assert!(command.find_subcommand("exec").is_none());
    }
}
