//! The daemon, the configuration, and what status says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rig::{QUIET, Rig};
use crate::support::daemon::SOON;
use crate::support::said;

#[test]
fn where_all_is_well_it_says_so() {
    let rig = Rig::new("well");
    let _daemon = rig.daemon();
    let output = rig.output(rig.command(&[]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("Nothing to fix: "), "{}", said(&output));
    assert!(rig.findings().all.is_empty());
}

#[test]
fn without_a_daemon_that_is_an_error_and_the_rest_is_checked() {
    let rig = Rig::new("no-daemon");
    let findings = rig.findings();
    let (severity, _, fix) = findings.one("daemon-not-running");
    assert_eq!((severity, findings.code), ("error", 1));
    assert!(fix.contains("credd install"), "{fix}");

    let mut daemon = rig.replaced();
    assert_eq!(rig.findings().all_of("daemon-not-running"), []);
    rig.write(".bashrc", &format!("export KEY={}\n", rig.old));
    daemon.kill();
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["daemon-not-running", "old-key-in-file", "old-key-not-revoked"]);
    let output = rig.output(rig.command(&[]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("✗ error: daemon-not-running\n  no daemon answers at "), "{text}");
    assert!(text.contains("\n\n! warning: old-key-in-file\n  ~/.bashrc:1 still has"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_wrong_configuration_is_a_finding() {
    let rig = Rig::new("config");
    rig.home.write_config("[alerts]\nremid = \"x\"\n");
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["config-invalid", "checks-left-out"]);
    let (severity, message, _) = findings.one("config-invalid");
    assert_eq!(severity, "error");
    assert!(message.contains("config.toml:2:1"), "{message}");
}

#[test]
fn what_status_lists_is_a_finding_too() {
    let rig = Rig::new("status");
    let daemon = rig.daemon();
    let keys = "export AWS_ACCESS_KEY_ID=planted AWS_SECRET_ACCESS_KEY=planted\n";
    rig.home.write_env(&format!("{keys}export AWS_BEARER_TOKEN_BEDROCK='{}'\n", rig.new));
    daemon.until("the static keys", SOON, |status| status["problems"].to_string().contains("static-aws-keys"));
    assert_eq!(rig.findings().codes(), ["static-aws-keys"]);
    daemon.ok(&["issued", "bedrock", "31 days ago"]);
    assert_eq!(rig.findings().codes(), ["key-expired", "static-aws-keys"]);
}

#[test]
fn a_key_for_another_region_is_told() {
    let mut rig = Rig::new("region");
    let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("planted%2F{}%2Feu-central-1%2Fbedrock%2Faws4_request", &date[..8]);
    let url = format!(
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential={scope}&X-Amz-Date={date}&X-Amz-Expires=43200&Version=1"
    );
    rig.new = format!("bedrock-api-key-{}", STANDARD.encode(url));
    let daemon = rig.daemon();
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("region-mismatch");
    assert_eq!(severity, "warning");
    assert!(message.contains("for eu-central-1") && message.contains("us-east-1"), "{message}");
    assert!(fix.starts_with("set region = \"eu-central-1\""), "{fix}");
    rig.home.write_config(&format!("{QUIET}[[keys]]\nregion = \"eu-central-1\"\n"));
    daemon.until("the configuration", SOON, |status| status["keys"][0]["state"] == "ok");
    assert!(rig.findings().all.is_empty());
}

#[test]
fn an_iam_that_can_t_be_asked_is_a_note() {
    let rig = Rig::new("iam");
    rig.home.write_config(&format!("{QUIET}[[keys]]\niam = \"read\"\naws_profile = \"planted\"\n"));
    let daemon = rig.daemon();
    daemon.until("the question", SOON, |status| status["keys"][0]["iam"]["trouble"].is_object());
    let findings = rig.findings();
    assert_eq!((findings.one("iam-unavailable").0, findings.codes().len(), findings.code), ("info", 1, 0));
}
