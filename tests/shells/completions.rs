//! The completions, asked for by Tab.

use super::rig::{SHELLS, Shell, home};

#[test]
fn tab_completes_commands_and_options() {
    for shell in SHELLS {
        let home = home();
        let pane = shell.open(&home);
        match shell {
            // As Debian's package is loaded by a login shell.
            Shell::Bash => pane.enters(". /usr/share/bash-completion/bash_completion && . <(credd completions bash) && echo load''ed"),
            Shell::Zsh => pane.enters("autoload -Uz compinit && compinit -D -u && . <(credd completions zsh) && echo load''ed"),
            Shell::Fish => pane.enters("credd completions fish | source; and echo load''ed"),
        }
        pane.until("\nloaded\n");
        let mut lines =
            vec![("credd sta", "credd status"), ("credd status --sh", "credd status --short"), ("credd unin", "credd uninstall")];
        // In fish, clap's completions know no values of words that aren't options.
        if shell != Shell::Fish {
            lines.push(("credd hook fi", "credd hook fish"));
        }
        for (typed, completed) in lines {
            pane.types(typed);
            pane.presses("Tab");
            pane.until(completed);
            pane.presses("C-u");
        }
    }
}
