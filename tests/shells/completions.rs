//! The completions, asked for by Tab.

use std::fs;
use std::process::Command;

use super::rig::{CREDD, QUIET, SHELLS, Shell, home};
use super::support::home::Home;
use super::support::pane::Pane;
use super::support::run;

/// A shell that has them.
fn open(shell: Shell, home: &Home) -> Pane<'_> {
    let pane = shell.open(home);
    match shell {
        // As Debian's package is loaded by a login shell.
        Shell::Bash => pane.enters(". /usr/share/bash-completion/bash_completion && eval \"$(credd completions bash)\" && echo load''ed"),
        Shell::Zsh => pane.enters("autoload -Uz compinit && compinit -D -u && eval \"$(credd completions zsh)\" && echo load''ed"),
        Shell::Fish => pane.enters("credd completions fish | source; and echo load''ed"),
    }
    pane.until("\nloaded\n");
    pane
}

fn completes(pane: &Pane<'_>, lines: &[(&str, &str)]) {
    for (typed, completed) in lines {
        pane.types(typed);
        pane.presses("Tab");
        pane.until(completed);
        pane.presses("C-u");
    }
}

#[test]
fn tab_completes_commands_and_options() {
    for shell in SHELLS {
        let home = home();
        let lines = [
            ("credd sta", "credd status"),
            ("credd status --sh", "credd status --short"),
            ("credd unin", "credd uninstall"),
            ("credd hook fi", "credd hook fish"),
        ];
        completes(&open(shell, &home), &lines);
    }
}

#[test]
fn tab_completes_names_programs_and_files() {
    let keys = "[[keys]]\nname = \"bedrock\"\n[[keys]]\nname = \"master\"\nvariable = \"LITELLM_MASTER_KEY\"\n";
    for shell in SHELLS {
        let home = Home::new();
        home.write_config(&format!("{keys}[[consumers]]\nname = \"proxy\"\nmatch = [\"litellm\"]\n"));
        fs::write(home.path().join("other.toml"), "[[keys]]\nname = \"elsewhere\"\n").unwrap();
        let lines = [
            ("credd check be", "credd check bedrock"),
            ("credd renew m", "credd renew master"),
            ("credd status pr", "credd status proxy"),
            // Where there is one alone, nothing need be typed.
            ("credd apply ", "credd apply proxy"),
            ("credd exec bedrock ma", "credd exec bedrock master"),
            ("credd exec master -- cred", "credd exec master -- credd"),
            ("credd exec master -- cat oth", "credd exec master -- cat other.toml"),
            ("credd --config ot", "credd --config other.toml"),
            ("credd --config other.toml snooze e", "credd --config other.toml snooze elsewhere"),
        ];
        completes(&open(shell, &home), &lines);
    }
}

/// As a package's file is: read at the first Tab, which is answered.
#[test]
fn zsh_answers_the_first_tab() {
    let home = home();
    let site = home.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("_credd"), run(Command::new(CREDD).args(["completions", "zsh"]))).unwrap();
    let pane = Shell::Zsh.open(&home);
    pane.enters("fpath=(~/site $fpath) && autoload -Uz compinit && compinit -D -u && echo load''ed");
    pane.until("\nloaded\n");
    completes(&pane, &[("credd sta", "credd status"), ("credd unin", "credd uninstall")]);
}

/// As bash and zsh ask, whose lines go on behind the cursor.
#[test]
fn the_word_at_the_cursor_is_completed() {
    let home = home();
    home.write_config(&format!("{QUIET}[[keys]]\nname = \"bedrock\"\n"));
    let line = ["--", "credd", "exec", "be", "--", "aws"];
    let mut asked = home.command(CREDD);
    asked.env("_CREDD_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2").args(line);
    assert_eq!(run(&mut asked), "bedrock");
}

#[test]
fn what_is_wrong_with_the_configuration_is_not_said_on_the_line() {
    let home = Home::new();
    home.write_config("nonsense = 1\n");
    let asked = |words: &[&str]| home.command(CREDD).env("_CREDD_COMPLETE", "fish").arg("--").args(words).output().unwrap();
    let all = asked(&["credd", "check", ""]);
    assert!(all.status.success() && all.stderr.is_empty(), "{all:?}");
    // Nothing has a name, so that options are all there is.
    let text = String::from_utf8(all.stdout).unwrap();
    assert!(text.starts_with("--within\t") && text.lines().all(|line| line.starts_with("--")), "{text}");
    let of_no_shell = home.command(CREDD).env("_CREDD_COMPLETE", "ksh").args(["--", "credd", ""]).output().unwrap();
    assert_eq!(of_no_shell.status.code(), Some(2), "{of_no_shell:?}");
}
