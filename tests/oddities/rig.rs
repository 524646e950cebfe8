//! A LiteLLM with a daemon of its own, and what is to be seen of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::bedrock::{ANSWER, BedrockStandIn, Request};
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::litellm::{LiteLlm, MASTER_KEY, Options, READY_TIMEOUT};
use crate::support::load::Clients;
use crate::support::wait;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
/// Two start-ups of LiteLLM with what may come before and after them.
const CHANGE_TIMEOUT: Duration = READY_TIMEOUT.saturating_mul(2);
/// A start-up keeps a core busy for seconds: no more of them at once than the smallest machine can bear.
const MOST_AT_ONCE: usize = 2;

/// The keys that Bedrock accepts, and one that it doesn't know.
pub const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
pub const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";
pub const NEWER: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXdlci1hdC0xMjM0NTY3ODkwMTI6bmV3ZXItc2VjcmV0LXZhbA==";
pub const NEWEST: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXdlc3QtYXQtMTIzNDU2Nzg5MDEyOm5ld2VzdC1zZWNyZXQtdmE=";
pub const BAD: &str = "ABSKQmVkcm9ja0FQSUtleS1iYWQtYXQtMTIzNDU2Nzg5MDEyOmJhZC1zZWNyZXQtdmFsdWU=";

/// The right to have a LiteLLM start.
pub struct Turn;

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(MOST_AT_ONCE), Condvar::new());

impl Turn {
    pub fn take() -> Self {
        let (left, returned) = &TURNS;
        *returned.wait_while(left.lock().unwrap(), |left| *left == 0).unwrap() -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap() += 1;
        TURNS.1.notify_one();
    }
}

/// A LiteLLM that serves with [`OLD`], and a home whose credd knows that one alone.
pub struct Case {
    pub bedrock: BedrockStandIn,
    pub home: Home,
    pub proxy: LiteLlm,
}

/// How an apply ended.
pub struct Ended {
    pub outcome: String,
    pub detail: String,
    /// The status at that moment.
    pub status: Value,
}

impl Case {
    /// `consumer` are lines of credd's configuration.
    pub fn start(options: &Options<'_>, consumer: &str) -> Self {
        let bedrock = BedrockStandIn::start([OLD, NEW, NEWER, NEWEST]);
        let home = Home::new().asking(&bedrock.url());
        Self::start_in(home, bedrock, options, consumer)
    }

    /// The same where credd itself doesn't reach Bedrock, and LiteLLM does.
    pub fn start_unreachable(options: &Options<'_>, consumer: &str) -> Self {
        Self::start_in(Home::new(), BedrockStandIn::start([OLD, NEW, NEWER, NEWEST]), options, consumer)
    }

    fn start_in(home: Home, bedrock: BedrockStandIn, options: &Options<'_>, consumer: &str) -> Self {
        let _turn = Turn::take();
        let proxy = LiteLlm::launch(&bedrock, OLD, options);
        let case = Self { bedrock, home, proxy };
        case.configure(consumer);
        case.home.set_key(OLD);
        case.proxy.wait_ready();
        case
    }

    /// Only the LiteLLM of this case: others run at the same time.
    pub fn configure(&self, consumer: &str) {
        let (config, alerts) = (self.proxy.dir().join("config.yaml"), self.alerts_file());
        self.home.write_config(&format!(
            "[alerts]\ndesktop = false\ncommand = [\"sh\", \"-c\", \"{{ cat; echo; }} >> {}\"]\n\
             [[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n{consumer}\n",
            alerts.display(),
            config.display()
        ));
    }

    /// Has the daemon take up another configuration.
    pub fn reconfigure(&self, daemon: &Daemon<'_>, consumer: &str) {
        let read = || daemon.log().matches("the configuration was read anew").count();
        let before = read();
        self.configure(consumer);
        wait::until_true("the configuration to be read anew", SOON, || read() > before);
    }

