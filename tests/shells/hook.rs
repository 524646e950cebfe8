//! `credd hook`.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};

use super::rig::{CREDD, KEY, OTHER, SHELLS, Shell, home};
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::pane::Pane;
use super::support::{run, wait};

const ANEW: &str = "anew from ~/.backlog-toolkit-env";

/// Everything that a value must survive: text that is code, quotes, newlines at the end.
const ODD: &str = "$(touch pwned) `touch pwned` \"q\" \\n * ü\nb\n\n";

fn odd_file(key: &str) -> String {
    format!("export AWS_BEARER_TOKEN_BEDROCK='{key}'\nexport ODD='{ODD}'\nexport ELSEWHERE=new\n")
}

/// A shell with the hook, and the old key in its environment.
fn hooked(shell: Shell, home: &Home) -> Pane<'_> {
    let pane = shell.open(home);
    pane.enters(&shell.exports("AWS_BEARER_TOKEN_BEDROCK", KEY));
    pane.enters(&shell.exports("ODD", "old"));
    pane.enters(&shell.sources(&format!("credd hook {}", shell.name())));
    settles(&pane, shell);
    pane
}

/// Another prompt has come.
fn settles(pane: &Pane<'_>, shell: Shell) {
    let mark = format!("m{}", pane.shown().matches("mark-").count());
    let (front, back) = ("mark", format!("-{mark}"));
    pane.enters(&format!("echo '{front}''{back}'; {}", if shell == Shell::Fish { "true" } else { ":" }));
    pane.until(&format!("\n{front}{back}\n"));
    // What is typed now is read at the next prompt.
    pane.enters(&format!("echo '{front}x''{back}'"));
    pane.until(&format!("\n{front}x{back}\n"));
}

/// Writes a variable's bytes to a file, and gives them.
fn value(pane: &Pane<'_>, home: &Home, name: &str) -> String {
    let out = home.path().join("value");
    let _ = fs::remove_file(&out);
    pane.enters(&format!("printf %s \"${name}\" >value.new; mv value.new value"));
    wait::until("the value", SOON, || fs::read_to_string(&out).ok())
}

#[test]
fn an_open_shell_has_the_new_key_at_its_next_prompt() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let pane = hooked(shell, &home);
        assert!(!pane.shown().contains("credd:"), "{shell:?}: {}", pane.shown());

        home.write_env(&odd_file(OTHER));
        pane.enters("");
        pane.until(&format!("credd: this shell has AWS_BEARER_TOKEN_BEDROCK, ODD {ANEW}"));
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), OTHER, "{shell:?}");
        assert_eq!(value(&pane, &home, "ODD"), ODD, "{shell:?}");
        assert_eq!(value(&pane, &home, "ELSEWHERE"), "", "{shell:?}: it wasn't in this shell");
        assert!(!home.path().join("pwned").exists(), "{shell:?}");
        // Exported as before.
        pane.enters("printenv AWS_BEARER_TOKEN_BEDROCK | sed 's/^/child /'");
        pane.until(&format!("child {OTHER}"));
        // Said once.
        settles(&pane, shell);
        assert_eq!(pane.shown().matches(ANEW).count(), 1, "{shell:?}: {}", pane.shown());

        // A file with an older date counts as well, and so does one that was gone for a while.
        home.write_env(&odd_file(KEY));
        run(Command::new("touch").args(["-d", "3 days ago"]).arg(home.env_file()));
        pane.enters("");
        pane.until_count(ANEW, 2);
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), KEY, "{shell:?}");
        fs::remove_file(home.env_file()).unwrap();
        pane.enters("");
        pane.until("credd: this shell keeps what it has: ~/.backlog-toolkit-env doesn't exist");
        home.write_env(&odd_file(OTHER));
        pane.enters("");
        pane.until_count(ANEW, 3);
        // The same value once more is no news.
        home.write_env(&odd_file(OTHER));
        settles(&pane, shell);
        assert_eq!(pane.shown().matches(ANEW).count(), 3, "{shell:?}: {}", pane.shown());
    }
}

#[test]
fn a_file_that_is_still_written_is_taken_at_a_later_prompt() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let pane = hooked(shell, &home);
        // In place, as a slow writer does.
        let file = fs::File::options().write(true).open(home.env_file()).unwrap();
        file.write_all_at(format!("export AWS_BEARER_TOKEN_BEDROCK=\"{OTHER}\"\n").as_bytes(), 0).unwrap();
        settles(&pane, shell);
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), KEY, "{shell:?}");
        drop(file);
        pane.enters("");
        pane.until(ANEW);
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), OTHER, "{shell:?}");
        assert!(!pane.shown().contains("keeps what it has"), "{shell:?}: {}", pane.shown());
    }
}

