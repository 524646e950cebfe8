//! A consumer of one's own for each test, and the worker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use credd::config::{ConsumerConfig, Restart, Verify};
use credd::consumers::find::find;
use credd::consumers::sys::{Held, descendants};
use credd::core::{ApplyReport, ConsumerName, ConsumerReport, KeyName};
use credd::salt::Salt;
use credd::worker::job::{Answer, ApplyOrder, Job, KeyTarget, KeyVariable};
use tempfile::TempDir;

pub const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
pub const OLD: &str = "ABSK-old-and-secret";
pub const NEW: &str = "ABSK-new-and-secret";

/// Waits until something is so; the one place that waits.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = credd::clock::monotonic();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A directory with an env file, LiteLLM's configuration, a log and a state directory.
pub struct Rig {
    dir: TempDir,
    pub port: u16,
    pub salt: Salt,
    pub config: ConsumerConfig,
    /// Of the worker's environment, in addition.
    pub environ: Vec<(&'static str, OsString)>,
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("state")).unwrap();
        let salt = Salt::load_or_create(&path("state")).unwrap();
        fs::write(path("config.yaml"), "model_list:\n- model_name: cheap\n  litellm_params: {model: bedrock/x}\n").unwrap();
        let config = ConsumerConfig {
            name: ConsumerName::from("litellm"),
            keys: Vec::new(),
            restart: Restart::Auto,
            handover: false,
            // The path keeps the tests, which run side by side, from each other's processes.
            matches: ["litellm", "--config", path("config.yaml").to_str().unwrap()].map(str::to_owned).to_vec(),
            url: None,
            verify: Verify::Completion,
            model: None,
            master_key_variable: "LITELLM_MASTER_KEY".to_owned(),
            stop_timeout: Duration::from_secs(5),
            ready_timeout: Duration::from_secs(20),
            pid_file: Some(path("pid")),
            unit: None,
            compose_file: None,
            service: None,
            command: Vec::new(),
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let rig = Self { dir, port, salt, config, environ: Vec::new() };
        rig.write_key(NEW);
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write_key(&self, key: &str) {
        let text = format!("export {VARIABLE}={key}\nexport AWS_REGION=eu-west-1\nunset GONE\n");
        fs::write(self.path("env"), text).unwrap();
    }

    /// Tells processes with a key how to behave (see the stand-in).
    pub fn behave(&self, words: &[(&str, &[&str])]) {
        let told: BTreeMap<_, _> = words.iter().copied().collect();
        fs::write(self.path("behaviour"), serde_json::to_vec(&told).unwrap()).unwrap();
    }

    /// The command line that runs the stand-in through a shell, with its output as given.
    pub fn command(&self, before: &str, redirect: &str) -> Command {
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fake-litellm/litellm");
        let line = format!("{before}exec python3 \"$0\" --config \"$1\" --port \"$2\" '' {redirect}");
        let mut command = Command::new("bash");
        command
            .args(["-c", &line])
            .arg(fake)
            .arg(self.path("config.yaml"))
            .arg(self.port.to_string())
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("FAKE_BEHAVIOUR", self.path("behaviour"))
            .env("LITELLM_MASTER_KEY", "sk-master")
            .env("GONE", "1")
            .env("KEPT", "a b\nc")
            .env(VARIABLE, OLD)
            .stdin(Stdio::null());
        command
    }

    /// Starts the stand-in with its log in `log` and waits until it serves.
    pub fn start(&self) -> Child {
        self.start_by(&mut self.command("", "> log 2>&1"))
    }

    pub fn start_by(&self, command: &mut Command) -> Child {
        let child = command.spawn().unwrap();
        until("the stand-in serves", || self.serves());
        child
    }

    pub fn serves(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Whether it answers a request.
    pub fn answers(&self) -> bool {
        crate::support::http::request(self.port, "GET", "/health/liveliness", None, None, Duration::from_secs(10)).is_ok()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    pub fn order(&self) -> ApplyOrder {
        self.order_of(NEW)
    }

    fn order_of(&self, key: &str) -> ApplyOrder {
        ApplyOrder {
            state_dir: self.path("state"),
            consumer: self.config.clone(),
            keys: vec![KeyTarget {
                name: KeyName::from("bedrock"),
                variable: VARIABLE.to_owned(),
                env_file: self.path("env"),
                fingerprint: self.salt.fingerprint(key.as_bytes()),
            }],
            withheld: Vec::new(),
            from_service: false,
        }
    }

    /// Applies; the phases it went through and the report, which never quotes a secret.
    pub fn apply(&self) -> (Vec<String>, ApplyReport) {
        self.apply_key(NEW)
    }

    /// The same of another key.
    pub fn apply_key(&self, key: &str) -> (Vec<String>, ApplyReport) {
        let mut phases = Vec::new();
        for answer in self.work(&Job::Apply(Box::new(self.order_of(key)))) {
            match answer {
                Answer::Progress { phase } => phases.push(phase),
                Answer::Applied(report) => {
                    assert!(!report.detail.contains("secret"), "{}", report.detail);
                    return (phases, report);
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("no report")
    }

    /// Has a real worker do a job.
    pub fn work(&self, job: &Job) -> Vec<Answer> {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_credd"))
            .arg("worker")
            .envs(self.environ.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = worker.stdin.take().unwrap();
        input.write_all(&serde_json::to_vec(job).unwrap()).unwrap();
        // Left open: the worker is to be content with a whole job.
        let output = worker.wait_with_output().unwrap();
        drop(input);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn look(&self, state_dir: PathBuf) -> Job {
        let keys = vec![KeyVariable { name: KeyName::from("bedrock"), variable: VARIABLE.to_owned(), env_file: self.path("env") }];
        Job::Inspect { state_dir, keys, consumers: vec![self.config.clone()] }
    }

    pub fn inspect(&self) -> ConsumerReport {
        let job = self.look(self.path("state"));
        match self.work(&job).pop() {
            Some(Answer::Consumer { report, .. }) => report,
            other => panic!("{other:?}"),
        }
    }

    /// The key of each of the consumer's processes, as it was started.
    pub fn keys(&self) -> Vec<String> {
        let held = find(&self.config.matches).unwrap();
        held.iter()
            .map(|process| {
                let environ = process.environ().unwrap();
                String::from_utf8(environ.get(VARIABLE.as_bytes()).unwrap_or(b"none").to_vec()).unwrap()
            })
            .collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // By the path of its own configuration, whatever `config` was made to match: nobody else's.
        let own = ["litellm", "--config", self.path("config.yaml").to_str().unwrap()].map(str::to_owned);
        for process in find(&own).unwrap_or_default() {
            for below in descendants(&process) {
                let _ = below.signal(rustix::process::Signal::KILL);
            }
            let _ = process.signal(rustix::process::Signal::KILL);
        }
    }
}

/// A child as a process that can be asked after.
pub fn held(child: &Child) -> Held {
    Held::open(i32::try_from(child.id()).unwrap()).unwrap()
}

pub fn proc_text(pid: i32, name: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file with text in it, open for writing at its end but not for appending.
pub fn written(path: &Path, text: &str) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
