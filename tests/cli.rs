//! The commands and the socket, with a real daemon in a home of its own.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "these time real programs, not credd's own decisions")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::{run, said, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQ=";
const OTHER: &str = "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQ=";

/// A home whose daemon lets the proxies of other tests alone, and shows nothing on any desktop.
fn home() -> Home {
    let home = Home::new();
    home.write_config(QUIET);
    home
}

const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

fn code(output: &std::process::Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_anything_it_says_so() {
    let home = home();
    let credd = |args: &[&str]| home.command(CREDD).args(args).output().unwrap();
    let status = credd(&[]);
    assert_eq!(code(&status), 0);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("no daemon answers") && text.contains("Nothing is known yet"), "{text}");
    assert_eq!(code(&credd(&["check"])), 3);
    for args in [&["issued", "bedrock", "today"][..], &["snooze", "bedrock"], &["verify"], &["verify", "bedrock"], &["apply"]] {
        let output = credd(args);
        assert_eq!(code(&output), 3, "{args:?}: {}", said(&output));
        assert!(stderr(&output).contains("credd install"), "{}", said(&output));
    }
    for args in [
        &["frobnicate"][..],
        &["issued", "bedrock", "soon"],
        &["snooze", "bedrock", "never"],
        &["status", "--frob"],
        &["check", "--within", "x"],
    ] {
        assert_eq!(code(&credd(args)), 2, "{args:?}");
    }
    // A variable that is empty names nothing.
    let names = ["CREDD_CONFIG", "CREDD_SOCKET", "CREDD_STATE_DIR"].map(|name| (name, ""));
    for args in [&["status"][..], &["status", "bedrock"]] {
        let output = home.command(CREDD).args(args).envs(names).output().unwrap();
        assert_eq!((code(&output), &output.stdout), (0, &status.stdout), "{}", said(&output));
    }
    let json: Value = serde_json::from_slice(&credd(&["status", "--json"]).stdout).unwrap();
    assert_eq!((&json["live"], &json["schema"]), (&json!(false), &json!(1)));
    // Names are those of the configuration.
    for (args, expected) in [
        (["check", "bedrock"], 3),
        (["check", "nobody"], 2),
        (["status", "bedrock"], 0),
        (["status", "nobody"], 2),
        (["--socket", &format!("/{}/x.sock", "long".repeat(30))], 0),
    ] {
        let output = credd(&args);
        assert_eq!(code(&output), expected, "{args:?}: {}", said(&output));
        assert!(!said(&output).contains("SUN_LEN"), "{}", said(&output));
    }
}

#[test]
fn a_key_that_no_daemon_ever_saw_is_unknown_rather_than_missing() {
    let home = home();
    home.set_key(KEY);
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.kill();
    home.write_config(&format!("{QUIET}[[keys]]\n[[keys]]\nname = \"other\"\nenv_file = \"~/other.env\"\n"));
    for (args, expected) in [(&["check"][..], 3), (&["check", "other"], 3), (&["check", "bedrock"], 0), (&["check", "--within", "31d"], 3)]
    {
        assert_eq!(code(&daemon.credd(args)), expected, "{args:?}");
    }
}

#[test]
fn what_a_file_lacks_is_known_without_a_daemon() {
    let home = home();
    for (text, state, expected) in [("export A=1\n", "missing", 2), ("export AWS_BEARER_TOKEN_BEDROCK=$(pass show key)\n", "dynamic", 3)] {
        home.set_key(KEY);
        let mut daemon = Daemon::start(CREDD, &home);
        daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
        home.write_env(text);
        daemon.until(state, SOON, |status| status["keys"][0]["state"] == state);
        daemon.kill();
        assert_eq!(code(&daemon.credd(&["check"])), expected, "{state}");
        let saved: Value = serde_json::from_slice(&daemon.credd(&["status", "--json"]).stdout).unwrap();
        assert_eq!((&saved["live"], &saved["keys"][0]["state"]), (&json!(false), &json!(state)));
    }
}

