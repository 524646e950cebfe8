//! Env files, orders, and the worker.

use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use credd::core::{KeyName, ProbeManner, ProbeReport, ProbeVerdict};
use credd::salt::Salt;
use credd::worker::job::{Answer, Job, KeyTarget, ProbeOrder};
use tempfile::TempDir;

use crate::support::http::read_message;

pub const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
/// A key; every test looks that it is told nowhere.
pub const KEY: &str = "ABSK-planted-and-secret";

/// A directory with a state directory and an env file for each key.
pub struct Rig {
    dir: TempDir,
    salt: Salt,
    environment: Vec<(String, String)>,
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let salt = Salt::load_or_create(&dir.path().join("state")).unwrap();
        Self { dir, salt, environment: Vec::new() }
    }

    /// Gives the worker a variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, value: &str) {
        fs::write(self.path(name), format!("export {VARIABLE}='{value}'\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// An order to ask after a key that is in a file of its own.
    pub fn order(&self, name: &str, value: &str, manner: ProbeManner, endpoint: Option<&str>) -> ProbeOrder {
        self.write(name, value);
        ProbeOrder {
            key: KeyTarget {
                name: KeyName::from(name),
                variable: VARIABLE.to_owned(),
                env_file: self.path(name),
                fingerprint: self.salt.fingerprint(value.as_bytes()),
            },
            manner,
            endpoint: endpoint.map(str::to_owned),
            region: "us-east-1".to_owned(),
        }
    }

    /// What a worker tells of these orders, in the order of its answers.
    pub fn work(&self, probes: Vec<ProbeOrder>) -> Vec<(String, Option<ProbeReport>)> {
        let job = serde_json::to_vec(&Job::Probe { state_dir: self.path("state"), consumers: Vec::new(), probes }).unwrap();
        let mut worker = Command::new(env!("CARGO_BIN_EXE_credd"))
            .arg("worker")
            .env_clear()
            .env("HOME", self.dir.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        worker.stdin.take().unwrap().write_all(&job).unwrap();
        let output = worker.wait_with_output().unwrap();
        let (said, told) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success() && said.is_empty(), "{said}");
        for secret in [KEY, "planted", "hunter2", "Bearer"] {
            assert!(!told.contains(secret), "{told}");
        }
        told.lines()
            .map(|line| match serde_json::from_str(line).unwrap() {
                Answer::Probed { key, report, .. } => (key.as_str().to_owned(), report),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// What a worker tells of [`KEY`].
    pub fn ask(&self, manner: ProbeManner, endpoint: Option<&str>) -> ProbeReport {
        let order = self.order("env", KEY, manner, endpoint);
        match <[_; 1]>::try_from(self.work(vec![order])).unwrap() {
            [(_, Some(report))] => report,
            [(_, None)] => panic!("the key is another"),
        }
    }

    /// Asks once and compares the verdict and a part of the detail.
    pub fn expect(&self, endpoint: Option<&str>, verdict: ProbeVerdict, detail: &str) {
        let report = self.ask(ProbeManner::Scheduled, endpoint);
        assert!(report.verdict == verdict && report.detail.contains(detail), "not {verdict:?}, {detail:?}: {report:?}");
        assert!(report.consumers.is_empty());
    }
}

/// Has workers with these surroundings ask side by side, since each waits before it asks again.
pub fn all_unreachable(cases: &[(Rig, Option<&str>, &str)]) {
    thread::scope(|scope| {
        for (rig, endpoint, detail) in cases {
            scope.spawn(|| rig.expect(*endpoint, ProbeVerdict::Unreachable, detail));
        }
    });
}

/// A server on loopback that does with each connection what it is told; it ends with the test.
pub fn serve(handle: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// A server that reads a request, says this and closes.
pub fn says(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    let address = serve(move |mut stream| {
        let _ = read_message(&mut BufReader::new(&stream));
        let _ = stream.write_all(&answer);
    });
    format!("http://{address}")
}
