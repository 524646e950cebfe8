//! A home with a daemon, keys that no other test has, and what the doctor finds there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::{said, wait};

pub const CREDD: &str = env!("CARGO_BIN_EXE_credd");
pub const QUIET: &str = "consumers = []\n[alerts]\ndesktop = false\n";
pub const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// A key that nobody but this test has: other tests' processes can be seen too.
pub fn key(test: &str, number: u32) -> String {
    let identity = format!("planted-{number:03}-at-123456789012:{test}-{}-planted", std::process::id());
    format!("ABSK{}", STANDARD.encode(identity))
}

/// A home whose keys are of one test.
pub struct Rig {
    pub home: Home,
    pub old: String,
    pub new: String,
}

impl Rig {
    pub fn new(test: &str) -> Self {
        Self::in_home(Home::new(), test)
    }

    pub fn in_home(home: Home, test: &str) -> Self {
        home.write_config(QUIET);
        fs::create_dir(home.path().join("bin")).unwrap();
        let rig = Self { home, old: key(test, 1), new: key(test, 2) };
        // Whatever this machine's clock is like.
        rig.script("timedatectl", "echo yes");
        rig
    }

    /// Puts a script on the PATH, before all else.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Has credd write its unit, with a systemctl that says yes to everything; returns the unit.
    pub fn install(&self) -> PathBuf {
        self.script("systemctl", "exit 0");
        let mut command = self.home.command(CREDD);
        let output = command.arg("install").env("PATH", self.search_path()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        self.home.config_dir().join("systemd/user/credd.service")
    }

    fn search_path(&self) -> String {
        let program = Path::new(CREDD).parent().unwrap();
        format!("{}:{}:{}", self.path("bin").display(), program.display(), std::env::var("PATH").unwrap())
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// Writes a file, and the directories that it is in.
    pub fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A daemon that has seen one key.
    pub fn daemon(&self) -> Daemon<'_> {
        self.home.set_key(&self.new);
        let daemon = Daemon::start(CREDD, &self.home);
        daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
        daemon
    }

    /// A daemon that has seen the old key replaced by the new one.
    pub fn replaced(&self) -> Daemon<'_> {
        self.home.set_key(&self.old);
        let daemon = Daemon::start(CREDD, &self.home);
        daemon.until("the old key", SOON, |status| status["keys"][0]["state"] == "ok");
        self.home.set_key(&self.new);
        daemon.until("the new key", SOON, |status| status["keys"][0]["former"].as_array().is_some_and(|former| former.len() == 1));
        daemon
    }

    /// A daemon that has seen the old key end, and the new one take its place.
    pub fn ended(&self) -> Daemon<'_> {
        self.home.set_key(&self.old);
        let daemon = Daemon::start(CREDD, &self.home);
        let ended = daemon.until("the old key", SOON, |status| status["keys"][0]["state"] == "ok")["keys"][0]["fingerprint"].clone();
        daemon.ok(&["issued", "bedrock", "31 days ago"]);
        self.home.set_key(&self.new);
        daemon.until("the new key", SOON, |status| status["keys"][0]["state"] == "ok" && status["keys"][0]["fingerprint"] != ended);
        daemon
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(CREDD);
        command.arg("doctor").args(args).env("PATH", self.search_path()).stdin(Stdio::null());
        command
    }

    /// Runs the doctor, which never says a value.
    pub fn output(&self, mut command: Command) -> Output {
        let output = command.output().unwrap();
        let shown = said(&output);
        for key in [&self.old, &self.new] {
            assert!(!shown.contains(&key[..key.len() / 2]) && !shown.contains(&key[key.len() / 2..]), "a key is shown");
        }
        output
    }

    pub fn findings(&self) -> Findings {
        self.findings_of(&["--json"])
    }

    pub fn findings_of(&self, args: &[&str]) -> Findings {
        Findings::of(&self.output(self.command(args)))
    }
}

/// What `--json` prints.
pub struct Findings {
    pub all: Vec<Value>,
    pub code: i32,
}

impl Findings {
    /// Reads a document that is as promised, as the exit code is.
    pub fn of(output: &Output) -> Self {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)));
        let fields: Vec<_> = document.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["findings", "ok"]);
        let all = document["findings"].as_array().unwrap().clone();
        for finding in &all {
            let fields: Vec<_> = finding.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["code", "fix", "message", "severity", "why"]);
            assert!(finding.as_object().unwrap().values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{finding}");
            assert!(["info", "warning", "error"].contains(&finding["severity"].as_str().unwrap()), "{finding}");
        }
        let ok = all.iter().all(|finding| finding["severity"] == "info");
        let code = output.status.code().unwrap();
        assert_eq!((&document["ok"], code), (&Value::Bool(ok), i32::from(!ok)), "{document:#}");
        Self { all, code }
    }

    pub fn codes(&self) -> Vec<&str> {
        self.all.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    /// All of a code: severity, message and fix.
    pub fn all_of(&self, code: &str) -> Vec<(&str, &str, &str)> {
        self.all
            .iter()
            .filter(|finding| finding["code"] == code)
            .map(|finding| (finding["severity"].as_str().unwrap(), finding["message"].as_str().unwrap(), finding["fix"].as_str().unwrap()))
            .collect()
    }

    /// The only one of a code.
    pub fn one(&self, code: &str) -> (&str, &str, &str) {
        let all = self.all_of(code);
        assert_eq!(all.len(), 1, "{code}: {:#?}", self.all);
        all[0]
    }
}

/// A process that is ended with the test.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        let running = Self(child);
        // Until then it is a copy of this test.
        let program = command.get_program().to_owned();
        wait::until_true("the program to be there", SOON, || {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| Path::new(&program).file_name().unwrap().to_string_lossy() == comm.trim())
        });
        running
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