#[test]
fn a_configuration_that_is_no_file_holds_nobody_up() {
    let home = home();
    let fifo = home.path().join("fifo");
    run(Command::new("mkfifo").arg(&fifo));
    for path in [fifo.as_path(), Path::new("/dev/zero"), home.path()] {
        for command in [&["run"][..], &["status"], &["config", "--check"]] {
            let output = home.command(CREDD).arg("--config").arg(path).args(command).output().unwrap();
            assert_eq!(code(&output), 2, "{command:?} {}", said(&output));
            assert!(stderr(&output).contains("not a regular file"), "{}", said(&output));
        }
    }
    // Nor in the place of a running daemon's.
    let daemon = Daemon::start(CREDD, &home);
    fs::rename(&fifo, home.config_dir().join("credd/config.toml")).unwrap();
    let status = daemon.until("the pipe to be seen", SOON, |status| status["problems"].to_string().contains("config-invalid"));
    assert!(status["problems"].to_string().contains("not a regular file"), "{status}");
}

#[test]
fn a_key_appears_ages_expires_and_is_remembered() {
    let home = home();
    let mut daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the file to be missed", SOON, |status| !status["problems"].as_array().unwrap().is_empty());
    assert_eq!(status["keys"][0]["state"], "missing");
    assert_eq!(status["problems"][0]["code"], "env-file-missing");
    assert_eq!(code(&daemon.credd(&["check"])), 2);

    home.set_key(KEY);
    let status = daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    assert_eq!(status["keys"][0]["kind"], "bedrock-long-term");
    assert_eq!(status["keys"][0]["issued_source"], "observed");
    assert_eq!(status["keys"][0]["account"], "123456789012");
    assert_eq!(status["problems"], json!([]));
    assert_eq!(code(&daemon.credd(&["check"])), 0);
    assert_eq!(daemon.ok(&["check"]), "");
    assert_eq!(code(&daemon.credd(&["check", "--within", "31d"])), 1);
    assert_eq!(daemon.ok(&["status", "--short"]), "bedrock 30d\n");

    daemon.ok(&["issued", "bedrock", "26", "days", "ago"]);
    let status = daemon.status();
    assert_eq!(status["keys"][0]["state"], "due");
    assert_eq!(status["keys"][0]["issued_source"], "declared");
    assert_eq!(status["keys"][0]["alerts_sent"][0]["reason"], "day-25");
    assert_eq!(code(&daemon.credd(&["check", "bedrock"])), 1);
    assert_eq!(code(&daemon.credd(&["check", "nobody"])), 2);
    assert_eq!(code(&daemon.credd(&["issued", "nobody", "today"])), 2);
    assert_eq!(code(&daemon.credd(&["issued", "bedrock", "2099-01-01"])), 2);

    daemon.ok(&["snooze", "bedrock", "3d"]);
    assert_ne!(daemon.status()["keys"][0]["snoozed_until"], Value::Null);
    daemon.ok(&["snooze", "bedrock", "90d"]);
    let key = daemon.status()["keys"][0].clone();
    assert_eq!(key["snoozed_until"], key["expires_at"], "never past expiry");
    daemon.ok(&["snooze", "bedrock", "--clear"]);
    assert_eq!(daemon.status()["keys"][0]["snoozed_until"], Value::Null);

    // Another key, then the first again: it keeps its date.
    home.set_key(OTHER);
    daemon.until("the other key", SOON, |status| status["keys"][0]["state"] == "ok");
    home.set_key(KEY);
    let status = daemon.until("the first key again", SOON, |status| status["keys"][0]["state"] == "due");
    assert_eq!(status["keys"][0]["issued_at"], key["issued_at"]);

    daemon.ok(&["issued", "bedrock", "31 days ago"]);
    assert_eq!(daemon.status()["keys"][0]["state"], "expired");
    assert_eq!(code(&daemon.credd(&["check"])), 2);
    assert_eq!(daemon.ok(&["status", "--short"]), "bedrock expired\n");

    // Killed and alone, then back.
    daemon.kill();
    let output = daemon.credd(&["status", "--json"]);
    let saved: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&saved["live"], &saved["keys"][0]["state"]), (&json!(false), &json!("expired")));
    assert_eq!(code(&daemon.credd(&["check"])), 2);
    let daemon = Daemon::start(CREDD, &home);
    let back = daemon.until("the file to be read", SOON, |status| status["keys"][0]["state"] == "expired");
    assert_eq!(back["keys"][0]["issued_at"], saved["keys"][0]["issued_at"]);
    assert_eq!(back["keys"][0]["alerts_sent"], saved["keys"][0]["alerts_sent"]);
    assert!(daemon.ok(&["history"]).contains("an earlier key is back"));
    assert!(serde_json::from_str::<Value>(&daemon.ok(&["history", "--json", "-n", "2"])).unwrap().as_array().unwrap().len() == 2);
}

