//! Other users, with the way to the socket laid open by mistake.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::{said, wait};
use crate::{CREDD, KEY, QUIET, is_root};

const NOBODY: &str = "65534";

/// A command as a user, without any of root's rights.
fn by(user: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    if user != "0" {
        command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]);
    }
    command
}

fn ask(user: &str, socket: &Path, method: &str, path: &str, body: &str) -> Output {
    by(user)
        .args(["curl", "-sS", "-m", "5", "-X", method, "-d", body, "--unix-socket"])
        .arg(socket)
        .arg(format!("http://credd{path}"))
        .output()
        .unwrap()
}

/// Every request there is.
const REQUESTS: [(&str, &str, &str); 10] = [
    ("GET", "/v1/status", ""),
    ("GET", "/v1/events", ""),
    ("GET", "/v1/history?n=10", ""),
    ("GET", "/metrics", ""),
    ("POST", "/v1/keys/bedrock/issued", "{\"at\": \"2020-01-01T00:00:00Z\"}"),
    ("POST", "/v1/keys/bedrock/snooze", "{\"until\": \"2099-01-01T00:00:00Z\"}"),
    ("POST", "/v1/keys/bedrock/verify", "{}"),
    ("POST", "/v1/keys/bedrock/renew", "{}"),
    ("POST", "/v1/consumers/litellm/apply", "{\"force\": true}"),
    ("POST", "/v1/keys/bedrock/renewed", "{\"fingerprint\": \"00000000000000000000000000000000\"}"),
];

/// Not a byte comes back for any request of this user.
fn is_told_nothing(user: &str, socket: &Path) {
    // So it isn't the modes that keep them out.
    assert!(by(user).args(["test", "-w"]).arg(socket).status().unwrap().success());
    for (method, path, body) in REQUESTS {
        // Not even that it was refused: the connection just ends.
        let told = ask(user, socket, method, path, body);
        assert!(!told.status.success() && told.stdout.is_empty(), "{method} {path}: {}", said(&told));
    }
}

fn lay_open(home: &Home) {
    for dir in [home.path().to_owned(), home.runtime_dir(), home.socket().parent().unwrap().to_owned()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
}

#[test]
fn another_user_is_told_nothing_and_changes_nothing() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    home.write_config(QUIET);
    home.set_key(KEY);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    lay_open(&home);
    assert!(ask("0", &home.socket(), "GET", "/v1/status", "").stdout.starts_with(b"{"), "the way isn't open");
    let history = daemon.ok(&["history", "--json"]);
    is_told_nothing(NOBODY, &home.socket());
    let status = daemon.status();
    assert_eq!((&status["keys"][0]["state"], status["keys"][0]["snoozed_until"].is_null()), (&"ok".into(), true));
    assert_eq!(daemon.ok(&["history", "--json"]), history);
}

#[test]
fn another_user_s_crowd_takes_nobody_s_place() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    home.write_config(QUIET);
    let daemon = Daemon::start(CREDD, &home);
    lay_open(&home);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    daemon.status();
    let before = descriptors();
    let line = "import socket, sys, time\n\
                all = []\n\
                for n in range(300):\n    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); all.append(s)\n\
                print('connected', flush=True); sys.stdin.read()";
    let mut crowd =
        by(NOBODY).args(["/usr/bin/python3", "-c", line]).arg(home.socket()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(crowd.stdout.as_mut().unwrap(), &mut [0; 9]).unwrap();
    wait::until_true("them to be turned away", SOON, || descriptors() <= before);
    assert_eq!(daemon.status()["live"], true);
    drop(crowd.stdin.take());
    crowd.wait().unwrap();
}

/// A daemon of another user than the one who runs the tests.
struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn give(path: &Path) {
    chown(path, Some(65534), Some(65534)).unwrap();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        give(&entry.path());
    }
}

#[test]
fn root_is_another_user() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    home.write_config(QUIET);
    home.set_key(KEY);
    // Where the build is may be out of that user's reach.
    let program: PathBuf = home.path().join("credd");
    fs::copy(CREDD, &program).unwrap();
    give(home.path());
    let as_owner = |args: &[&str]| {
        let mut command = home.command("setpriv");
        command.args(by(NOBODY).get_args()).arg(&program).args(args).stdin(Stdio::null());
        command
    };
    let _daemon = Foreign(as_owner(&["run"]).stderr(Stdio::null()).spawn().unwrap());
    let mut last = None;
    wait::until_true("the owner to be answered", SOON, || {
        let status = as_owner(&["status", "--json"]).output().unwrap();
        let live = String::from_utf8_lossy(&status.stdout).contains("\"live\": true");
        last = Some(status);
        live
    });
    lay_open(&home);
    is_told_nothing("0", &home.socket());
    assert!(as_owner(&["status", "--json"]).output().unwrap().stdout.starts_with(b"{"), "{:?}", last.map(|last| said(&last)));
}
