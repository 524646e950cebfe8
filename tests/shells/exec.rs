//! `credd exec`.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use super::rig::{CREDD, KEY, OTHER, QUIET, home};
use super::support::home::Home;
use super::support::{run, said, wait};

fn exec(home: &Home, args: &[&str]) -> Output {
    home.command(CREDD).arg("exec").args(args).stdin(Stdio::null()).output().unwrap()
}

fn ok(home: &Home, args: &[&str]) -> String {
    let output = exec(home, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with this code, says all of this on standard error, and runs nothing.
fn refuses(home: &Home, args: &[&str], code: i32, says: &[&str]) {
    let output = exec(home, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
    assert!(output.stdout.is_empty(), "{args:?}: {}", said(&output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in says {
        assert!(text.contains(part), "{args:?} doesn't say {part:?}: {text}");
    }
    assert!(!text.contains("ABSK"), "{text}");
}

#[test]
fn what_the_file_exports_is_laid_over_the_environment() {
    let home = home();
    home.write_env(&format!("unset GONE\nUNTOLD=x\nexport AWS_BEARER_TOKEN_BEDROCK='{KEY}' MORE='a  b' \nexport WHERE=~/x\n"));
    let mut command = home.command(CREDD);
    command.env("AWS_BEARER_TOKEN_BEDROCK", "old").env("GONE", "x").env("STAYS", " as it = is\n");
    let environment = run(command.args(["exec", "--", "env", "-0"]));
    let mut found: Vec<&str> = environment.split_terminator('\0').collect();
    found.sort_unstable();
    let has = |entry: &str| found.contains(&entry);
    assert!(has(&format!("AWS_BEARER_TOKEN_BEDROCK={KEY}")) && has("MORE=a  b") && has("STAYS= as it = is\n"), "{found:?}");
    assert!(has(&format!("WHERE={}/x", home.path().display())), "{found:?}");
    assert!(!found.iter().any(|entry| entry.starts_with("GONE=") || entry.starts_with("UNTOLD=")), "{found:?}");
    // The tracked one even where it isn't exported, and any bytes as they are.
    home.write_env("export OTHER=1\nAWS_BEARER_TOKEN_BEDROCK=$'a\\nb\\n\\n'\n");
    assert_eq!(ok(&home, &["--", "sh", "-c", "printf %s \"$AWS_BEARER_TOKEN_BEDROCK\""]), "a\nb\n\n");
}

#[test]
fn it_becomes_the_command() {
    let home = home();
    home.set_key(KEY);
    // In the same process, with the same input and output, signals as they were, and its own exit code.
    let line = "echo $$; exec \"$0\" exec -- sh -c 'echo $$; cat; yes | head -n 1; grep SigIgn /proc/self/status; exit 7'";
    let mut command = home.command("sh");
    command.args(["-c", line, CREDD]).stdin(Stdio::from(fs::File::open("/proc/sys/kernel/ostype").unwrap()));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2], lines[3]), (lines[1], "Linux", "y"), "{text}");
    let plain = run(home.command("grep").args(["SigIgn", "/proc/self/status"]));
    assert_eq!(lines[4], plain.trim_end());
    assert!(output.stderr.is_empty(), "{text}");
    // Its arguments are its own, also those that credd has too.
    assert_eq!(ok(&home, &["--", "printf", "%s|", "--", "--help", "", "-q"]), "--|--help||-q|");
}

#[test]
fn names_limit_it_to_keys() {
    let home = home();
    home.set_key(KEY);
    let team = "[[keys]]\n[[keys]]\nname = \"team\"\nvariable = \"TEAM\"\nenv_file = \"~/team.env\"\n\
                [[keys]]\nname = \"beside\"\nvariable = \"BESIDE\"\nenv_file = \"~/team.env\"\n";
    home.write_config(&format!("{QUIET}{team}"));
    fs::write(home.path().join("team.env"), "export TEAM=t BESIDE=b REGION=r\n").unwrap();
    let shown = |names: &[&str]| {
        let line = "echo ${AWS_BEARER_TOKEN_BEDROCK:+k} $TEAM $BESIDE $REGION";
        ok(&home, &[names, &["--", "sh", "-c", line]].concat()).trim_end().to_owned()
    };
    assert_eq!(shown(&[]), "k t b r");
    assert_eq!(shown(&["bedrock"]), "k");
    assert_eq!(shown(&["team"]), "t r");
    assert_eq!(shown(&["beside", "bedrock"]), "k b r");
    refuses(&home, &["nobody", "--", "true"], 2, &["no key is named \"nobody\"", "bedrock, team, beside"]);
    // One that nobody asks for is in nobody's way.
    fs::remove_file(home.path().join("team.env")).unwrap();
    assert_eq!(shown(&["bedrock"]), "k");
    refuses(&home, &["--", "echo", "ran"], 1, &["~/team.env doesn't exist", "credd renew team", "credd exec NAME"]);
}

#[test]
fn two_values_for_one_variable_are_for_the_user_to_choose() {
    let home = home();
    home.set_key(KEY);
    home.write_config(&format!("{QUIET}[[keys]]\n[[keys]]\nname = \"team\"\nenv_file = \"~/team.env\"\n"));
    let team = home.path().join("team.env");
    fs::write(&team, format!("export AWS_BEARER_TOKEN_BEDROCK={OTHER}\n")).unwrap();
    refuses(&home, &["--", "echo", "ran"], 2, &["several keys give AWS_BEARER_TOKEN_BEDROCK a value", "credd exec team -- CMD"]);
    let print = ["--", "printenv", "AWS_BEARER_TOKEN_BEDROCK"];
    for (name, value) in [("team", OTHER), ("bedrock", KEY)] {
        assert_eq!(ok(&home, &[&[name], &print[..]].concat()).trim_end(), value);
    }
    fs::write(&team, format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n")).unwrap();
    assert_eq!(ok(&home, &print).trim_end(), KEY);
}

#[test]
fn what_gives_no_key_is_said_and_nothing_is_run() {
    let home = home();
    let run_it = ["--", "echo", "ran"];
    refuses(&home, &run_it, 1, &["~/.backlog-toolkit-env doesn't exist", "credd renew bedrock"]);
    for (text, says) in [
        ("", "~/.backlog-toolkit-env gives AWS_BEARER_TOKEN_BEDROCK no value"),
        ("AWS_BEARER_TOKEN_BEDROCK=ABSKx\nunset AWS_BEARER_TOKEN_BEDROCK\n", "the file unsets it"),
        ("\nexport AWS_BEARER_TOKEN_BEDROCK=\n", "~/.backlog-toolkit-env:2 assigns AWS_BEARER_TOKEN_BEDROCK the empty value"),
        (
            "X=1\nexport AWS_BEARER_TOKEN_BEDROCK=$(pass ABSKx)\n",
            "~/.backlog-toolkit-env:2 leaves AWS_BEARER_TOKEN_BEDROCK open: only running",
        ),
        ("export AWS_BEARER_TOKEN_BEDROCK=ABSK$USER\n", "depends on USER"),
        ("export AWS_BEARER_TOKEN_BEDROCK='ABSKx\n", "a shell would stop reading here"),
    ] {
        home.write_env(text);
        refuses(&home, &run_it, 1, &[says]);
    }
    fs::remove_file(home.env_file()).unwrap();
    fs::create_dir(home.env_file()).unwrap();
    refuses(&home, &run_it, 1, &["is a directory"]);
    fs::remove_dir(home.env_file()).unwrap();
    symlink(".backlog-toolkit-env", home.env_file()).unwrap();
    refuses(&home, &run_it, 1, &["leads in a circle"]);
}

#[test]
fn a_command_that_cannot_be_run_is_the_users_mistake() {
    let home = home();
    home.set_key(KEY);
    let plain = home.path().join("plain");
    fs::write(&plain, "").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o600)).unwrap();
    refuses(&home, &[], 2, &["CMD"]);
    refuses(&home, &["bedrock"], 2, &["CMD"]);
    refuses(&home, &["--"], 2, &["CMD"]);
    refuses(&home, &["--", ""], 2, &["there is no such program"]);
    refuses(&home, &["--", "no-such-program", "x"], 2, &["no-such-program can't be run: there is no such program"]);
    refuses(&home, &["--", "./plain"], 2, &["./plain can't be run"]);
    home.write_config("nonsense = 1\n");
    refuses(&home, &["--", "true"], 2, &["nonsense"]);
}

#[test]
fn a_file_in_the_middle_of_a_change_is_waited_for() {
    let home = home();
    home.set_key(KEY);
    let file = fs::File::options().write(true).open(home.env_file()).unwrap();
    let waiting = thread::scope(|scope| {
        let run = scope.spawn(|| ok(&home, &["--", "printenv", "AWS_BEARER_TOKEN_BEDROCK"]));
        wait::throughout("the command not to be run", Duration::from_millis(700), || !run.is_finished());
        // The same length, in place, as a slow writer does.
        file.write_all_at(format!("export AWS_BEARER_TOKEN_BEDROCK=\"{OTHER}\"\n").as_bytes(), 0).unwrap();
        drop(file);
        run.join().unwrap()
    });
    assert_eq!(waiting.trim_end(), OTHER);
}

#[test]
fn no_secret_is_in_any_argument() {
    let home = home();
    home.set_key(KEY);
    let trace = home.path().join("trace");
    let mut command = home.command("strace");
    command.args(["-f", "-s", "4096", "-e", "trace=execve", "-o"]).arg(&trace).args([CREDD, "exec", "--", "true"]);
    assert!(command.stdout(Stdio::null()).status().expect("strace is missing: run tests/setup --only base").success());
    let text = fs::read_to_string(&trace).unwrap();
    assert!(text.contains("\"true\"") && !text.contains(KEY), "{text}");
    // Not one process more.
    let pids: std::collections::BTreeSet<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(pids.len(), 1, "{text}");
}