#[test]
fn places_that_were_named_are_kept() {
    let home = home();
    home.set_key(KEY);
    let state = home.path().join("it's state");
    for shell in SHELLS {
        let pane = shell.open(&home);
        pane.enters(&shell.exports("AWS_BEARER_TOKEN_BEDROCK", KEY));
        pane.enters(&shell.sources(&format!("credd --state-dir \"{}\" hook {}", state.display(), shell.name())));
        settles(&pane, shell);
        home.set_key(OTHER);
        pane.enters("");
        pane.until(ANEW);
        home.set_key(KEY);
        drop(pane);
        // Of shells that have ended, nothing stays once another begins; and nothing is for others to see.
        wait::until_true("the shell to end", SOON, || {
            run(home.command(CREDD).arg("--state-dir").arg(&state).args(["hook", shell.name()]));
            fs::read_dir(state.join("shells")).unwrap().count() == 0
        });
        let modes = run(Command::new("find").arg(&state).args(["-perm", "/077"]));
        assert_eq!(modes, "", "{shell:?}");
    }
    assert!(!home.state_dir().join("credd").exists());
}

#[test]
fn a_broken_file_is_told_of_once_and_changes_nothing() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let pane = hooked(shell, &home);
        home.write_env("export X=1\nexport AWS_BEARER_TOKEN_BEDROCK=\"ABSKsecret\n");
        pane.enters("");
        pane.until("credd: this shell keeps what it has: ~/.backlog-toolkit-env:2 leaves AWS_BEARER_TOKEN_BEDROCK open");
        settles(&pane, shell);
        assert_eq!(pane.shown().matches("keeps what it has").count(), 1, "{shell:?}: {}", pane.shown());
        assert!(!pane.shown().contains("ABSKsecret"), "{shell:?}: {}", pane.shown());
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), KEY, "{shell:?}");
        // So is a broken configuration, after which the hook goes on.
        let config = fs::read_to_string(home.config_dir().join("credd/config.toml")).unwrap();
        home.write_config("nonsense = 1\n");
        pane.enters("");
        pane.until("nonsense");
        home.write_config(&config);
        settles(&pane, shell);
        home.set_key(OTHER);
        pane.enters("");
        pane.until(ANEW);
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), OTHER, "{shell:?}");
    }
}

#[test]
fn a_due_key_is_told_of_once_a_day() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let daemon = Daemon::start(CREDD, &home);
        daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
        let pane = hooked(shell, &home);
        assert!(!pane.shown().contains("credd:"), "{shell:?}: {}", pane.shown());
        daemon.ok(&["issued", "bedrock", "26 days ago"]);
        pane.enters("");
        pane.until("credd: bedrock: 4 days left; renew it with: credd renew bedrock");
        daemon.ok(&["issued", "bedrock", "27 days ago"]);
        settles(&pane, shell);
        assert_eq!(pane.shown().matches("renew it with").count(), 1, "{shell:?}: {}", pane.shown());
        // The next day it is told again.
        match shell {
            Shell::Bash | Shell::Zsh => pane.enters("__credd_told=2026-01-01 __credd_until=1"),
            Shell::Fish => pane.enters("set -g __credd_told 2026-01-01; set -g __credd_until 1"),
        }
        pane.until_count("renew it with", 2);
        settles(&pane, shell);
        assert_eq!(pane.shown().matches("renew it with").count(), 2, "{shell:?}: {}", pane.shown());
        // A new shell is told at its first prompt, unless reminders are snoozed.
        let pane = hooked(shell, &home);
        pane.until("credd: bedrock: 3 days left");
        drop(pane);
        daemon.ok(&["snooze", "bedrock", "1d"]);
        let pane = hooked(shell, &home);
        assert!(!pane.shown().contains("days left"), "{shell:?}: {}", pane.shown());
    }
}

#[test]
fn exit_codes_options_and_other_hooks_stay_as_they_are() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let pane = shell.open(&home);
        // Somebody else's, before and after; and twice.
        match shell {
            Shell::Bash => pane.enters("PROMPT_COMMAND='echo other-one; '"),
            Shell::Zsh => pane.enters("other() { echo other-one }; precmd_functions+=(other)"),
            Shell::Fish => pane.enters("function other --on-event fish_prompt; echo other-one; end"),
        }
        let load = shell.sources(&format!("credd hook {}", shell.name()));
        pane.enters(&load);
        pane.enters(&load);
        pane.enters(&shell.exports("AWS_BEARER_TOKEN_BEDROCK", KEY));
        settles(&pane, shell);
        let fails = if shell == Shell::Fish { "sh -c 'exit 7'" } else { "(exit 7)" };
        pane.enters(fails);
        pane.enters(&format!("echo was-{}", shell.status()));
        pane.until("was-7");
        home.set_key(OTHER);
        pane.enters(fails);
        pane.enters(&format!("echo then-{}", shell.status()));
        pane.until("then-7");
        assert_eq!(pane.shown().matches(ANEW).count(), 1, "{shell:?}: {}", pane.shown());
        assert!(pane.shown().matches("\nother-one").count() >= 5, "{shell:?}: {}", pane.shown());
        if shell == Shell::Fish {
            continue;
        }
        // Where a failure ends the shell, the hook has none; nor does it mind unset variables, or show values in a trace.
        pane.enters("set -eu; (exit 7) || true");
        home.set_key(KEY);
        pane.enters("");
        pane.until_count(ANEW, 2);
        settles(&pane, shell);
        pane.enters("set +eu; set -x");
        home.set_key(OTHER);
        pane.enters("");
        pane.until_count(ANEW, 3);
        pane.enters("set +x; clear");
        assert!(!pane.shown().contains(OTHER), "{shell:?}: {}", pane.shown());
    }
    // An array, which bash has since 5.1.
    let home = home();
    home.set_key(KEY);
    let pane = Shell::Bash.open(&home);
    pane.enters("PROMPT_COMMAND=(true 'echo of-array')");
    pane.enters("eval \"$(credd hook bash)\"; eval \"$(credd hook bash)\"; echo \"now ${PROMPT_COMMAND[*]@Q}\"");
    pane.until("now '__credd_hook' 'true' 'echo of-array'");
}

