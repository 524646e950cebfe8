//! What is in the way of asking, provoked for real with both versions of the CLI.

use std::thread;

use credd::core::Trouble as Told;
use jiff::SignedDuration;

use crate::rig::{Rig, USER, VERSION_1, VERSIONS};
use crate::support::iam::Trouble;

/// Profile, a part of what is said, a part of the fix, whether it is about signing in.
type Case = (Option<&'static str>, &'static str, &'static str, bool);

fn expect(told: &Told, (profile, detail, fix, sign_in): Case) {
    assert!(told.detail.contains(detail) && told.fix.contains(fix) && told.sign_in == sign_in, "{profile:?}: {told:?}");
}

#[test]
fn profiles_that_do_not_work() {
    let cases: [Case; 9] = [
        (Some("nobody"), "no profile nobody", "list-profiles", false),
        (Some("bare"), "the AWS profile bare has no credentials", "aws configure --profile bare", false),
        (None, "the AWS CLI's default profile has no", "aws configure", false),
        (Some("mfa"), "asks for an MFA code", "aws sts get-caller-identity --profile mfa", true),
        (Some("sso"), "isn't signed in", "aws sso login --profile sso", true),
        (Some("sso-plain"), "isn't signed in", "aws sso login --profile sso-plain", true),
        (Some("orphan"), "refers to another one", "~/.aws/config", false),
        (Some("program"), "can't get the credentials", "--profile program", false),
        (Some("login"), "login", "", false),
    ];
    thread::scope(|scope| {
        for version in VERSIONS {
            scope.spawn(move || {
                let rig = Rig::new();
                rig.install(version);
                rig.set_key(&rig.iam.add_key(USER, Some(30)));
                for case in cases {
                    let told = rig.trouble(case.0);
                    if case.0 == Some("login") {
                        // Of version 2 alone, and version 1 says that it lacks a part for it.
                        assert!(!told.detail.is_empty() && !told.fix.is_empty(), "{told:?}");
                    } else {
                        expect(&told, case);
                    }
                }
                assert!(rig.iam.asked().is_empty(), "{:?}", rig.iam.asked());
            });
        }
    });
}

#[test]
fn what_aws_refuses() {
    const LIST: &str = "ListServiceSpecificCredentials";
    thread::scope(|scope| {
        for version in VERSIONS {
            scope.spawn(move || {
                let rig = Rig::new();
                rig.install(version);
                rig.set_key(&rig.iam.add_key(USER, Some(30)));
                let told = |trouble| {
                    rig.iam.trouble(LIST, trouble);
                    rig.trouble(Some("dev"))
                };
                let action = "iam:ListServiceSpecificCredentials";
                expect(&told(Trouble::Denied), (None, action, action, false));
                expect(&told(Trouble::Throttled(u32::MAX)), (None, "too many requests", "wait", false));
                expect(&told(Trouble::Fails), (None, "failed at AWS", "wait", false));
                expect(&told(Trouble::DoneUnanswered), (None, "doesn't answer", "network", false));
                // A role's session that has ended.
                rig.iam.session(SignedDuration::from_hours(-1));
                expect(&rig.trouble(Some("role")), (None, "has ended", "sign in", true));
                rig.iam.trouble(LIST, Trouble::Throttled(1));
                // A single refusal is the CLI's own to overcome.
                if version == VERSION_1 {
                    rig.found();
                } else {
                    // The stable Debian's version 2 is from before keys had names.
                    expect(&rig.trouble(Some("dev")), (None, "too old", "version 2 of today", false));
                }
            });
        }
    });
}

#[test]
fn a_user_whom_iam_does_not_know() {
    let rig = Rig::new();
    rig.set_value(&rig.iam.key_of_nobody("gone"));
    let told = rig.trouble(Some("dev"));
    assert!(told.detail.contains("none of the keys"), "{told:?}");
    // Who may see no others is told of this one.
    rig.iam.trouble("all-users", Trouble::Denied);
    let told = rig.trouble(Some("dev"));
    assert!(told.detail.contains("The user with name gone cannot be found"), "{told:?}");
}

#[test]
fn no_cli_no_network_and_one_that_misbehaves() {
    let rig = Rig::new().env("AWS_ENDPOINT_URL_IAM", "http://127.0.0.1:9");
    rig.set_key(&rig.iam.add_key(USER, Some(30)));
    expect(&rig.trouble(Some("dev")), (None, "can't be reached", "AWS_ENDPOINT_URL_IAM", false));
    rig.script("echo '{\"ServiceSpecificCredentials\": [{\"UserName\": 7, \"Secret\": \"planted-secret\"}]}'");
    expect(&rig.trouble(Some("dev")), (None, "doesn't understand", "aws iam", false));
    // One from before keys had names.
    let nameless = r#"{"UserName": "u", "Status": "Active", "CreateDate": "2026-01-01T00:00:00Z", "ServiceSpecificCredentialId": "ACCA"}"#;
    rig.script(&format!("echo '{{\"ServiceSpecificCredentials\": [{nameless}]}}'"));
    expect(&rig.trouble(Some("dev")), (None, "too old", "version 2 of today", false));
    rig.script("echo 'it is wJalrXUtnFEMI/K7MDENG/bPxRfiCYplanted01' >&2; exit 3");
    expect(&rig.trouble(Some("dev")), (None, "it is …", "get-caller-identity", false));
    rig.script("yes | head -c 3000000");
    expect(&rig.trouble(Some("dev")), (None, "more than a megabyte", "", false));
    rig.script("kill -9 $$");
    expect(&rig.trouble(Some("dev")), (None, "signal 9", "", false));
    std::fs::remove_file(rig.path("bin/aws")).unwrap();
    expect(&rig.trouble(Some("dev")), (None, "the AWS CLI isn't on credd's PATH", "install", false));
}
