//! The text, with and without a daemon.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::support::daemon::{Daemon, SOON};
use super::support::http::read_message;
use super::support::{run, said};
use super::{CONSUMER, CREDD, KEY, OTHER, home, program};

/// Samples, by what stands before their values.
fn value<'t>(text: &'t str, sample: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
}

const BEDROCK: &str = r#"key="bedrock",variable="AWS_BEARER_TOKEN_BEDROCK""#;

#[test]
fn says_what_the_status_says_and_counts_across_restarts() {
    let home = home(26, &format!("[alerts]\ndesktop = false\ncommand = [\"true\"]\n[[keys]]\nprobe = \"off\"\n{CONSUMER}"));
    let mut daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the alert", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
    let text = daemon.ok(&["metrics"]);
    let second = |field: &str| status["keys"][0][field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second().to_string();
    assert_eq!(value(&text, &format!("credd_key_expiry_timestamp_seconds{{{BEDROCK}}}")), Some(&*second("expires_at")));
    assert_eq!(value(&text, &format!("credd_key_issued_timestamp_seconds{{{BEDROCK}}}")), Some(&*second("issued_at")));
    assert_eq!(value(&text, &format!("credd_key_state{{{BEDROCK},state=\"due\"}}")), Some("1"));
    assert_eq!(value(&text, &format!("credd_key_state{{{BEDROCK},state=\"ok\"}}")), Some("0"));
    assert_eq!(value(&text, r#"credd_consumer_state{consumer="litellm",state="absent"}"#), Some("1"));
    assert_eq!(value(&text, r#"credd_applies_total{consumer="litellm",outcome="applied"}"#), Some("0"));
    let alerts = format!("credd_alerts_total{{{BEDROCK},reason=\"day-25\"}}");
    assert_eq!(value(&text, &alerts), Some("1"));
    assert_eq!(value(&text, "credd_up"), Some("1"));
    assert_eq!(value(&text, &format!("credd_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), Some("1"));
    let deadline: i64 = value(&text, "credd_next_deadline_timestamp_seconds").unwrap().parse().unwrap();
    assert!(deadline >= jiff::Timestamp::now().as_second() - 5, "{deadline}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for secret in [KEY, status["keys"][0]["fingerprint"].as_str().unwrap()] {
        assert!(!text.contains(secret), "{text}");
    }

    daemon.stop();
    let left = daemon.ok(&["metrics"]);
    assert_eq!((value(&left, "credd_up"), value(&left, &alerts)), (Some("0"), Some("1")));
    assert_eq!(value(&left, &format!("credd_key_state{{{BEDROCK},state=\"due\"}}")), Some("1"));
    assert!(!left.contains("\ncredd_consumer_state{"), "nobody looks: {left}");
    assert!(!left.contains("\ncredd_next_deadline"), "nothing acts: {left}");
    assert!(left.ends_with("\n# EOF\n"), "{left}");

    let daemon = Daemon::start(CREDD, &home);
    home.set_key(OTHER);
    daemon.until("the new key", SOON, |status| status["keys"][0]["state"] == "ok");
    run(std::process::Command::new("touch").args(["-d", "26 days ago"]).arg(home.env_file()));
    daemon.ok(&["issued", "bedrock", "26 days ago"]);
    daemon.until("the second alert", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
    assert_eq!(value(&daemon.ok(&["metrics"]), &alerts), Some("2"), "of all its values");
}

#[test]
fn is_served_as_open_metrics() {
    let home = home(3, "consumers = []\n");
    let _daemon = Daemon::start(CREDD, &home);
    let ask = |method: &str| {
        let mut stream = UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{method} /metrics HTTP/1.1\r\nHost: credd\r\nConnection: close\r\n\r\n").unwrap();
        read_message(&mut std::io::BufReader::new(stream)).unwrap().unwrap()
    };
    let answer = ask("GET");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.text().starts_with("# HELP credd_build_info ") && answer.text().ends_with("\n# EOF\n"), "{}", answer.text());
    let refused = ask("POST");
    assert_eq!((refused.status(), refused.header("allow"), refused.header("content-type")), (405, Some("GET"), Some("application/json")));
}

#[test]
fn nothing_known_is_nothing_said() {
    let home = super::Home::new();
    let output = home.command(CREDD).arg("metrics").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 2, "build and up alone: {text}");
    home.write_config("keys = 1\n");
    let output = home.command(CREDD).arg("metrics").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{}", said(&output));
}

#[test]
fn promtool_finds_nothing_wrong_with_text_file_and_rules() {
    let config = "[alerts]\ndesktop = false\ncommand = [\"true\"]\n[metrics]\ntextfile = \"~/credd.prom\"\n";
    let home = home(26, &format!("{config}{CONSUMER}"));
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the alert", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
    daemon.stop();
    let file = home.path().join("credd.prom");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n# TYPE credd_alerts_total counter\ncredd_alerts_total{"), "{text}");
    let output = program("promtool").args(["check", "metrics"]).stdin(fs::File::open(file).unwrap()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    let dir = super::tree("packaging/prometheus");
    run(program("promtool").args(["check", "rules", "credd.rules.yml"]).current_dir(&dir));
    run(program("promtool").args(["check", "config", "prometheus.example.yml"]).current_dir(&dir));
    run(program("promtool").args(["test", "rules", "credd.rules.test.yml"]).current_dir(&dir));
}
