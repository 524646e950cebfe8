//! `--fix`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use crate::rig::{CREDD, Rig, VARIABLE};
use crate::support::daemon::SOON;
use crate::support::{said, wait};

fn mode(path: impl AsRef<std::path::Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn without_a_terminal_repairs_need_a_yes() {
    let rig = Rig::new("no-terminal");
    let _daemon = rig.daemon();
    fs::set_permissions(rig.home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let output = rig.output(rig.command(&["--fix"]));
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--fix --yes"), "{}", said(&output));
    assert_eq!(mode(rig.home.env_file()), 0o644);
    let output = rig.output(rig.command(&["--yes"]));
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    // `yes | credd doctor --fix`.
    fs::write(rig.path("answers"), "y\n").unwrap();
    let mut answered = rig.command(&["--fix"]);
    answered.stdin(fs::File::open(rig.path("answers")).unwrap());
    let output = rig.output(answered);
    assert_eq!((output.status.code(), mode(rig.home.env_file())), (Some(0), 0o600), "{}", said(&output));
}

#[test]
fn an_answer_to_the_first_question_alone_leaves_the_others_and_says_so() {
    let rig = Rig::new("one-answer");
    let _daemon = rig.daemon();
    rig.home.write_env(&format!("export {VARIABLE}='{}'\nexport {VARIABLE}='{}'\n", rig.old, rig.new));
    fs::set_permissions(rig.home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let before = rig.findings().all.len();
    fs::write(rig.path("answers"), "y\n").unwrap();
    let mut answered = rig.command(&["--fix", "--json"]);
    answered.stdin(fs::File::open(rig.path("answers")).unwrap());
    let output = rig.output(answered);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let left = told["findings"].as_array().unwrap().len();
    assert!(0 < left && left < before, "{before}: {}", said(&output));
}

#[test]
fn a_file_that_others_can_read_is_closed() {
    let rig = Rig::new("mode");
    let _daemon = rig.daemon();
    let real = rig.path("real");
    fs::rename(rig.home.env_file(), &real).unwrap();
    symlink("real", rig.home.env_file()).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("env-file-mode");
    assert_eq!((severity, fix), ("warning", "chmod 600 ~/.backlog-toolkit-env"));
    assert_eq!(message, "~/.backlog-toolkit-env can be read by others (mode 0644)");
    assert_eq!(mode(&real), 0o644, "nothing is repaired unasked");
    let findings = rig.findings_of(&["--json", "--fix", "--yes"]);
    assert_eq!((findings.codes(), findings.code), (vec![], 0));
    assert_eq!(mode(&real), 0o600);
    assert!(fs::symlink_metadata(rig.home.env_file()).unwrap().is_symlink());
}

#[test]
fn assignments_that_do_not_count_are_removed() {
    let rig = Rig::new("duplicates");
    let daemon = rig.daemon();
    let text = |dead: &str| format!("# keys\n{dead}export OTHER=1\nexport AWS_BEARER_TOKEN_BEDROCK='{}'\n", rig.new);
    rig.home.write_env(&text(&format!("export AWS_BEARER_TOKEN_BEDROCK='{}'\n", rig.old)));
    daemon.until("the other line", SOON, |status| status["problems"].to_string().contains("duplicate-assignment"));
    let (before, findings) = (daemon.status()["keys"][0]["fingerprint"].clone(), rig.findings());
    let (severity, message, _) = findings.one("duplicate-assignment");
    assert_eq!(severity, "warning");
    assert_eq!(message, "~/.backlog-toolkit-env assigns AWS_BEARER_TOKEN_BEDROCK on lines 2, 4: the last one counts");
    let shown = said(&rig.output(rig.command(&[])));
    assert!(shown.contains("credd doctor --fix can repair 1 of them"), "{shown}");
    let output = rig.output(rig.command(&["--fix", "--yes"]));
    assert!(said(&output).contains("line 2 was removed from ~/.backlog-toolkit-env"), "{}", said(&output));
    assert!(said(&output).contains("Nothing to fix"), "{}", said(&output));
    assert_eq!(fs::read_to_string(rig.home.env_file()).unwrap(), text(""));
    let status = daemon.until("the file to be read", SOON, |status| !status["problems"].to_string().contains("duplicate-assignment"));
    assert_eq!(status["keys"][0]["fingerprint"], before);
}

#[test]
fn on_a_terminal_each_repair_is_asked_about() {
    let rig = Rig::new("terminal");
    let _daemon = rig.daemon();
    let answered = |answer: &str| {
        fs::set_permissions(rig.home.env_file(), fs::Permissions::from_mode(0o640)).unwrap();
        let mut script = rig.home.command("script");
        script.args(["-q", "-e", "-c", &format!("{CREDD} doctor --fix"), "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = said(&output);
        let (told, asked) = text.split_once("Let nobody but you read ~/.backlog-toolkit-env? [y/N]").unwrap_or_else(|| panic!("{text}"));
        assert!(told.contains("can be read by others") && told.contains("why: whoever reads it"), "what and why come first: {text}");
        assert!(!told.contains("--fix") && !asked.contains("why: "), "nothing is said twice: {text}");
        (mode(rig.home.env_file()), output.status.code())
    };
    assert_eq!(answered("n\n"), (0o640, Some(1)));
    assert_eq!(answered("\n"), (0o640, Some(1)));
    assert_eq!(answered("y\n"), (0o600, Some(0)));
    wait::until_true("no other mode", SOON, || mode(rig.home.env_file()) == 0o600);
}
