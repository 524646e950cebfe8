//! What the faults share.

use std::fs;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::http::read_message;
use crate::support::run;

pub const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// No popups, no consumers, nobody asked.
pub const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";

/// A home with one key in it, of which nobody is asked.
pub fn home() -> Home {
    let home = Home::new();
    home.write_config(&format!("{QUIET}[[keys]]\nprobe = \"off\"\n"));
    home.set_key(&key("one"));
    home
}

/// A Bedrock key of so many letters of its own.
pub fn key(name: &str) -> String {
    let text = format!("BedrockAPIKey-{name}-at-123456789012:planted-secret-{name}");
    format!("ABSK{}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// Replaces a file by one that exports a key, as a user does, as of so many days ago.
pub fn put(path: &Path, key: &str, days: u32) {
    let new = path.with_extension("new");
    fs::write(&new, format!("export AWS_BEARER_TOKEN_BEDROCK=\"{key}\"\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    if days > 0 {
        run(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(&new));
    }
    fs::rename(&new, path).unwrap();
}

/// Asks the daemon; an error where it ends meanwhile, or isn't there.
pub fn ask(socket: &Path, method: &str, path: &str, body: &str) -> io::Result<(u16, Value)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    let answer = read_message(&mut BufReader::new(stream))?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((answer.status(), serde_json::from_slice(&answer.body)?))
}

/// The codes of all problems.
pub fn codes(status: &Value) -> Vec<&str> {
    status["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect()
}

/// Waits until this is the only problem, and returns its message.
pub fn one_problem(daemon: &Daemon<'_>, code: &str) -> String {
    let status = daemon.until(code, SOON * 2, |status| codes(status) == [code]);
    let problem = &status["problems"][0];
    assert!(!problem["fix"].as_str().unwrap().is_empty(), "{problem}");
    problem["message"].as_str().unwrap().to_owned()
}

/// Waits until nothing is wrong.
pub fn no_problem(daemon: &Daemon<'_>, timeout: Duration) -> Value {
    daemon.until("no problem", timeout, |status| codes(status).is_empty())
}

/// What was told of, by event.
pub fn events(daemon: &Daemon<'_>) -> Vec<String> {
    let history: Vec<Value> = serde_json::from_str(&daemon.ok(&["history", "--json", "-n", "100000"])).unwrap();
    history.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

/// A daemon that ends by itself: with this code, and a failure in one sentence with a next step.
pub fn cannot_start(home: &Home, change: impl FnOnce(&mut Command)) -> Output {
    let mut command = home.command("timeout");
    command.args(["20", CREDD, "run"]);
    change(&mut command);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}\n{text}", output.status);
    assert!(text.lines().any(|line| line.starts_with("credd: ")) && !text.contains("panicked"), "{text}");
    output
}

/// The program where every user gets to it: the one that is built may be in a home that is closed to others.
pub fn for_anybody(home: &Home) -> PathBuf {
    let program = home.path().join("credd");
    run(Command::new("strip").arg("-o").arg(&program).arg(CREDD));
    for path in [home.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    program
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether the long form is wanted.
pub fn is_long() -> bool {
    std::env::var("CREDD_LONG").is_ok_and(|long| long == "1")
}

/// `SplitMix64`: good enough for choosing moments, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// Says its seed, which `CREDD_SEED` sets.
    pub fn new() -> Self {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = std::env::var("CREDD_SEED").ok().map_or_else(|| clock.subsec_nanos().into(), |seed| seed.parse().unwrap());
        println!("CREDD_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