#[test]
fn nothing_shown_or_kept_has_the_secret_in_it() {
    let home = home();
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK='{KEY}'\nexport OTHER_SECRET='canary-0123456789'\n"));
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let mut shown = daemon.ok(&["status"]) + &daemon.ok(&["status", "--json"]) + &daemon.ok(&["history", "--json"]) + &daemon.log();
    for file in fs::read_dir(home.state_dir().join("credd")).unwrap() {
        let path = file.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is open to others: {mode:o}", path.display());
        shown += &String::from_utf8_lossy(&fs::read(path).unwrap());
    }
    for secret in [KEY, &KEY[10..], "one-secret", "canary-0123456789"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn a_second_daemon_is_refused_and_a_left_over_socket_is_not_in_the_way() {
    let home = home();
    let mut daemon = Daemon::start(CREDD, &home);
    let second = home.command(CREDD).arg("run").output().unwrap();
    assert_eq!(code(&second), 1);
    assert!(stderr(&second).contains("another credd is running"), "{}", said(&second));
    // With another state directory, the lock doesn't tell, but the socket does.
    let second = home.command(CREDD).arg("run").arg("--state-dir").arg(home.path().join("elsewhere")).output().unwrap();
    assert_eq!(code(&second), 1);
    assert!(stderr(&second).contains("another credd answers"), "{}", said(&second));
    assert_eq!(daemon.status()["live"], true);
    daemon.kill();
    assert!(home.socket().exists(), "left over by kill -9");
    let mut daemon = Daemon::start(CREDD, &home);
    assert_eq!(fs::metadata(home.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(home.socket().parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(daemon.stop(), Some(0));
    assert!(!home.socket().exists());
    fs::write(home.socket(), "precious").unwrap();
    let refused = home.command(CREDD).arg("run").output().unwrap();
    assert_eq!(code(&refused), 1);
    assert_eq!(fs::read(home.socket()).unwrap(), b"precious");
}

#[test]
fn a_wrong_configuration_starts_nothing_and_a_bad_edit_changes_nothing() {
    let home = home();
    home.write_config("[alerts]\nremid = \"x\"\n");
    for args in [&["run"][..], &["config", "--check"], &["config"]] {
        let output = home.command(CREDD).args(args).output().unwrap();
        assert_eq!(code(&output), 2, "{args:?}: {}", said(&output));
        let text = stderr(&output);
        assert!(text.contains("config.toml:2:1: unknown field `remid`") && text.contains("^^^^^"), "{text}");
    }
    assert!(!home.state_dir().join("credd").exists(), "nothing was started");
    let missing = home.command(CREDD).args(["--config", "/nowhere.toml", "run"]).output().unwrap();
    assert_eq!(code(&missing), 2);

    home.write_config(QUIET);
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    home.write_config("consumers = []\n[[keys]]\nlifetime = \"2 moons\"\n");
    let status = daemon.until("the problem", SOON, |status| status["problems"][0]["code"] == "config-invalid");
    assert!(status["problems"][0]["message"].as_str().unwrap().contains("config.toml:3:12"), "{status}");
    assert_eq!(status["keys"][0]["state"], "ok", "the old one stays in force");
    let two = "consumers = []\n[alerts]\ndesktop = false\n[[keys]]\nlifetime = \"90d\"\n[[keys]]\nname = \"master\"\nvariable = \"LITELLM_MASTER_KEY\"\nlifetime = \"never\"\n";
    home.write_config(two);
    let status = daemon.until("the new configuration", SOON, |status| status["keys"][1]["state"] == "ok");
    assert_eq!(status["problems"], json!([]));
    assert_eq!(status["keys"][1]["expires_at"], Value::Null);
    assert!(status["keys"][0]["days_left"].as_f64().unwrap() > 89.0);
    let shown = daemon.ok(&["config", "--print"]);
    assert!(shown.contains("lifetime = \"90d\"") && shown.contains("config.toml:5"), "{shown}");

    // A configuration that is gone or empty for a moment is not the defaults, even where somebody asks for it just then.
    let hangup = || run(Command::new("kill").arg("-HUP").arg(daemon.pid().to_string()));
    home.write_config("");
    hangup();
    wait::throughout("the old one in force", Duration::from_secs(2), || daemon.status()["keys"].as_array().unwrap().len() == 2);
    fs::remove_file(home.config_dir().join("credd/config.toml")).unwrap();
    hangup();
    home.write_config(QUIET);
    hangup();
    daemon.until("one key", SOON, |status| status["keys"].as_array().unwrap().len() == 1 && status["consumers"] == json!([]));
}

#[test]
fn what_only_the_shell_could_tell_is_reported() {
    let home = home();
    home.write_env("export AWS_BEARER_TOKEN_BEDROCK=\"$(pass show bedrock)\"\n");
    let daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the file to be read", SOON, |status| status["keys"][0]["state"] == "dynamic");
    assert!(status["keys"][0]["detail"].as_str().unwrap().starts_with("line 1: "), "{status}");
    home.write_env(&format!(
        "AWS_BEARER_TOKEN_BEDROCK={KEY}\nexport A=1\nexport AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y\nAWS_BEARER_TOKEN_BEDROCK={OTHER}\n"
    ));
    fs::set_permissions(home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let status = daemon.until("the mode to be seen", SOON, |status| status["problems"].to_string().contains("env-file-mode"));
    let codes: Vec<&str> = status["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    for expected in ["duplicate-assignment", "not-exported", "static-aws-keys", "env-file-mode"] {
        assert!(codes.contains(&expected), "{expected} is not among {codes:?}");
    }
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK='{KEY}'\r\n"));
    daemon.until("the carriage return", SOON, |status| status["problems"].to_string().contains("control-character"));
    home.write_env("export AWS_BEARER_TOKEN_BEDROCK=\n");
    let status = daemon.until("the empty value, after it was given time", SOON, |status| status["keys"][0]["state"] == "missing");
    assert_eq!(status["problems"][0]["code"], "empty-assignment");
    fs::remove_file(home.env_file()).unwrap();
    fs::create_dir(home.env_file()).unwrap();
    daemon.until("the directory", SOON, |status| status["keys"][0]["state"] == "unreadable");
}

#[test]
fn a_socket_of_somebody_else_is_left() {
    let home = home();
    let mut daemon = Daemon::start(CREDD, &home);
    fs::remove_file(home.socket()).unwrap();
    fs::write(home.socket(), "another's").unwrap();
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(fs::read_to_string(home.socket()).unwrap(), "another's");
}

/// One request as bytes, and all that comes back.
fn raw(home: &Home, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(home.socket()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(home: &Home, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = raw(home, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn the_socket_speaks_http_and_is_bounded() {
    let home = home();
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let (status, body) = request(&home, "GET", "/v1/status", "");
    assert_eq!((status, &body["live"]), (200, &json!(true)));
    let (status, body) = request(&home, "POST", "/v1/keys/bedrock/issued", "{\"at\": \"2020-01-01T00:00:00Z\"}");
    assert_eq!((status, &body["state"]), (200, &json!("expired")));
    let (status, body) = request(&home, "POST", "/v1/keys/bedrock/snooze", "{\"until\": null}");
    assert_eq!((status, &body["snoozed_until"]), (200, &Value::Null));
    for (method, path, body, status, code) in [
        ("GET", "/v1/nothing", "", 404, "not-found"),
        ("GET", "/v1/keys/bedrock/issued", "", 405, "method"),
        ("POST", "/v1/status", "", 405, "method"),
        ("POST", "/v1/keys/nobody/issued", "{\"at\": \"2020-01-01T00:00:00Z\"}", 404, "unknown-key"),
        ("POST", "/v1/keys/bedrock/issued", "{\"at\": \"2999-01-01T00:00:00Z\"}", 409, "refused"),
        ("POST", "/v1/keys/bedrock/issued", "{\"at\": 5}", 400, "bad-request"),
        ("POST", "/v1/keys/bedrock/issued", "", 400, "bad-request"),
        ("GET", "/v1/keys/bedrock/verify", "", 405, "method"),
        ("POST", "/v1/keys/nobody/verify", "", 404, "unknown-key"),
        ("POST", "/v1/keys/bedrock/verify", "[5]", 400, "bad-request"),
        ("POST", "/v1/consumers/nobody/apply", "{}", 404, "unknown-consumer"),
        ("GET", "/v1/history?n=x", "", 400, "bad-request"),
    ] {
        let (got, body) = request(&home, method, path, body);
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{method} {path}");
        for part in ["message", "hint"] {
            assert!(!body["error"][part].as_str().unwrap().is_empty());
        }
    }
    for (line, allow) in [("GET /v1/keys/bedrock/issued", "allow: POST\r\n"), ("DELETE /v1/status", "allow: GET\r\n")] {
        let answer = raw(&home, format!("{line} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(answer.contains(allow), "{answer}");
    }
    let (status, _) = request(&home, "POST", "/v1/keys/bedrock/issued", &" ".repeat(100_000));
    assert_eq!(status, 413, "a body that is too long");
    let long = format!("GET /v1/status HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!raw(&home, long.as_bytes()).contains(" 200 "), "a head that is too long");
    assert!(!raw(&home, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").contains(" 200 "));
    // Half a request from each of many clients doesn't hold up a whole one.
    let halves: Vec<UnixStream> = (0..40)
        .map(|_| {
            let mut stream = UnixStream::connect(home.socket()).unwrap();
            stream.write_all(b"GET /v1/sta").unwrap();
            stream
        })
        .collect();
    assert_eq!(daemon.status()["live"], true);
    drop(halves);
}

#[test]
fn another_user_gets_nothing_from_the_socket() {
    if rustix::process::geteuid().as_raw() != 0 {
        // Somebody who isn't root can't become somebody else; CI runs as root.
        return;
    }
    let home = home();
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    // The way to it laid open, so that only the peer's identity is left to tell.
    for dir in [home.path().to_owned(), home.runtime_dir(), home.socket().parent().unwrap().to_owned()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let curl = |user: &str| {
        Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--clear-groups", "curl", "-s", "-m", "5", "--unix-socket"])
            .arg(home.socket())
            .arg("http://credd/v1/status")
            .output()
            .unwrap()
    };
    assert!(curl("0").stdout.starts_with(b"{"));
    let other = curl("65534");
    assert!(!other.status.success() && other.stdout.is_empty(), "{}", said(&other));
    assert_eq!(daemon.status()["live"], true);
}

#[test]
fn a_problem_of_one_variable_is_not_its_neighbour_s() {
    let home = Home::new();
    home.write_config(&format!("{QUIET}[[keys]]\nname = \"one\"\nvariable = \"A\"\n[[keys]]\nname = \"two\"\nvariable = \"B\"\n"));
    home.write_env("export A=some-value\nexport B=\n");
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the keys", SOON, |status| status["problems"][0]["code"] == "empty-assignment");
    assert!(!daemon.ok(&["status", "one"]).contains("assigns B") && daemon.ok(&["status", "two"]).contains("assigns B"));
    fs::set_permissions(home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    daemon.until("the mode", SOON, |status| status["problems"].as_array().unwrap().len() == 2);
    assert!(["one", "two"].iter().all(|name| daemon.ok(&["status", name]).contains("env-file-mode")));
}

/// As in `credd config | head -1`. An exit code is an answer of its own, and a repair is made all the same.
#[test]
fn whoever_has_read_enough_is_told_of_no_failure() {
    let home = Home::new();
    home.write_config(&format!("{QUIET}[[keys]]\nprobe = \"off\"\n"));
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "31 days ago"]);
    fs::set_permissions(home.env_file(), fs::Permissions::from_mode(0o644)).unwrap();
    for (wanted, args) in [
        (0, &["--help"][..]),
        (0, &["status"]),
        (0, &["status", "--json"]),
        (0, &["config"]),
        (0, &["history"]),
        (0, &["metrics"]),
        (0, &["explain"]),
        (0, &["completions", "zsh"]),
        (2, &["check"]),
        (1, &["verify"]),
        (1, &["doctor", "--no-popup"]),
        (1, &["doctor", "--no-popup", "--fix", "--yes"]),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(CREDD).args(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(wanted), "{args:?}: {}", said(&output));
        let is_quiet = output.stderr.is_empty() || args.contains(&"--fix");
        assert!(is_quiet, "{args:?}: {}", said(&output));
    }
    assert_eq!(fs::metadata(home.env_file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_generated_files_are_made() {
    let home = home();
    let made = |args: &[&str]| run(home.command(CREDD).args(args));
    for shell in ["bash", "zsh", "fish"] {
        assert!(made(&["completions", shell]).contains("_CREDD_COMPLETE"));
    }
    made(&["man", "pages"]);
    assert!(fs::read_to_string(home.path().join("pages/credd-status.1")).unwrap().contains("\\-\\-short"));
    assert!(made(&["config", "--path"]).trim().ends_with(".config/credd/config.toml"));
    assert!(made(&["--version"]).starts_with("credd "));
    for command in
        ["run", "status", "check", "issued", "snooze", "verify", "apply", "history", "config", "install", "uninstall", "completions", "man"]
    {
        assert!(made(&[command, "--help"]).contains("Usage: credd"), "{command}");
    }
}

#[test]
fn nobody_is_asked_about_what_is_not_bedrock_s() {
    let home = Home::new();
    home.write_config(&format!(
        "{QUIET}[[keys]]\nprobe = \"off\"\n[[keys]]\nname = \"master\"\nvariable = \"LITELLM_MASTER_KEY\"\nlifetime = \"never\"\n\
         [[keys]]\nname = \"gone\"\nvariable = \"GONE\"\n"
    ));
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    let status = daemon.until("the keys", SOON, |status| status["keys"][1]["state"] == "ok");
    assert_eq!((&status["keys"][0]["probe"], &status["keys"][1]["probe"]), (&Value::Null, &Value::Null));
    for (name, why) in [("bedrock", "probe is off"), ("master", "no key of Bedrock's"), ("gone", "there is no key")] {
        let output = daemon.credd(&["verify", name]);
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(stderr(&output).contains(why), "{}", said(&output));
        let (status, body) = request(&home, "POST", &format!("/v1/keys/{name}/verify"), "");
        assert_eq!((status, &body["error"]["code"]), (409, &json!("refused")));
    }
    assert_eq!(code(&daemon.credd(&["verify", "nobody"])), 2);
    // One that is missing is something to worry about, one that is left in peace isn't.
    let output = daemon.credd(&["verify"]);
    assert_eq!(code(&output), 1);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("bedrock: not asked: ") && text.contains("gone: not asked: "), "{text}");
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\nexport LITELLM_MASTER_KEY=x\nexport GONE=y\n"));
    daemon.until("the third key", SOON, |status| status["keys"][2]["state"] == "ok");
    // Where nobody at all was asked, nothing is proven.
    assert_eq!(code(&daemon.credd(&["verify"])), 1);
}

#[test]
fn a_key_that_nobody_can_be_asked_about_is_no_bad_key() {
    let home = home();
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let output = daemon.credd(&["verify", "bedrock", "--json"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let keys: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&keys[0]["name"], &keys[0]["state"], &keys[0]["consumers"]), (&json!("bedrock"), &json!("ok"), &json!([])));
    let verdict = keys[0]["probe"]["verdict"].as_str().unwrap();
    assert!(["unreachable", "unknown"].contains(&verdict), "{keys}");
    assert_eq!(daemon.status()["keys"][0]["probe"], keys[0]["probe"]);
    assert_eq!(code(&daemon.credd(&["check"])), 0);
}

#[test]
fn the_alert_command_gets_the_alert_as_json() {
    let home = home();
    let got = home.path().join("got.json");
    home.write_config(&format!(
        "consumers = []\n[alerts]\ndesktop = false\ncommand = [\"sh\", \"-c\", \"cat > {0}.new; mv {0}.new {0}\"]\n",
        got.display()
    ));
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "26 days ago"]);
    let text = wait::until("the command's input", SOON, || fs::read_to_string(&got).ok());
    let alert: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&alert["reason"], &alert["key"], &alert["variable"]),
        (&json!("day-25"), &json!("bedrock"), &json!("AWS_BEARER_TOKEN_BEDROCK"))
    );
    assert!(alert["summary"].as_str().unwrap().contains("4 days"), "{alert}");
    daemon.until("the delivery", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
}

#[test]
fn an_idle_daemon_does_not_wake_up() {
    let home = home();
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.rests();
}

/// What is opened next would be standard output, and get what is printed.
#[test]
fn closed_standard_streams_are_held_by_nothing() {
    let home = home();
    let line = "\"$1\" run <&- >&- 2>&- & until [ -S \"$XDG_RUNTIME_DIR/credd/credd.sock\" ]; do sleep 0.02; done; \
                readlink /proc/$!/fd/0 /proc/$!/fd/1 /proc/$!/fd/2; kill $!";
    let held = home.command("sh").args(["-c", line, "sh", CREDD]).output().unwrap();
    assert_eq!(String::from_utf8(held.stdout).unwrap(), "/dev/null\n/dev/null\n/dev/null\n");
}
