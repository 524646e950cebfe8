//! A shell at a terminal, in a home of its own.

use std::process::Command;

use super::support::home::Home;
use super::support::pane::Pane;

pub const CREDD: &str = env!("CARGO_BIN_EXE_credd");
pub const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";
pub const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQ=";
pub const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

pub fn home() -> Home {
    let home = Home::new();
    home.write_config(QUIET);
    home
}

/// The shells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

impl Shell {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// A terminal with this shell, without anybody's start-up files.
    pub fn open(self, home: &Home) -> Pane<'_> {
        let is_there = Command::new(self.name()).arg("--version").output().is_ok();
        assert!(is_there, "{} is missing: run tests/setup --only shells", self.name());
        let pane = Pane::open(home, CREDD, 120);
        match self {
            Self::Bash => {}
            Self::Zsh => pane.enters("PS1='z''sh> ' exec zsh -f -i"),
            Self::Fish => pane.enters("exec fish --no-config -C 'function fish_prompt; echo -n \"fi\"\"sh> \"; end'"),
        }
        if self != Self::Bash {
            pane.until(&format!("{}>", self.name()));
        }
        pane
    }

    /// A line that runs `command`'s output here, as its documentation says.
    pub fn sources(self, command: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("eval \"$({command})\""),
            Self::Fish => format!("{command} | source"),
        }
    }

    /// A line that exports a variable.
    pub fn exports(self, name: &str, value: &str) -> String {
        match self {
            Self::Bash | Self::Zsh => format!("export {name}={value}"),
            Self::Fish => format!("set -gx {name} {value}"),
        }
    }

    /// What the last command ended with.
    pub fn status(self) -> &'static str {
        if self == Self::Fish { "$status" } else { "$?" }
    }
}
