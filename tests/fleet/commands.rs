//! The examples of `packaging/alerts`: what they send, and that it is sent again where it was refused.

use std::fs;

use serde_json::Value;

use super::receiver::{Hook, MailServer};
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::wait;
use super::{CREDD, home, program, tree};

/// A home whose key is due, with one of the examples for alert command.
fn alerting(example: &str, arguments: &[&str]) -> Home {
    for needed in ["curl", "jq", "msmtp"] {
        program(needed);
    }
    let script = tree("packaging/alerts").join(example);
    let words: Vec<String> = [script.to_str().unwrap()].iter().chain(arguments).map(|word| format!("{word:?}")).collect();
    home(26, &format!("consumers = []\n[alerts]\ndesktop = false\ncommand = [{}]\n[[keys]]\nprobe = \"off\"\n", words.join(", ")))
}

fn delivered(status: &Value) -> bool {
    status["keys"][0]["alerts_sent"][0]["delivered"] == true
}

#[test]
fn slack_is_told_again_until_it_takes_it() {
    let hook = Hook::start(2);
    let home = alerting("slack", &["/dev/null"]);
    let config = home.path().join("slack.curl");
    fs::write(&config, format!("url = \"http://127.0.0.1:{}/services/T0/B0/secret\"\n", hook.port)).unwrap();
    let text = fs::read_to_string(home.config_dir().join("credd/config.toml")).unwrap();
    home.write_config(&text.replace("/dev/null", config.to_str().unwrap()));
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the delivery", SOON, delivered);
    assert_eq!(hook.count(), 3, "refused twice, taken once");
    let inbox = hook.inbox.lock().unwrap();
    let last = inbox.last().unwrap();
    assert_eq!(last.start, "POST /services/T0/B0/secret HTTP/1.1");
    assert_eq!(last.header("content-type"), Some("application/json"));
    let said: Value = serde_json::from_slice(&last.body).unwrap();
    let text = said["text"].as_str().unwrap();
    assert!(text.starts_with("*bedrock: key expires in ") && text.ends_with("To renew it: credd renew bedrock"), "{text}");
    assert!(!daemon.log().contains("B0/secret"), "{}", daemon.log());
}

#[test]
fn ntfy_is_told_again_until_somebody_listens() {
    let hook = Hook::start(1);
    let home = alerting("ntfy", &["/dev/null"]);
    let config = home.path().join("ntfy.curl");
    fs::write(&config, format!("url = \"http://127.0.0.1:{}/my-topic\"\nheader = \"Authorization: Bearer tk_x\"\n", hook.port)).unwrap();
    let text = fs::read_to_string(home.config_dir().join("credd/config.toml")).unwrap();
    home.write_config(&text.replace("/dev/null", config.to_str().unwrap()));
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the delivery", SOON, delivered);
    let inbox = hook.inbox.lock().unwrap();
    assert_eq!(inbox.len(), 2, "refused once, taken once");
    let last = inbox.last().unwrap();
    assert_eq!((last.start.as_str(), last.header("authorization")), ("POST /my-topic HTTP/1.1", Some("Bearer tk_x")));
    assert!(last.header("title").unwrap().starts_with("bedrock: key expires in "), "{:?}", last.headers);
    assert_eq!(last.header("priority"), Some("default"));
    assert!(last.text().ends_with("To renew it: credd renew bedrock"), "{}", last.text());
}

#[test]
fn mail_is_sent_again_until_the_server_takes_it() {
    let server = MailServer::start(1);
    let home = alerting("mail", &["me@example.org", "msmtp"]);
    fs::write(
        home.path().join(".msmtprc"),
        format!("account default\nhost 127.0.0.1\nport {}\nfrom credd@example.org\ntls off\nauth off\n", server.port),
    )
    .unwrap();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the delivery", SOON, delivered);
    wait::until_true("the mail", SOON, || !server.mails.lock().unwrap().is_empty());
    assert_eq!(server.refused.lock().unwrap().len(), 1);
    let mails = server.mails.lock().unwrap();
    let (head, body) = mails[0].split_once("\n\n").unwrap();
    assert_eq!(mails.len(), 1);
    assert!(head.contains("To: me@example.org"), "{head}");
    let subject = head.lines().find_map(|line| line.strip_prefix("Subject: =?UTF-8?B?")).unwrap().strip_suffix("?=").unwrap();
    let subject = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, subject).unwrap();
    assert!(subject.starts_with(b"bedrock: key expires in "), "{subject:?}");
    assert!(body.contains("To renew it: credd renew bedrock"), "{body}");
}
