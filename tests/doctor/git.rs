//! Env files in git.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::Rig;
use crate::support::daemon::SOON;
use crate::support::{run, said};

fn git(rig: &Rig, dir: &Path, words: &[&str]) {
    let identity = ["-c", "user.name=planted", "-c", "user.email=planted@example.com", "-c", "commit.gpgsign=false"];
    run(rig.home.command("git").args(identity).arg("-C").arg(dir).args(words));
}

fn initialised(rig: &Rig) -> PathBuf {
    let dir = rig.path("dotfiles");
    fs::create_dir(&dir).unwrap();
    git(rig, &dir, &["init", "-q", "."]);
    dir
}

/// A repository that has the env file, which is a link to it.
fn repository(rig: &Rig) -> PathBuf {
    let dir = initialised(rig);
    move_to(rig, &dir);
    dir
}

fn move_to(rig: &Rig, dir: &Path) {
    fs::rename(rig.home.env_file(), dir.join("keys")).unwrap();
    symlink("dotfiles/keys", rig.home.env_file()).unwrap();
}

#[test]
fn an_env_file_in_git_is_an_error_and_stays_one_in_its_history() {
    let rig = Rig::new("git");
    let _daemon = rig.daemon();
    let dir = repository(&rig);
    assert_eq!(rig.findings().codes(), ["env-file-not-ignored"], "nothing was committed");
    git(&rig, &dir, &["add", "keys"]);
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("env-file-tracked");
    assert_eq!((severity, findings.code), ("error", 1));
    assert_eq!(message, "~/dotfiles/keys is tracked by git");
    assert!(fix.contains("git -C ~/dotfiles rm --cached keys"), "{fix}");

    git(&rig, &dir, &["commit", "-q", "-m", "one"]);
    git(&rig, &dir, &["rm", "-q", "--cached", "keys"]);
    git(&rig, &dir, &["commit", "-q", "-m", "two"]);
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["env-file-in-history", "env-file-not-ignored"], "the next `git add .` takes it again");
    let (severity, message, fix) = findings.one("env-file-in-history");
    assert_eq!((severity, fix), ("warning", "renew the key, then revoke the one that is there"));
    assert!(message.contains("with a key that may still be accepted"), "{message}");
    assert_eq!(rig.findings_of(&["--json", "--fix", "--yes"]).codes(), ["env-file-in-history"]);
    git(&rig, &dir, &["check-ignore", "-q", "keys"]);
}

/// A repository that once had the old key, and has the env file in it.
fn with_old(rig: &Rig) {
    let dir = initialised(rig);
    fs::write(dir.join("keys"), format!("export AWS_BEARER_TOKEN_BEDROCK='{}'\n", rig.old)).unwrap();
    git(rig, &dir, &["add", "keys"]);
    git(rig, &dir, &["commit", "-q", "-m", "one"]);
    git(rig, &dir, &["rm", "-q", "--cached", "keys"]);
    git(rig, &dir, &["commit", "-q", "-m", "two"]);
    move_to(rig, &dir);
}

#[test]
fn a_replaced_key_in_the_history_is_to_be_revoked_and_no_other_renewed() {
    let rig = Rig::new("replaced");
    let _daemon = rig.replaced();
    with_old(&rig);
    let findings = rig.findings();
    let (severity, _, fix) = findings.one("env-file-in-history");
    let expected = "revoke the key that is there, once nothing runs with it: it was replaced already";
    assert_eq!((severity, fix), ("warning", expected), "{:#?}", findings.all);
}

#[test]
fn the_daemon_sees_it_as_well_and_that_it_is_mended() {
    let rig = Rig::new("git-daemon");
    let daemon = rig.daemon();
    let dir = repository(&rig);
    git(&rig, &dir, &["add", "keys"]);
    // A look at the file: nobody tells of what git does.
    fs::set_permissions(dir.join("keys"), Permissions::from_mode(0o600)).unwrap();
    let problem = |status: &Value| status["problems"].as_array()?.iter().find(|problem| problem["code"] == "env-file-tracked").cloned();
    let status = daemon.until("the problem", SOON, |status| problem(status).is_some());
    let told = problem(&status).unwrap();
    assert_eq!((&told["message"], &told["severity"]), (&json!("~/dotfiles/keys is tracked by git"), &json!("error")));
    assert!(told["fix"].as_str().unwrap().starts_with("git -C ~/dotfiles rm --cached keys, "), "{told}");
    git(&rig, &dir, &["rm", "-q", "--cached", "keys"]);
    daemon.until("the mending", SOON, |status| problem(status).is_none());
}