/// What a shell does that is of other processes, by strace.
struct Trace<'h> {
    home: &'h Home,
    child: Child,
}

impl<'h> Trace<'h> {
    fn of(pane: &Pane<'_>, home: &'h Home, shell: Shell) -> Self {
        let pid = if shell == Shell::Fish { "$fish_pid" } else { "$$" };
        pane.enters(&format!("echo {pid} >pid.new; mv pid.new pid"));
        let pid = wait::until("the shell's number", SOON, || fs::read_to_string(home.path().join("pid")).ok());
        let mut command = home.command("strace");
        command.args(["-f", "-q", "-e", "trace=execve,fork,vfork,clone,clone3", "-o"]).arg(home.path().join("trace"));
        command.args(["-p", pid.trim()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("strace: {error}: run tests/setup --only base"));
        let is_traced = || {
            let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        wait::until_true("the shell to be followed", SOON, is_traced);
        Self { home, child }
    }

    /// New processes (not threads, which fish has) and programs that were run.
    fn processes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.home.path().join("trace")).unwrap_or_default();
        let is_process = |line: &&str| {
            !line.contains("CLONE_THREAD") && ["execve(", "fork(", "clone(", "clone3("].iter().any(|call| line.contains(call))
        };
        text.lines().filter(is_process).map(str::to_owned).collect()
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nothing_is_run_at_an_unchanged_prompt() {
    for shell in SHELLS {
        let home = home();
        home.set_key(KEY);
        let pane = hooked(shell, &home);
        let trace = Trace::of(&pane, &home, shell);
        settles(&pane, shell);
        settles(&pane, shell);
        assert_eq!(trace.processes(), Vec::<String>::new(), "{shell:?}");
        // And that would have been seen.
        home.set_key(OTHER);
        pane.enters("");
        pane.until(ANEW);
        let processes = trace.processes();
        assert!(processes.iter().any(|line| line.contains("\"--look\"")), "{shell:?}: {processes:?}");
        assert!(!processes.iter().any(|line| line.contains(OTHER)), "{shell:?}: {processes:?}");
    }
}

#[test]
fn keys_of_several_files_are_kept_apart() {
    let home = home();
    home.set_key(KEY);
    home.write_config(&format!(
        "{}[[keys]]\n[[keys]]\nname = \"team\"\nenv_file = \"~/it's team.env\"\n[[keys]]\nname = \"own\"\nvariable = \"OWN\"\nenv_file = \"~/it's team.env\"\n",
        super::rig::QUIET
    ));
    let team = home.path().join("it's team.env");
    let write =
        |own: &str| fs::write(&team, format!("export AWS_BEARER_TOKEN_BEDROCK={OTHER}\nexport OWN={own}\nexport BESIDE={own}\n")).unwrap();
    write("one");
    for shell in SHELLS {
        write("one");
        let pane = shell.open(&home);
        for (name, value) in [("AWS_BEARER_TOKEN_BEDROCK", KEY), ("OWN", "one"), ("BESIDE", "one")] {
            pane.enters(&shell.exports(name, value));
        }
        pane.enters(&shell.sources(&format!("credd hook {}", shell.name())));
        settles(&pane, shell);
        write("two");
        pane.enters("");
        pane.until("credd: this shell has BESIDE, OWN anew from ~/it's team.env");
        pane.until("other tracked files give AWS_BEARER_TOKEN_BEDROCK a value too");
        assert_eq!(value(&pane, &home, "AWS_BEARER_TOKEN_BEDROCK"), KEY, "{shell:?}");
        assert_eq!(value(&pane, &home, "OWN") + &value(&pane, &home, "BESIDE"), "twotwo", "{shell:?}");
    }
}
