//! `--stdin`, and what is known before anybody is asked.

use std::io::Write as _;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::bedrock::{BedrockStandIn, EXPIRED};
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::said;
use crate::{CREDD, NEW, OLD, QUIET, daemon, env_file, home, shows_nothing_of};

/// A key that ends in twelve hours at most.
pub fn short_term() -> String {
    let date = crate::support::run(std::process::Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]));
    let url = format!(
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=x%2F20261122%2Fus-east-1%2Fbedrock%2Faws4_request&X-Amz-Date={}&X-Amz-Expires=43200\
         &X-Amz-SignedHeaders=host&X-Amz-Signature=x&Version=1",
        date.trim()
    );
    format!("bedrock-api-key-{}", BASE64_STANDARD.encode(url))
}

/// `credd renew` with something on its standard input.
pub fn renew(home: &Home, args: &[&str], input: &str) -> Output {
    let mut child =
        home.command(CREDD).arg("renew").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn without_a_daemon_nobody_is_asked() {
    let home = Home::new();
    home.write_config(QUIET);
    let output = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&output), 3, "{}", said(&output));
    assert!(said(&output).contains("credd install"), "{}", said(&output));
}

#[test]
fn which_key_is_meant_has_to_be_clear() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    home.write_config(&format!("{QUIET}[[keys]]\n[[keys]]\nname = \"other\"\nvariable = \"OTHER\"\n"));
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the keys", SOON, |status| status["keys"][0]["state"] == "ok" && status["keys"][1]["state"] == "missing");
    let unknown = renew(&home, &["nobody", "--stdin"], NEW);
    assert_eq!(code(&unknown), 2, "{}", said(&unknown));
    assert!(said(&unknown).contains("bedrock, other"), "{}", said(&unknown));
    // The one that needs it.
    let chosen = renew(&home, &["--stdin"], "");
    assert_eq!(code(&chosen), 1, "{}", said(&chosen));
    assert!(said(&chosen).contains("other: the one key that is to be renewed"), "{}", said(&chosen));
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={OLD}\nexport OTHER=x\n"));
    daemon.until("the other key", SOON, |status| status["keys"][1]["state"] == "ok");
    let several = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&several), 2, "{}", said(&several));
    assert!(said(&several).contains("bedrock, other"), "{}", said(&several));
    // Nobody is there to be asked.
    let silent = renew(&home, &["bedrock"], NEW);
    assert_eq!(code(&silent), 2, "{}", said(&silent));
    assert!(said(&silent).contains("--stdin"), "{}", said(&silent));
}

#[test]
fn what_is_no_key_changes_nothing() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock);
    let daemon = daemon(&home);
    let before = env_file(&home);
    bedrock.forget();
    for (input, why) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("x\ny\n", "more than one line"),
        (&format!("'{NEW}'\n"), "has quotes"),
        (&NEW[..40], "isn't a whole one"),
        (&format!("{OLD}\r\n"), "is the key that is in the file already"),
        (&short_term(), "is a short-term key"),
        (&"x".repeat(100_000), "longer than any key"),
    ] {
        let output = renew(&home, &["--stdin"], input);
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(said(&output).contains(why) && said(&output).contains("nothing was changed"), "{why}: {}", said(&output));
        shows_nothing_of(NEW, &said(&output));
    }
    assert_eq!(env_file(&home), before);
    assert!(bedrock.requests().is_empty(), "somebody was asked");
    drop(daemon);
}

#[test]
fn a_key_that_bedrock_refuses_is_not_written() {
    let bedrock = BedrockStandIn::start([OLD]);
    bedrock.refuse(NEW, EXPIRED);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let before = env_file(&home);
    let output = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("nothing was changed") && said(&output).contains("it has expired"), "{}", said(&output));
    assert_eq!(env_file(&home), before);
    shows_nothing_of(NEW, &said(&output));
}

#[test]
fn a_key_from_a_pipe_is_written_and_told_of() {
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let home = home(&bedrock);
    let daemon = daemon(&home);
    let before = env_file(&home);
    let output = renew(&home, &["bedrock", "--stdin"], &format!("{NEW}\r\n"));
    assert_eq!(code(&output), 0, "{}\n{}", said(&output), daemon.log());
    assert_eq!(env_file(&home), before.replace(OLD, NEW));
    let line = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("bedrock: the new key is in ~/.backlog-toolkit-env until "), "{line}");
    assert!(line.contains("(30 days); revoke the old one (user BedrockAPIKey-old, account 123456789012): https://"), "{line}");
    let status = daemon.status();
    assert_eq!(status["keys"][0]["issued_source"], "renewed");
    assert_eq!(status["keys"][0]["state"], "ok");
    shows_nothing_of(NEW, &said(&output));
    // The old one is not taken back.
    let back = renew(&home, &["--stdin"], OLD);
    assert_eq!(code(&back), 1, "{}", said(&back));
    assert!(said(&back).contains("is an old key"), "{}", said(&back));
}

#[test]
fn a_missing_file_is_made() {
    let bedrock = BedrockStandIn::start([NEW]);
    let home = Home::new().asking(&bedrock.url());
    home.write_config(QUIET);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the file to be missed", SOON, |status| status["keys"][0]["state"] == "missing");
    let output = renew(&home, &["--stdin"], NEW);
    assert_eq!(code(&output), 0, "{}\n{}", said(&output), daemon.log());
    assert!(env_file(&home).contains(NEW));
    assert!(!said(&output).contains("revoke"), "{}", said(&output));
}

#[test]
fn what_is_in_the_way_of_a_renewal_by_itself_is_said() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let daemon = daemon(&home);
    let before = env_file(&home);
    // There is no AWS CLI, or no profile with credentials.
    let output = renew(&home, &["--iam"], "");
    assert_eq!(code(&output), 1, "{}\n{}", said(&output), daemon.log());
    assert!(output.stdout.is_empty() && said(&output).contains("credd: ") && said(&output).lines().count() >= 2, "{}", said(&output));
    assert_eq!(env_file(&home), before);
    let both = renew(&home, &["--iam", "--stdin"], "");
    assert_eq!(code(&both), 2, "{}", said(&both));
}
