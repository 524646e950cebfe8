//! The real LiteLLM proxy, started the way its users start it: from a shell, in the background, into a
//! log file, and with nobody waiting for its end.
//!
//! It needs 9 to 18 quiet seconds until it is ready: share one where that is possible.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bedrock::BedrockStandIn;
use super::{http, installed, is_running, rig_dir, rig_program, run, wait};

pub use super::http::free_port;

const PROGRAM: &str = "litellm/bin/litellm";
pub const MASTER_KEY: &str = "sk-test-0123456789abcdef";
/// The model of its configuration.
pub const MODEL: &str = "cheap";
const QUESTION: &str = "Say hello.";
/// What it is given to become ready, on a machine that is busy with other tests.
pub const READY_TIMEOUT: Duration = Duration::from_mins(2);

/// How it is to be started.
#[derive(Default, Clone)]
pub struct Options<'a> {
    /// Where its files go; a directory of its own otherwise.
    pub dir: Option<&'a Path>,
    pub port: Option<u16>,
    /// Another LiteLLM than the one of `tests/setup`.
    pub program: Option<&'a Path>,
    /// Its configuration file, for another than [`config`].
    pub config: Option<&'a str>,
    pub env: &'a [(&'a str, &'a str)],
    pub args: &'a [&'a str],
    /// Another line of the shell that starts it, and notes its pid: see [`LINE`].
    pub line: Option<&'a str>,
}

/// What starts it. `set -m`, because a user's shell has job control: its jobs have their own process groups
/// and don't ignore SIGINT.
const LINE: &str = "set -m; litellm --config \"$PWD/config.yaml\" --port \"$@\" > litellm.log 2>&1 & \
                        echo $! > litellm.pid";

/// Ends, with whatever was started in its place, when it is dropped or this process ends.
pub struct LiteLlm {
    dir: PathBuf,
    port: u16,
    pid: u32,
    begun: Instant,
    env: Vec<(String, String)>,
    args: Vec<String>,
    own_dir: Option<TempDir>,
}

impl LiteLlm {
    /// Starts one that reaches Bedrock's stand-in with a key, and waits until it is ready.
    pub fn start(bedrock: &BedrockStandIn, key: &str) -> Self {
        let proxy = Self::launch(bedrock, key, &Options::default());
        proxy.wait_ready();
        proxy
    }

    /// As [`LiteLlm::start`], without the waiting.
    pub fn launch(bedrock: &BedrockStandIn, key: &str, options: &Options) -> Self {
        let program = options.program.map_or_else(|| installed(PROGRAM, "litellm"), Path::to_owned);
        let own_dir = options.dir.is_none().then(|| tempfile::Builder::new().prefix("credd-litellm-").tempdir().unwrap());
        let dir = options.dir.or(own_dir.as_ref().map(TempDir::path)).unwrap().to_owned();
        let port = options.port.unwrap_or_else(free_port);
        fs::write(dir.join("config.yaml"), options.config.unwrap_or(config())).unwrap();
        run(rig_program("reap").arg(&dir).args(["--after", &std::process::id().to_string()]));

        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        let mut env: Vec<(String, String)> = [
            ("PATH", path.as_str()),
            ("HOME", dir.to_str().unwrap()),
            ("LANG", "C.UTF-8"),
            ("AWS_BEARER_TOKEN_BEDROCK", key),
            ("LITELLM_MASTER_KEY", MASTER_KEY),
            ("AWS_BEDROCK_RUNTIME_ENDPOINT", &bedrock.url()),
            ("LITELLM_LOCAL_MODEL_COST_MAP", "True"), // or it asks the network for prices first
        ]
        .into_iter()
        .chain(options.env.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        env.push(("CREDD_RIG_DIR".to_owned(), dir.display().to_string())); // what it is found by and ended
        let args = std::iter::once(port.to_string()).chain(options.args.iter().map(|&arg| arg.to_owned())).collect();
        let mut proxy = Self { dir, port, pid: 0, begun: Instant::now(), env, args, own_dir };
        proxy.shell(options.line.unwrap_or(LINE));
        proxy.pid = proxy.noted_pid();
        proxy
    }

    /// Has a shell in its directory and with its environment run a line to the end, with its port and further
    /// arguments as `"$@"`.
    pub fn shell(&self, line: &str) {
        let status = Command::new("setsid")
            .args(["bash", "-c", line, "bash"])
            .args(&self.args)
            .current_dir(&self.dir)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "the shell that starts litellm: {status}");
    }

    fn noted_pid(&self) -> u32 {
        fs::read_to_string(self.pid_file()).unwrap().trim().parse().unwrap()
    }

