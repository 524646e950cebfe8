//! Ten thousand keys: what they cost, and that they can be read.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use support::daemon::Daemon;
use support::home::Home;
use support::wait;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
/// Of a dev build, on a busy machine.
const LONG: Duration = Duration::from_mins(1);
const KEYS_OF_A_FILE: usize = 5;

/// A home with so many keys in env files of five each, and consumers that no process matches.
fn home(keys: usize, consumers: usize) -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join("env")).unwrap();
    let mut config = "[alerts]\ndesktop = false\n".to_owned();
    for file in 0..keys / KEYS_OF_A_FILE {
        write_file(&home, file, "first");
        let path = path(&home, file);
        for key in 0..KEYS_OF_A_FILE {
            let env_file = path.display();
            writeln!(config, "[[keys]]\nname = \"k{file}-{key}\"\nvariable = \"KEY_{key}\"\nenv_file = \"{env_file}\"\nprobe = \"off\"")
                .unwrap();
        }
    }
    for consumer in 0..consumers {
        writeln!(config, "[[consumers]]\nname = \"c{consumer}\"\nkeys = [\"k{consumer}-0\"]\nmatch = [\"credd-no-such-program\"]").unwrap();
    }
    home.write_config(&config);
    home
}

fn path(home: &Home, file: usize) -> PathBuf {
    home.path().join(format!("env/{file:04}.env"))
}

fn write_file(home: &Home, file: usize, value: &str) {
    let mut text = String::new();
    for key in 0..KEYS_OF_A_FILE {
        writeln!(text, "export KEY_{key}='{value}-{file}-{key}'").unwrap();
    }
    fs::write(path(home, file), text).unwrap();
    fs::set_permissions(path(home, file), fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until so many arrivals of keys were told of.
fn wait_for_arrivals(daemon: &Daemon, count: usize) {
    wait::until_true("all keys to be known", LONG, || daemon.log().matches("a new key is in").count() >= count);
}

/// Anonymous memory, in bytes.
fn anonymous(daemon: &Daemon) -> u64 {
    field(&format!("/proc/{}/smaps_rollup", daemon.pid()), "Anonymous:") * 1024
}

fn written(daemon: &Daemon) -> u64 {
    field(&format!("/proc/{}/io", daemon.pid()), "wchar:")
}

fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_keys() {
    const KEYS: usize = 10_000;
    const FILES: usize = KEYS / KEYS_OF_A_FILE;
    let (few, many) = (home(10, 2), home(KEYS, 20));
    let base = {
        let daemon = Daemon::start(CREDD, &few);
        wait_for_arrivals(&daemon, 10);
        anonymous(&daemon)
    };
    let daemon = Daemon::start(CREDD, &many);
    wait_for_arrivals(&daemon, KEYS);
    assert_memory("after the start", base, &daemon, KEYS);

    for _ in 0..10 {
        let status = daemon.status();
        let keys = status["keys"].as_array().unwrap();
        let names: BTreeSet<&str> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
        assert_eq!((keys.len(), names.len()), (KEYS, KEYS), "each is there once");
        assert!(keys.iter().all(|key| key["state"] == "ok"));
        assert_eq!(status["consumers"].as_array().unwrap().len(), 20);
    }
    assert_memory("after ten documents", base, &daemon, KEYS);
    let text = daemon.ok(&["status"]);
    assert!(text.lines().count() < 80, "{text}");
    assert!(text.contains("9,997 more keys: 9,997 ok"), "{text}");

    let metrics = daemon.ok(&["metrics"]);
    let expiries = metrics.lines().filter(|line| line.starts_with("credd_key_expiry_timestamp_seconds{")).collect::<BTreeSet<_>>();
    assert!(expiries.len() == KEYS && metrics.ends_with("\n# EOF\n"), "{} expiries in {} bytes", expiries.len(), metrics.len());
    assert_memory("after metrics", base, &daemon, KEYS);

    // Whoever asks and doesn't read holds up nobody, and no more than some pieces are made for them.
    let before = anonymous(&daemon);
    let idle: Vec<UnixStream> = (0..20).map(|_| ask(&many)).collect();
    assert!(daemon.ok(&["status", "--short"]).starts_with('k'));
    let each = anonymous(&daemon).saturating_sub(before) / 20;
    assert!(each < 1024 * 1024, "{each} bytes for each that doesn't read");
    drop(idle);

    let before = written(&daemon);
    write_file(&many, 7, "second");
    wait_for_arrivals(&daemon, KEYS + KEYS_OF_A_FILE);
    let written = written(&daemon) - before;
    assert!(written < 16 * 1024, "{written} bytes written for one edit");

    let before = anonymous(&daemon);
    for file in 0..FILES {
        write_file(&many, file, "third");
    }
    wait_for_arrivals(&daemon, 2 * KEYS + KEYS_OF_A_FILE);
    // The value before is remembered, so that putting it back keeps its date.
    let each = anonymous(&daemon).saturating_sub(before) / u64::try_from(KEYS).unwrap();
    assert!(each <= 768, "{each} bytes for each value that is remembered");
}

fn assert_memory(when: &str, base: u64, daemon: &Daemon, keys: usize) {
    let each = anonymous(daemon).saturating_sub(base) / u64::try_from(keys).unwrap();
    assert!(each <= 2048, "{each} bytes a key {when}");
}

/// Asks for the status by hand, and reads its beginning alone.
fn ask(home: &Home) -> UnixStream {
    let mut stream = UnixStream::connect(home.socket()).unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: credd\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}
