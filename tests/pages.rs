//! All text that people read, as it looks: on 80 columns and on 40, without colour, in a locale that has ASCII alone, and where a
//! terminal can draw nothing (a screen reader's). The time stands still (`faketime`), and a stand-in answers as the daemon.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod support;

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::golden;
use support::home::Home;
use support::http::read_message;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const NOW: &str = "2026-11-22 15:00:00";

/// What preloads a clock that stands still.
fn clock() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().flatten().map(|dir| dir.path().join("faketime/libfaketime.so.1"));
    found.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("libfaketime is missing: run tests/setup --only pages"))
}

/// How somebody looks at it.
struct Eye {
    name: &'static str,
    /// On a terminal of so many; off one.
    columns: Option<u32>,
    environment: &'static [(&'static str, &'static str)],
}

const EYES: [Eye; 4] = [
    Eye { name: "80 columns", columns: None, environment: &[] },
    Eye { name: "40 columns", columns: Some(40), environment: &[("NO_COLOR", "1"), ("TERM", "xterm")] },
    Eye { name: "ASCII", columns: None, environment: &[("LANG", "C")] },
    Eye { name: "nothing to draw with", columns: Some(80), environment: &[("TERM", "dumb")] },
];

/// What a command says, with its exit code.
fn said(home: &Home, eye: &Eye, arguments: &str) -> String {
    let line = format!("{CREDD} {arguments}");
    let mut command = home.command("sh");
    match eye.columns {
        None => command.args(["-c", &format!("exec {line} 2>&1")]),
        // A terminal's lines end in CR LF.
        Some(columns) => {
            command = home.command("script");
            command.args(["-qec", &format!("stty cols {columns} rows 50; exec {line}"), "/dev/null"])
        }
    };
    // Nobody's own credd is on it.
    command.env("PATH", format!("{}/bin:/usr/bin:/bin", home.path().display()));
    command.env("LD_PRELOAD", clock()).env("FAKETIME", NOW).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.envs(eye.environment.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = left_on_screen(&String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"));
    assert!(!text.contains('\x1b'), "{arguments}: {text:?}");
    // All homes have names of one length.
    let home = home.path().display().to_string();
    let text = text.replace(&home, &format!("{:~<1$}", "/tmp/home", home.len()));
    format!("{text}[{}]\n", output.status.code().unwrap())
}

/// Without lines of progress, which are written over.
fn left_on_screen(text: &str) -> String {
    let last = |line: &str| line.rsplit('\r').next().unwrap().strip_prefix("\x1b[K").map(str::to_owned);
    text.split('\n').map(|line| last(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
}

/// All commands as each eye sees them.
fn seen(home: &Home, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let mut first = String::new();
        for eye in &EYES {
            let said = said(home, eye, command);
            if said == first {
                let _ = writeln!(text, "##### the same: {}\n", eye.name);
            } else {
                let _ = writeln!(text, "##### credd {command}, {}\n{said}", eye.name);
            }
            if first.is_empty() {
                first = said;
            }
        }
    }
    text
}

/// Answers each request with this document, as long as the test runs.
fn stand_in(home: &Home, document: &Value) {
    answering(home, vec![("", 200, document.clone())]);
}

/// Answers a request with the first document whose word is in its path, as long as the test runs. Once a key is renewed, what
/// stands before that answer is past.
fn answering(home: &Home, mut answers: Vec<(&'static str, u16, Value)>) {
    fs::create_dir_all(home.socket().parent().unwrap()).unwrap();
    let listener = UnixListener::bind(home.socket()).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut source = BufReader::new(stream.try_clone().unwrap());
            if let Ok(Some(request)) = read_message(&mut source) {
                let at = answers.iter().position(|(word, ..)| request.start.contains(word)).unwrap();
                if answers[at].0 == "/renewed" {
                    answers.rotate_left(at);
                }
                let (_, status, document) = answers.iter().find(|(word, ..)| request.start.contains(word)).unwrap();
                let text = document.to_string();
                let _ = write!(stream, "HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            }
        }
    });
}

fn key(name: &str, fields: &Value) -> Value {
    let mut key = json!({
        "name": name, "variable": "AWS_BEARER_TOKEN_BEDROCK", "env_file": "/home/u/.backlog-toolkit-env",
        "kind": "bedrock-long-term", "state": "ok", "detail": null, "fingerprint": "00112233445566778899aabbccddeeff",
        "issued_at": "2026-11-12T09:30:00Z", "issued_source": "observed", "expires_at": "2026-12-12T09:30:00Z",
        "age_days": 10.229, "days_left": 19.771, "next_alert_at": "2026-12-07T09:30:00Z", "first_alert_at": "2026-12-07T09:30:00Z",
        "snoozed_until": null, "alerts_sent": [],
        "probe": {"verdict": "works", "at": "2026-11-22T12:00:00Z", "detail": ""}
    });
    for (name, value) in fields.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn due() -> Value {
    json!({
        "state": "due", "issued_at": "2026-10-27T15:00:00Z", "issued_source": "file", "expires_at": "2026-11-26T15:00:00Z",
        "age_days": 26.0, "days_left": 4.0, "next_alert_at": "2026-11-23T10:00:00Z", "first_alert_at": "2026-11-21T15:00:00Z",
        "alerts_sent": [{"at": "2026-11-21T15:00:00Z", "reason": "day-25", "delivered": true}]
    })
}

fn expired() -> Value {
    json!({
        "state": "expired", "issued_at": "2026-10-20T15:00:00Z", "issued_source": "iam", "expires_at": "2026-11-19T15:00:00Z",
        "age_days": 33.0, "days_left": -3.0, "next_alert_at": null, "first_alert_at": "2026-11-14T15:00:00Z", "probe": null
    })
}

fn consumer(name: &str, state: &str, fields: &Value) -> Value {
    let mut consumer = json!({
        "name": name, "state": state, "pid": 4711, "restart": "process",
        "key_fingerprints": {"bedrock": "00112233445566778899aabbccddeeff"},
        "last_apply": {"at": "2026-11-12T09:31:00Z", "outcome": "applied", "seconds": 4.1, "detail": ""}
    });
    for (name, value) in fields.as_object().unwrap() {
        consumer[name] = value.clone();
    }
    consumer
}

fn document(keys: &[Value], consumers: &[Value], problems: &Value) -> Value {
    json!({
        "schema": 1, "live": true, "daemon": {"version": "0.1.0", "pid": 1, "started_at": "2026-11-01T00:00:00Z"},
        "keys": keys, "consumers": consumers, "problems": problems
    })
}

/// The page and the line for bars, and what a script is told.
fn hold_status(name: &str, document: &Value) {
    let home = Home::new();
    stand_in(&home, document);
    golden::hold(name, &seen(&home, &["status", "status --short", "check"]));
}

#[test]
fn a_key_that_is_fine() {
    hold_status("status-fine", &document(&[key("bedrock", &json!({}))], &[consumer("litellm", "current", &json!({}))], &json!([])));
}

#[test]
fn a_key_that_is_due_and_whoever_did_not_take_it_up() {
    let detail = "the new LiteLLM ended before it listened: exit status 3";
    let apply = json!({"at": "2026-11-22T14:50:00Z", "outcome": "rolled-back", "seconds": 9.0, "detail": detail});
    let stale = consumer("litellm", "stale", &json!({"key_fingerprints": {"bedrock": null}, "last_apply": apply}));
    let absent = json!({"pid": null, "key_fingerprints": {}, "last_apply": null});
    let problems = json!([
        {"code": "stale-consumer", "severity": "warning", "message": "litellm runs with another key than the env file holds", "fix": "credd apply litellm"},
        {"code": "env-file-mode", "severity": "warning", "message": "~/.backlog-toolkit-env can be read by others (mode 0644)", "fix": "chmod 600 ~/.backlog-toolkit-env"},
        {"code": "env-file-missing", "severity": "info", "message": "~/other.env doesn't exist yet; credd waits for it", "fix": "put the key into ~/other.env: export NAME='…'"}
    ]);
    hold_status("status-due", &document(&[key("bedrock", &due())], &[consumer("proxy", "absent", &absent), stale], &problems));
}

#[test]
fn keys_of_all_standings() {
    let without = json!({"issued_at": null, "issued_source": null, "expires_at": null, "age_days": null, "days_left": null,
        "next_alert_at": null, "first_alert_at": null, "probe": null, "fingerprint": null});
    let such = |name: &str, state: &str, detail: &str| {
        let mut fields = without.clone();
        (fields["state"], fields["detail"]) = (json!(state), json!(detail));
        key(name, &fields)
    };
    let rejected = json!({"state": "rejected", "detail": "Bedrock says: API Key is not valid",
        "probe": {"verdict": "rejected", "at": "2026-11-22T14:30:00Z", "detail": "API Key is not valid"}});
    let unending = json!({"expires_at": null, "days_left": null, "next_alert_at": null, "first_alert_at": null});
    let short = json!({"kind": "bedrock-short-term", "issued_at": "2026-11-22T12:00:00Z", "issued_source": "key",
        "expires_at": "2026-11-23T00:00:00Z", "age_days": 0.125, "days_left": 0.375, "next_alert_at": "2026-11-22T22:00:00Z",
        "first_alert_at": "2026-11-22T22:00:00Z", "region": "eu-central-1"});
    let former = json!([{"fingerprint": "ffeeddccbbaa99887766554433221100", "replaced_at": "2026-11-20T15:00:00Z", "expires_at": null,
        "user": "BedrockAPIKey-abcd", "consumers": ["litellm"], "env_files": ["/home/u/p/.env: KEY"]}]);
    let renewing = json!({"former": former, "user": "BedrockAPIKey-efgh", "account": "123456789012",
        "renewal": "asking Bedrock about the next key", "snoozed_until": "2026-11-25T10:00:00Z"});
    let keys = [
        key("bedrock", &renewing),
        key("half-a-day", &short),
        key("for-ever", &unending),
        key("expired", &expired()),
        key("rejected", &rejected),
        such("a-key-of-a-very-long-name", "missing", "nothing in the file sets it"),
        such("dynamic", "dynamic", "line 3 runs a command: $(pass show bedrock)"),
        such("unreadable", "unreadable", "Permission denied (os error 13)"),
    ];
    let rejection = json!([{"code": "rejected-key", "severity": "error",
        "message": "the key rejected in ~/.backlog-toolkit-env is not accepted: Bedrock says: API Key is not valid", "fix": "credd renew rejected"}]);
    hold_status("status-all", &document(&keys, &[], &rejection));
}

#[test]
fn more_keys_than_a_screen_has_room_for() {
    let mut keys: Vec<_> = (0..1300).map(|n| key(&format!("k{n}"), &json!({}))).collect();
    keys[700] = key("k700", &due());
    let consumers: Vec<_> = (0..50).map(|n| consumer(&format!("c{n}"), "current", &json!({"key_fingerprints": {}}))).collect();
    let problem = |n: usize| json!({"code": "env-file-mode", "severity": "warning", "message": format!("/e/{n} can be read by others"), "fix": format!("chmod 600 /e/{n}")});
    let problems: Vec<_> = (0..9).map(problem).collect();
    hold_status("status-many", &document(&keys, &consumers, &json!(problems)));
}

#[test]
fn what_is_said_without_a_daemon() {
    let home = Home::new();
    golden::hold(
        "offline",
        &seen(
            &home,
            &[
                "status",
                "check",
                "status nobody",
                "check nobody",
                "apply",
                "apply nobody",
                "snooze bedrock",
                "snooze nobody",
                "issued bedrock soon",
                "issued bedrock '-3 days ago'",
                "issued nobody 2026-10-28",
                "check --within -5d",
                "verify",
                "verify nobody",
                "renew nobody",
                "explain",
            ],
        ),
    );
}

fn refusal(message: &str, hint: &str) -> Value {
    json!({"error": {"code": "refused", "message": message, "hint": hint}})
}

#[test]
fn what_is_said_of_keys_that_were_asked_about() {
    let home = Home::new();
    let probe = |verdict: &str, detail: &str| json!({"verdict": verdict, "at": "2026-11-22T15:00:00Z", "detail": detail});
    let through = json!([{"consumer": "litellm", "verdict": "works", "detail": "a completion of claude through it works"}]);
    let waits = json!([{"consumer": "proxy", "why": "it runs with another key (it failed 3 times within 10 minutes, so it waits until 2026-11-22T15:10:00Z)", "fix": "credd apply proxy"}]);
    let works = key("bedrock", &json!({"probe": probe("works", "Bedrock accepts it"), "consumers": through, "not_asked": waits}));
    let rejected = "Bedrock says: API Key is not valid (schlüssel ungültig): UnrecognizedClientException";
    let rejected = key("work", &json!({"probe": probe("rejected", rejected), "consumers": [], "not_asked": []}));
    let denied =
        key("lab", &json!({"probe": probe("denied", "Bedrock accepts it, but it may not list models (bedrock:ListFoundationModels)")}));
    let keys = [key("bedrock", &json!({})), key("work", &json!({})), key("lab", &json!({})), key("home", &json!({}))];
    let off = refusal("nobody is to be asked about home: its probe is off", "remove probe = \"off\" from the configuration");
    answering(
        &home,
        vec![
            ("/bedrock/", 200, works),
            ("/work/", 200, rejected),
            ("/lab/", 200, denied),
            ("/home/", 409, off),
            ("", 200, document(&keys, &[], &json!([]))),
        ],
    );
    golden::hold("verify", &seen(&home, &["verify", "verify home", "verify a/b"]));
}

#[test]
fn nobody_was_asked() {
    let home = Home::new();
    let off = refusal("nobody is to be asked about home: its probe is off", "remove probe = \"off\" from the configuration");
    answering(&home, vec![("/home/", 409, off), ("", 200, document(&[key("home", &json!({}))], &[], &json!([])))]);
    golden::hold("verify-nobody", &seen(&home, &["verify", "verify --json", "verify home"]));
}

#[test]
fn what_became_of_consumers() {
    let home = Home::new();
    let answer = |name: &str, outcome: &str, detail: &str| json!({"consumer": name, "outcome": outcome, "detail": detail});
    let consumers = [
        consumer("litellm", "current", &json!({})),
        consumer("proxy", "stale", &json!({})),
        consumer("away", "absent", &json!({"pid": null})),
    ];
    answering(
        &home,
        vec![
            ("/litellm/", 200, answer("litellm", "applied", "it has the key already")),
            (
                "/proxy/",
                200,
                answer(
                    "proxy",
                    "rolled-back",
                    "the new LiteLLM ended before it listened: exit status 3; its old environment was put back, with which it serves again",
                ),
            ),
            ("/away/", 409, refusal("away doesn't run, so it can't take up a key", "start it; it will have the key from the env file")),
            ("", 200, document(&[key("bedrock", &json!({}))], &consumers, &json!([]))),
        ],
    );
    golden::hold("apply", &seen(&home, &["apply", "apply away"]));
}

#[test]
fn dates_and_quiet_that_were_recorded() {
    let home = Home::new();
    let mut fields = due();
    fields["snoozed_until"] = json!("2026-11-26T15:00:00Z");
    let mut loud = fields.clone();
    loud["snoozed_until"] = json!(null);
    answering(
        &home,
        vec![
            ("/loud/", 200, key("loud", &loud)),
            ("/bedrock/", 200, key("bedrock", &fields)),
            ("/a-key-of-a-very-long-name/", 200, key("a-key-of-a-very-long-name", &json!({}))),
        ],
    );
    let commands = [
        "snooze bedrock 10d",
        "snooze bedrock until 2026-11-26T15:00:00Z",
        "snooze loud --clear",
        "snooze bedrock -3d",
        "issued bedrock 2026-10-27",
        "issued a-key-of-a-very-long-name 2026-11-12",
    ];
    golden::hold("recorded", &seen(&home, &commands));
}

#[test]
fn why_alerts_are_when_they_are() {
    let home = Home::new();
    home.write_config("consumers = []\n[[keys]]\nname = \"bedrock\"\n[[keys]]\nname = \"gone\"\n");
    stand_in(&home, &document(&[key("bedrock", &due()), key("gone", &expired())], &[], &json!([])));
    golden::hold("explain", &seen(&home, &["explain", "explain nobody"]));
}

/// A home in which the daemon, so far as it is asked, sees a key replaced.
fn renewing() -> Home {
    let home = Home::new();
    home.write_config(
        "consumers = []\n[[keys]]\nname = \"bedrock\"\nprobe = \"off\"\n[[keys]]\nname = \"open\"\n\
         [[keys]]\nname = \"mint\"\nkind = \"short-term\"\naws_profile = \"dev\"\n",
    );
    fs::create_dir_all(home.state_dir().join("credd")).unwrap();
    fs::write(home.state_dir().join("credd/salt"), [7; 32]).unwrap();
    fs::write(
        home.path().join("new"),
        "ABSKQmVkcm9ja0FQSUtleS1wbGFudGVkLWF0LTEyMzQ1Njc4OTAxMjpuZXcwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=\n",
    )
    .unwrap();
    fs::write(home.path().join("two"), "a\nb\n").unwrap();
    // What the daemon saw there once; nothing in the file sets it now.
    let old = key("bedrock", &json!({"env_file": home.env_file(), "state": "missing", "detail": "nothing in the file sets it"}));
    let former = json!([{"fingerprint": old["fingerprint"], "replaced_at": "2026-11-22T15:00:00Z", "expires_at": null,
        "user": "BedrockAPIKey-abcd", "account": "123456789012", "credential_id": "ACCAEXAMPLE", "consumers": [], "env_files": []}]);
    let new = key(
        "bedrock",
        &json!({"env_file": home.env_file(), "fingerprint": "ffeeddccbbaa99887766554433221100", "former": former,
            "expires_at": "2026-12-22T15:00:00Z", "iam": null}),
    );
    let open = key("open", &json!({"state": "dynamic", "detail": "line 3: a single quote isn't closed"}));
    let with = |bedrock: &Value| document(&[bedrock.clone(), open.clone(), key("mint", &json!({}))], &[], &json!([]));
    answering(&home, vec![("/status", 200, with(&old)), ("/renewed", 200, new.clone()), ("/status", 200, with(&new))]);
    home
}

#[test]
fn a_key_that_was_replaced_and_what_is_no_key() {
    let commands =
        ["renew bedrock --stdin </dev/null", "renew bedrock --stdin <two", "renew open", "renew mint --stdin </dev/null", "renew nobody"];
    let mut text = seen(&renewing(), &commands);
    for eye in &EYES {
        // Each replaces it anew.
        let said = said(&renewing(), eye, "renew bedrock --stdin <new");
        let _ = writeln!(text, "##### credd renew bedrock --stdin <new, {}\n{said}", eye.name);
    }
    golden::hold("renew", &text);
}

#[test]
fn what_happened() {
    let home = Home::new();
    let dir = home.state_dir().join("credd");
    fs::create_dir_all(&dir).unwrap();
    let entries = [
        json!({"at": "2026-10-27T15:00:00Z", "event": "key-seen", "key": "bedrock", "fingerprint": "00112233445566778899aabbccddeeff", "message": "a new key is in ~/.backlog-toolkit-env"}),
        json!({"at": "2026-11-21T15:00:01Z", "event": "alert", "key": "bedrock", "message": "day-25: the key expires Thursday 26 November 15:00"}),
        json!({"at": "2026-11-22T09:00:00Z", "event": "rolled-back", "consumer": "litellm", "message": "the new LiteLLM ended before it listened: exit status 3; the old one serves"}),
        json!({"at": "2026-11-22T10:00:00Z", "event": "watch-degraded", "message": "schlüssel.env lies on a network file system: it is looked at every 30 s"}),
    ];
    fs::write(dir.join("history.jsonl"), entries.map(|entry| format!("{entry}\n")).concat()).unwrap();
    golden::hold("history", &seen(&home, &["history", "history -n 1"]));
}

#[test]
fn what_doctor_finds() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(CREDD, bin.join("credd")).unwrap();
    home.write_env("export AWS_BEARER_TOKEN_BEDROCK='ABSK-planted-old'\nexport AWS_BEARER_TOKEN_BEDROCK='ABSK-planted-new'\n");
    fs::set_permissions(home.env_file(), Permissions::from_mode(0o644)).unwrap();
    let project = home.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(project.join(".env"), "AWS_BEARER_TOKEN_BEDROCK=ABSK-planted-team\n").unwrap();
    fs::set_permissions(project.join(".env"), Permissions::from_mode(0o600)).unwrap();
    for arguments in [&["init", "-q"][..], &["add", ".env"]] {
        support::run(home.command("git").current_dir(&project).args(arguments));
    }
    home.write_config("consumers = []\n[[keys]]\nname = \"bedrock\"\n\n[[keys]]\nname = \"team\"\nenv_file = \"~/project/.env\"\n");
    // Without a daemon that saw them arrive, keys are as old as their files.
    let fresh = |path: PathBuf| support::run(home.command("touch").args(["-d", &format!("{NOW} UTC")]).arg(path));
    fresh(project.join(".env"));
    fresh(home.env_file());
    let found = seen(&home, &["doctor --no-popup"]);
    fs::remove_dir_all(&project).unwrap();
    // Nobody's own LiteLLM is looked at.
    home.write_config("consumers = []\n");
    home.write_env("export AWS_BEARER_TOKEN_BEDROCK='ABSK-planted-new'\n");
    fresh(home.env_file());
    golden::hold("doctor", &format!("{found}{}", seen(&home, &["doctor --no-popup"])));
}

#[test]
fn the_configuration_and_what_is_wrong_with_one() {
    let home = Home::new();
    let mut text = seen(&home, &["config --check", "config --print"]);
    for wrong in [
        "[alerts]\ndayz = [25]\n",
        "[[keys]]\nname = \"k\"\nvariable = \"K\"\nprobe = \"every day\"\n",
        "[[keys]]\nname = \"k\"\n[[keys]]\nname = \"k\"\n",
    ] {
        home.write_config(wrong);
        let _ = write!(text, "##### with\n{wrong}\n{}", seen(&home, &["config --check", "status"]));
    }
    golden::hold("config", &text);
}

#[test]
fn the_stopped_clock_is_believed() {
    let home = Home::new();
    let mut date: Command = home.command("date");
    let said = support::run(date.args(["-u", "+%F %T"]).env("LD_PRELOAD", clock()).env("FAKETIME", NOW));
    assert_eq!(said.trim(), NOW);
}