    pub fn wait_ready(&self) {
        let ready = wait::try_until(READY_TIMEOUT, || {
            assert!(is_running(self.pid) || self.listener().is_some(), "litellm ended: {}", self.log());
            self.get("/health/readiness").is_ok_and(|m| m.status() == 200).then_some(())
        });
        assert!(ready.is_some(), "litellm is not ready within {READY_TIMEOUT:?}: {}", self.log());
    }

    /// The process that was started, not one that took its place.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When its start began.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("litellm.pid")
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("litellm.log")).unwrap_or_default()).into_owned()
    }

    /// Who listens on its port now.
    pub fn listener(&self) -> Option<u32> {
        let sockets = run(Command::new("ss").args(["-Hltnp", &format!("sport = :{}", self.port)]));
        let (_, rest) = sockets.split_once("pid=")?;
        rest.split(',').next()?.parse().ok()
    }

    /// The key that the process on its port was started with.
    pub fn key_in_use(&self) -> Option<String> {
        let environment = fs::read(format!("/proc/{}/environ", self.listener()?)).ok()?;
        String::from_utf8_lossy(&environment)
            .split('\0')
            .find_map(|entry| entry.strip_prefix("AWS_BEARER_TOKEN_BEDROCK="))
            .map(str::to_owned)
    }

    /// A completion: what the model said, or the status (0 without an answer) and the reason.
    pub fn complete(&self) -> Result<String, (u16, String)> {
        self.client().complete()
    }

    /// Somebody who asks whatever listens on its port.
    pub fn client(&self) -> Client {
        Client { port: self.port }
    }

    /// The same as a stream, put together again.
    pub fn complete_streamed(&self) -> Result<String, (u16, String)> {
        self.client().stream(QUESTION)
    }

    fn get(&self, path: &str) -> std::io::Result<http::Message> {
        http::request(self.port, "GET", path, None, None, Duration::from_secs(5))
    }

    /// Ends it with whatever was started in its place.
    pub fn stop(&self) {
        run(rig_program("reap").arg(&self.dir));
    }
}

impl Drop for LiteLlm {
    fn drop(&mut self) {
        let _ = rig_program("reap").arg(&self.dir).output();
    }
}

/// Somebody who asks for completions.
#[derive(Clone, Copy)]
pub struct Client {
    port: u16,
}

impl Client {
    pub fn of(port: u16) -> Self {
        Self { port }
    }

    /// A completion: what the model said, or the status (0 without an answer) and the reason.
    pub fn complete(self) -> Result<String, (u16, String)> {
        self.answer_to(QUESTION)
    }

    /// The same, for a question of one's own.
    pub fn answer_to(self, question: &str) -> Result<String, (u16, String)> {
        let answer = self.ask(question, false)?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|e| (200, e.to_string()))?;
        body["choices"][0]["message"]["content"].as_str().map(str::to_owned).ok_or_else(|| (200, body.to_string()))
    }

    /// An answer in parts, put together again; one that was cut is a failure.
    pub fn stream(self, question: &str) -> Result<String, (u16, String)> {
        let answer = self.ask(question, true)?.text();
        let events: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        if events.last() != Some(&"[DONE]") {
            return Err((200, format!("the stream was cut: {answer}")));
        }
        let parts = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
        Ok(parts.filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect())
    }

    fn ask(self, question: &str, stream: bool) -> Result<http::Message, (u16, String)> {
        let question = json!({
            "model": MODEL, "stream": stream, "max_tokens": 16,
            "messages": [{"role": "user", "content": question}]
        });
        let path = "/v1/chat/completions";
        let timeout = Duration::from_mins(1);
        let answer = http::request(self.port, "POST", path, Some(MASTER_KEY), Some(&question), timeout).map_err(|e| (0, e.to_string()))?;
        if answer.status() == 200 { Ok(answer) } else { Err((answer.status(), answer.text())) }
    }
}

/// The one of `tests/setup`, if it is there.
pub fn program() -> Option<PathBuf> {
    Some(rig_dir().join(PROGRAM)).filter(|path| path.exists())
}

/// What it says it is.
pub fn version() -> String {
    // Without the network, which it would ask for prices even here.
    let said = run(Command::new(installed(PROGRAM, "litellm")).arg("--version").env("LITELLM_LOCAL_MODEL_COST_MAP", "True"));
    said.rsplit('=').next().unwrap_or_default().trim().to_owned()
}

/// Its configuration file.
pub fn config() -> &'static str {
    "model_list:
  - model_name: cheap
    litellm_params:
      model: bedrock/anthropic.claude-3-haiku-20240307-v1:0
      aws_region_name: us-east-1
"
}