#[test]
fn a_history_of_keys_that_have_ended_is_a_note() {
    let rig = Rig::new("blank");
    let _daemon = rig.ended();
    with_old(&rig);
    let findings = rig.findings();
    assert_eq!(findings.one("env-file-in-history").0, "info", "{:#?}", findings.all);
}

#[test]
fn a_bare_repository_for_the_home_directory_counts() {
    let rig = Rig::new("bare");
    let _daemon = rig.daemon();
    let home = rig.home.path();
    let repository = rig.path(".cfg");
    run(rig.home.command("git").args(["init", "-q", "--bare"]).arg(&repository));
    assert_eq!(rig.findings().codes(), [""; 0]);
    let mut add = rig.home.command("git");
    run(add.arg("--git-dir").arg(&repository).arg("--work-tree").arg(home).args(["add", ".backlog-toolkit-env"]));
    let findings = rig.findings();
    let (severity, _, fix) = findings.one("env-file-tracked");
    assert_eq!(severity, "error");
    let command = fix.split_once(", ").unwrap().0;
    run(rig.home.command("sh").args(["-c", command]));
    assert_eq!(rig.findings().codes(), [""; 0], "{command}");
}

#[test]
fn nothing_that_a_repository_names_is_run() {
    let rig = Rig::new("hooks");
    let _daemon = rig.daemon();
    let dir = repository(&rig);
    git(&rig, &dir, &["add", "keys"]);
    git(&rig, &dir, &["commit", "-q", "-m", "one"]);
    let script = rig.write("script", &format!("#!/bin/sh\ntouch {}\n", rig.path("ran").display()));
    run(std::process::Command::new("chmod").arg("+x").arg(&script));
    for name in ["core.fsmonitor", "gpg.program", "core.pager", "core.sshCommand"] {
        git(&rig, &dir, &["config", name, script.to_str().unwrap()]);
    }
    git(&rig, &dir, &["config", "log.showSignature", "true"]);
    rig.findings().one("env-file-tracked");
    assert!(!rig.path("ran").exists());
    // The same without the caution shows that this would have told.
    let _ = rig.home.command("git").arg("-C").arg(&dir).arg("status").output().unwrap();
    assert!(rig.path("ran").exists());
}

#[test]
fn a_file_that_the_next_add_would_take_is_ignored_from_then_on() {
    let rig = Rig::new("ignored");
    let _daemon = rig.daemon();
    let dir = repository(&rig);
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("env-file-not-ignored");
    assert_eq!((severity, findings.code), ("warning", 1));
    assert_eq!(message, "~/dotfiles/keys is in a git repository and not ignored there");
    assert_eq!(fix, "put /keys into the .gitignore beside it");
    // Git follows no link there, and neither does the repair.
    symlink("elsewhere", dir.join(".gitignore")).unwrap();
    fs::write(dir.join("elsewhere"), "mine").unwrap();
    let output = rig.output(rig.command(&["--fix", "--yes"]));
    assert!(said(&output).contains(".gitignore is no plain file"), "{}", said(&output));
    assert_eq!(fs::read_to_string(dir.join("elsewhere")).unwrap(), "mine");
    fs::remove_file(dir.join(".gitignore")).unwrap();

    fs::write(dir.join(".gitignore"), "*.log\n!keys").unwrap();
    let findings = rig.findings_of(&["--json", "--fix", "--yes"]);
    assert_eq!((findings.codes(), findings.code), (vec![], 0));
    assert_eq!(fs::read_to_string(dir.join(".gitignore")).unwrap(), "*.log\n!keys\n/keys\n");
    git(&rig, &dir, &["check-ignore", "-q", "keys"]);
}

#[test]
fn a_strange_name_is_ignored_as_it_is() {
    let rig = Rig::new("strange");
    let _daemon = rig.daemon();
    let dir = initialised(&rig);
    fs::rename(rig.home.env_file(), dir.join("my [*] keys ")).unwrap();
    symlink("dotfiles/my [*] keys ", rig.home.env_file()).unwrap();
    assert_eq!(rig.findings_of(&["--json", "--fix", "--yes"]).codes(), [""; 0]);
    fs::write(dir.join("my x keys "), "").unwrap();
    let left = run(rig.home.command("git").arg("-C").arg(&dir).args(["status", "--porcelain"]));
    assert!(left.contains("my x keys") && !left.contains('*'), "{left}");
}
