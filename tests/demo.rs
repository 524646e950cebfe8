//! The demo plays, as the README says to start it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

use std::process::Command;

fn play(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", "demo"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.arg("--").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    for line in ["key expires in 5 days", "$ credd status", "bedrock     due", "process ", "$ credd history", "every step was seen"] {
        assert!(said.contains(line), "no {line:?} in:\n{said}");
    }
    said
}

#[test]
fn it_plays_with_everything_real() {
    let said = play(&["--litellm", "real", "--desktop", "private"]);
    assert!(said.contains("[Renew] [Remind me tomorrow]") && said.contains("The popup is gone"), "{said}");
    assert_eq!(said.matches("stand-in").count(), 2, "only Bedrock's, which the completion quotes:\n{said}");
}

#[test]
fn it_plays_where_only_rust_is() {
    let said = play(&["--litellm", "stand-in", "--desktop", "none"]);
    assert!(said.contains("No popup here"), "{said}");
}