    /// A daemon that has found LiteLLM.
    pub fn daemon(&self) -> Daemon<'_> {
        let daemon = Daemon::start(CREDD, &self.home);
        daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");
        daemon
    }

    /// Puts a key into the env file and waits for what comes of it.
    pub fn change(&self, daemon: &Daemon<'_>, key: &str) -> Ended {
        self.change_with(daemon, key, "")
    }

    /// The same with other lines in the file.
    pub fn change_with(&self, daemon: &Daemon<'_>, key: &str, more: &str) -> Ended {
        let _turn = Turn::take();
        let before = daemon.status();
        self.write(key, more);
        Self::over(daemon, &before)
    }

    /// Puts a key and other lines into the env file.
    pub fn write(&self, key: &str, more: &str) {
        self.home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK=\"{key}\"\nexport LITELLM_MASTER_KEY=\"{MASTER_KEY}\"\n{more}"));
    }

    /// Waits for the end of an apply that was not there `before`.
    pub fn over(daemon: &Daemon<'_>, before: &Value) -> Ended {
        let before = &before["consumers"][0]["last_apply"]["at"];
        let status = daemon.until("an apply to end", CHANGE_TIMEOUT, |status| {
            let consumer = &status["consumers"][0];
            consumer["last_apply"]["at"] != *before && consumer["state"] != "applying" && !consumer["last_apply"].is_null()
        });
        let text = |field: &str| status["consumers"][0]["last_apply"][field].as_str().unwrap().to_owned();
        Ended { outcome: text("outcome"), detail: text("detail"), status }
    }

    /// A client at work, as a person is.
    pub fn client(&self) -> Clients {
        Clients::paced(1, Duration::from_millis(150), &self.proxy)
    }

    /// LiteLLM serves with this key, and nothing but what serves is left of it.
    pub fn serves_with(&self, key: &str) {
        self.bedrock.forget();
        assert_eq!(self.proxy.complete().as_deref(), Ok(ANSWER), "{}", self.proxy.log());
        let bearers: Vec<_> = self.bedrock.requests().into_iter().filter(Request::is_converse).map(|r| r.bearer.unwrap()).collect();
        assert!(!bearers.is_empty() && bearers.iter().all(|bearer| bearer == key), "{bearers:?}");
        let listener = self.proxy.listener().unwrap();
        let roots = self.running();
        let [root] = roots.as_slice() else { panic!("there are several: {roots:?}") };
        assert!(listener == *root || ancestors(listener).contains(root), "{listener} is not below {root}");
    }

    /// The process that was started at first serves with its old key, and nothing else is left.
    pub fn is_untouched(&self) {
        self.serves_with(OLD);
        assert_eq!(self.running(), [self.proxy.pid()]);
    }

    /// The topmost processes of all that runs here as LiteLLM.
    pub fn running(&self) -> Vec<u32> {
        let own = format!("CREDD_RIG_DIR={}", self.proxy.dir().display());
        let all: Vec<u32> = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        let ours: Vec<u32> = all.into_iter().filter(|pid| strings(*pid, "environ").contains(&own) && is_litellm(*pid)).collect();
        let mut roots: Vec<u32> = ours.iter().copied().filter(|pid| !ancestors(*pid).iter().any(|above| ours.contains(above))).collect();
        roots.sort_unstable();
        roots
    }

    /// Why the user was alerted, in order.
    pub fn alerts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.alerts_file()).unwrap_or_default();
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        alerts.map(|alert| alert["reason"].as_str().unwrap().to_owned()).collect()
    }

    fn alerts_file(&self) -> PathBuf {
        self.home.path().join("alerts")
    }

    /// Puts something executable, or readable, beside LiteLLM's files.
    pub fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.proxy.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Ended {
    /// Asserts how it ended and that the user is told these things.
    pub fn is(&self, outcome: &str, said: &[&str]) {
        assert_eq!(self.outcome, outcome, "{}", self.detail);
        for words in said {
            assert!(self.detail.contains(words), "{words:?} is not in {:?}", self.detail);
        }
    }

    /// The state of the key and of the consumer.
    pub fn states(&self) -> [&str; 2] {
        [&self.status["keys"][0]["state"], &self.status["consumers"][0]["state"]].map(|state| state.as_str().unwrap())
    }
}

/// Whether a process is LiteLLM or one of its workers.
fn is_litellm(pid: u32) -> bool {
    let is_program = |word: &String| Path::new(word).file_name().is_some_and(|name| name == "litellm");
    strings(pid, "cmdline").iter().any(|word| is_program(word) || word.starts_with("from multiprocessing"))
}

fn strings(pid: u32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

fn ancestors(pid: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok().filter(|parent| *parent > 1)
    };
    std::iter::successors(parent(pid), |above| parent(*above)).collect()
}
