//! The ways to have LiteLLM take up a new key.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::measure::{Change, start_up};
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::{Daemon, SOON};
use super::support::home::Home;
use super::support::litellm::{LiteLlm, Options, READY_TIMEOUT, free_port};
use super::support::load::Clients;
use super::support::{installed, is_running, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const CLIENTS: usize = 5;
/// How long clients are at work before the edit, and after all is over.
const AROUND: Duration = Duration::from_secs(1);

/// The guide's recipe, typed the moment the edit is done. It says `pkill`, which would hit every LiteLLM of
/// the machine.
const RECIPE: &str = r#"kill "$(cat litellm.pid)"
sleep 2
. "$ENV_FILE"
nohup litellm --config "$PWD/config.yaml" --port "$@" > litellm.log 2>&1 &
echo $! > litellm.pid"#;

/// The same job for watchexec.
const WATCHEXEC: &str = r#"set -m
"$WATCHEXEC" -r -w "$ENV_FILE" --shell=bash '. "$ENV_FILE"; exec litellm --config "$PWD/config.yaml" --port "$PORT"' > litellm.log 2>&1 &
echo $! > litellm.pid"#;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Recipe,
    Watchexec,
    StopFirst,
    HandOver,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Recipe, Self::Watchexec, Self::StopFirst, Self::HandOver];

    pub fn name(self) -> &'static str {
        match self {
            Self::Recipe => "the guide: kill, `sleep 2`, source, start",
            Self::Watchexec => "`watchexec -r`",
            Self::StopFirst => "credd, `handover = false`",
            Self::HandOver => "credd",
        }
    }

    /// What the configuration says of the hand-over, where it is credd's.
    fn handover(self) -> Option<bool> {
        match self {
            Self::Recipe | Self::Watchexec => None,
            Self::StopFirst => Some(false),
            Self::HandOver => Some(true),
        }
    }
}

/// A LiteLLM, its env file, and whoever looks after both.
pub struct Scene<'b> {
    way: Way,
    bedrock: &'b BedrockStandIn,
    home: Home,
    proxy: LiteLlm,
}

impl<'b> Scene<'b> {
    pub fn set(way: Way, bedrock: &'b BedrockStandIn, key: &str) -> Self {
        let home = Home::new().asking(&bedrock.url());
        home.set_key(key);
        let port = free_port();
        let (env_file, port_text) = (home.env_file().display().to_string(), port.to_string());
        let mut env = vec![("ENV_FILE", env_file.as_str()), ("PORT", &port_text)];
        let watchexec;
        let mut line = None;
        if way == Way::Watchexec {
            watchexec = installed("tools/bin/watchexec", "bench").display().to_string();
            env.push(("WATCHEXEC", &watchexec));
            line = Some(WATCHEXEC);
        }
        let (proxy, _) = start_up(bedrock, key, &Options { port: Some(port), env: &env, line, ..Options::default() });
        if let Some(handover) = way.handover() {
            let config = proxy.dir().join("config.yaml");
            home.write_config(&format!(
                "[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\nhandover = {handover}\n",
                config.display()
            ));
        }
        Self { way, bedrock, home, proxy }
    }

    /// Changes the key while clients are at work.
    pub fn change(&self, old: &str, new: &str) -> Change {
        let daemon = self.way.handover().map(|_| self.daemon());
        let replaced = self.proxy.listener().expect("a LiteLLM that listens");
        assert_eq!(self.proxy.key_in_use().as_deref(), Some(old));
        self.bedrock.forget();

        let clients = Clients::start(CLIENTS, &self.proxy);
        sleep(AROUND);
        self.edit(new);
        let edited = Instant::now();
        if self.way == Way::Recipe {
            self.proxy.shell(RECIPE);
        }
        // Of the clients: credd has asked by then.
        let is_new = |bearer: Option<&str>, body: &str| bearer == Some(new) && body.contains("Question ");
        let first = self.bedrock.wait_for(|request| is_new(request.bearer.as_deref(), &request.body), READY_TIMEOUT);
        assert!(first.is_some(), "{}: LiteLLM doesn't use the new key: {}", self.way.name(), self.proxy.log());
        if let Some(daemon) = &daemon {
            daemon.until("the change to be through", READY_TIMEOUT, |status| {
                let consumer = &status["consumers"][0];
                consumer["last_apply"]["outcome"] == "applied" && consumer["state"] == "current"
            });
        }
        wait::until_true("the old LiteLLM to end", READY_TIMEOUT, || !is_running(replaced));
        sleep(AROUND);
        Change::of(&clients.finish(), edited, self.bedrock, new)
    }

    /// As the guide has it, by `>>`: the last assignment counts.
    fn edit(&self, key: &str) {
        let mut file = OpenOptions::new().append(true).open(self.home.env_file()).unwrap();
        file.write_all(format!("export AWS_BEARER_TOKEN_BEDROCK=\"{key}\"\n").as_bytes()).unwrap();
    }

    /// A fresh one with a fresh state for each change, because credd restarts a consumer three times in ten
    /// minutes at most. It is up before the clients are.
    fn daemon(&self) -> Daemon<'_> {
        fs::remove_dir_all(self.home.state_dir()).unwrap();
        fs::create_dir_all(self.home.state_dir()).unwrap();
        let daemon = Daemon::start(CREDD, &self.home);
        daemon.until("LiteLLM to be found", SOON, |status| status["consumers"][0]["state"] == "current");
        daemon
    }
}
