//! The parts of the play: real ones where this machine has them.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Outcome;
use super::support::bedrock::BedrockStandIn;
use super::support::desktop::Desktop;
use super::support::home::Home;
use super::support::litellm::{self, LiteLlm, MASTER_KEY, MODEL, Options};
use super::support::{http, rig_program};

/// Tells a stand-in for LiteLLM whose it is.
pub const OWNER: &str = "CREDD_DEMO_PID";

/// What the audience asked for.
#[derive(Default)]
pub struct Wanted {
    litellm: Option<String>,
    desktop: Option<String>,
}

impl Wanted {
    pub fn of_arguments() -> Outcome<Self> {
        const USAGE: &str = "usage: demo [--litellm real|stand-in] [--desktop private|own|none]";
        let mut wanted = Self::default();
        let mut arguments = env::args().skip(1);
        while let Some(option) = arguments.next() {
            match (option.as_str(), arguments.next().as_deref()) {
                ("--litellm", Some(value @ ("real" | "stand-in"))) => wanted.litellm = Some(value.to_owned()),
                ("--desktop", Some(value @ ("private" | "own" | "none"))) => wanted.desktop = Some(value.to_owned()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(wanted)
    }
}

/// The `credd` of the same build. Cargo builds no program for an example, and an old one would show what
/// is no longer so: it is asked to, where it is there.
pub fn credd_program() -> Outcome<PathBuf> {
    if let Some(cargo) = env::var_os("CARGO").filter(|cargo| !cargo.is_empty()) {
        // Both at once, so that nothing is compiled twice with other features.
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "--bin", "credd", "--example", "demo"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.status().map_err(|error| format!("cargo can't be run: {error}"))?;
        if !built.success() {
            return Err("credd can't be built".to_owned());
        }
    }
    let example = env::current_exe().map_err(|error| error.to_string())?;
    let program = example.ancestors().nth(2).map(|dir| dir.join("credd")).filter(|program| program.is_file());
    program.ok_or_else(|| "credd is not built; run: cargo run --example demo".to_owned())
}

pub fn is_running(pid: u32) -> bool {
    rustix::process::Pid::from_raw(pid.cast_signed()).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
}

/// The daemon, and commands to it.
pub struct Credd<'h> {
    program: PathBuf,
    home: &'h Home,
    daemon: Child,
    /// Nobody will ask what went wrong.
    is_done: bool,
}

impl<'h> Credd<'h> {
    /// Starts it with a configuration that names the demo's own LiteLLM: yours is not its business. The
    /// key and its file are those that it tracks by itself.
    pub fn start(program: &Path, home: &'h Home, proxy: &Running) -> Outcome<Self> {
        let inbox = alert_file(home);
        let hand_over = format!("cat > {0}.new && mv {0}.new {0}", inbox.display());
        home.write_config(&format!(
            "[alerts]\ncommand = [\"/bin/sh\", \"-c\", {hand_over:?}]\n\n\
             [[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n",
            proxy.config.display()
        ));
        let log = fs::File::create(home.path().join("credd.log")).map_err(|error| error.to_string())?;
        let endpoint = proxy.bedrock.clone();
        let mut command = home.command(program);
        command.arg("run").env("AWS_ENDPOINT_URL_BEDROCK", endpoint).env("CREDD_RIG_DIR", home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Where the demo is killed, so is it.
        let _ = rig_program("reap").arg(home.path()).args(["--after", &std::process::id().to_string()]).output();
        let daemon = command.spawn().map_err(|error| format!("credd can't be run: {error}"))?;
        Ok(Self { program: program.to_owned(), home, daemon, is_done: false })
    }

    pub fn done(mut self) {
        self.is_done = true;
    }

    /// A command of credd, said the way the audience's terminal likes it.
    pub fn command(&self) -> Command {
        let mut command = self.home.command(&self.program);
        for name in ["TERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// What the daemon says; nothing while it doesn't answer.
    pub fn status(&self) -> Option<Value> {
        let output = self.command().args(["status", "--json"]).output().ok()?;
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["live"] == true).then_some(status)
    }
}

impl Drop for Credd<'_> {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        if !self.is_done {
            let log = fs::read_to_string(self.home.path().join("credd.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("\nThe end of credd's log:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"));
        }
    }
}

/// Where alerts come to, besides the desktop.
fn alert_file(home: &Home) -> PathBuf {
    home.path().join("alert.json")
}

/// An alert as it was seen.
pub struct Alert {
    summary: String,
    body: String,
    buttons: Vec<String>,
    /// Of its popup, where that can be watched.
    pub id: Option<u32>,
}

impl Alert {
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.summary.clone()];
        lines.extend(self.body.split_inclusive(". ").map(|sentence| sentence.trim_end().to_owned()));
        if !self.buttons.is_empty() {
            lines.push(self.buttons.iter().map(|label| format!("[{label}]")).collect::<Vec<_>>().join(" "));
        }
        lines
    }
}

/// Where popups go.
pub enum Notifications {
    Private(Desktop),
    Own(String),
    None,
}

impl Notifications {
    pub fn find(wanted: &Wanted) -> Outcome<Self> {
        let can_be_private = ["Xvfb", "dbus-daemon", "dunst", "busctl", "bash"].iter().all(|tool| on_path(tool).is_some());
        let own = own_bus();
        match wanted.desktop.as_deref() {
            Some("none") => Ok(Self::None),
            Some("own") => own.map(Self::Own).ok_or_else(|| "you have no session bus here".to_owned()),
            Some(_) if !can_be_private => Err("it takes Xvfb, dbus-daemon, dunst and busctl: tests/setup --only desktop".to_owned()),
            None if !can_be_private => Ok(own.map_or(Self::None, Self::Own)),
            Some(_) | None => Ok(Self::Private(Desktop::start())),
        }
    }

    pub fn billing(&self) -> String {
        match self {
            Self::Private(_) => "real      dunst on a D-Bus of its own, on a screen that nobody sees".to_owned(),
            Self::Own(_) => "real      your desktop: look out for the popup".to_owned(),
            Self::None => "none      no notification service here: the alert goes to a command".to_owned(),
        }
    }

    /// The home on this desktop's bus.
    pub fn join(&self, home: Home) -> Home {
        match self {
            Self::Private(desktop) => home.on_bus(&desktop.bus()),
            Self::Own(bus) => home.on_bus(bus),
            // Not even one that is found without being named.
            Self::None => home.on_bus("unix:path=/nonexistent"),
        }
    }

    /// The alert, once it has arrived wherever it should.
    pub fn alert(&self, credd: &Credd) -> Option<Alert> {
        if let Self::Private(desktop) = self {
            let popup = desktop.notifications().into_iter().find(|popup| popup.app == "credd" && popup.id.is_some())?;
            // "default" is a click on the popup itself.
            let buttons = popup.actions.into_iter().filter(|(key, _)| key != "default").map(|(_, label)| label).collect();
            return Some(Alert { summary: popup.summary, body: popup.body, buttons, id: popup.id });
        }
        if matches!(self, Self::Own(_)) {
            let history = credd.command().arg("history").output().ok()?;
            String::from_utf8_lossy(&history.stdout).contains("a desktop notification was shown").then_some(())?;
        }
        let told: Value = serde_json::from_slice(&fs::read(alert_file(credd.home)).ok()?).ok()?;
        let text = |name: &str| told[name].as_str().map(str::to_owned);
        Some(Alert { summary: text("summary")?, body: text("body")?, buttons: Vec::new(), id: None })
    }

    pub fn announcement(&self) -> &'static str {
        match self {
            Self::Private(_) => "A popup is on the screen:",
            Self::Own(_) => "A popup is on your screen:",
            Self::None => "No popup here. The command that the configuration names for alerts was given:",
        }
    }

    pub fn is_closed(&self, id: u32) -> bool {
        match self {
            Self::Private(desktop) => desktop.closed().iter().any(|(closed, _)| *closed == id),
            Self::Own(_) | Self::None => true,
        }
    }
}

fn own_bus() -> Option<String> {
    let named = env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
    let usual = || env::var("XDG_RUNTIME_DIR").ok().map(|dir| format!("{dir}/bus")).filter(|path| Path::new(path).exists());
    named.or_else(|| usual().map(|path| format!("unix:path={path}")))
}

/// The LiteLLM to run.
pub enum Proxy {
    Real(PathBuf),
    StandIn,
}

impl Proxy {
    pub fn find(wanted: &Wanted) -> Outcome<Self> {
        let real = litellm::program().or_else(|| on_path("litellm")).filter(|_| on_path("bash").is_some());
        match wanted.litellm.as_deref() {
            Some("stand-in") => Ok(Self::StandIn),
            Some(_) => real.map(Self::Real).ok_or_else(|| "there is no litellm on PATH; to get one: tests/setup --only litellm".to_owned()),
            None => Ok(real.map_or(Self::StandIn, Self::Real)),
        }
    }

    pub fn billing(&self) -> String {
        match self {
            Self::Real(program) => format!("real      {}", program.display()),
            Self::StandIn => "stand-in  a small server of the same name and requests".to_owned(),
        }
    }

    pub fn start(self, bedrock: &BedrockStandIn, home: &Home, key: &str) -> Outcome<Running> {
        let dir = home.path().join("litellm");
        let started = match self {
            Self::Real(program) => {
                fs::create_dir(&dir).map_err(|error| error.to_string())?;
                let options = Options { dir: Some(&dir), program: Some(&program), ..Options::default() };
                let proxy = LiteLlm::launch(bedrock, key, &options);
                Ok((proxy.port(), Kind::Real(proxy)))
            }
            Self::StandIn => start_stand_in(&dir, bedrock, key).map_err(|error| format!("the stand-in for LiteLLM: {error}")),
        };
        let (port, kind) = started?;
        Ok(Running { port, config: dir.join("config.yaml"), bedrock: bedrock.url(), kind })
    }
}

/// What has to be kept while it runs.
enum Kind {
    Real(#[expect(dead_code, reason = "ends when it is dropped")] LiteLlm),
    /// It ends by itself when the demo does.
    StandIn,
}

/// LiteLLM, running.
pub struct Running {
    port: u16,
    config: PathBuf,
    bedrock: String,
    kind: Kind,
}

impl Running {
    pub fn is_slow(&self) -> bool {
        matches!(self.kind, Kind::Real(_))
    }

    pub fn is_ready(&self) -> Option<()> {
        let answer = http::request(self.port, "GET", "/health/readiness", None, None, Duration::from_secs(5)).ok()?;
        (answer.status() == 200).then_some(())
    }

    /// A completion, as any program asks for one.
    pub fn complete(&self) -> Outcome<String> {
        let question = json!({"model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": "Say hello."}]});
        let answer = http::request(self.port, "POST", "/v1/chat/completions", Some(MASTER_KEY), Some(&question), Duration::from_secs(15))
            .map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        body["choices"][0]["message"]["content"].as_str().map(str::to_owned).ok_or_else(|| body.to_string())
    }
}

/// Whether this program was started to be a stand-in for LiteLLM.
pub fn runs_as_proxy() -> bool {
    env::args_os().next().is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == "litellm"))
}

fn start_stand_in(dir: &Path, bedrock: &BedrockStandIn, key: &str) -> std::io::Result<(u16, Kind)> {
    fs::create_dir(dir)?;
    let program = dir.join("litellm");
    fs::copy(env::current_exe()?, &program)?;
    let config = dir.join("config.yaml");
    fs::write(&config, litellm::config())?;
    let port = litellm::free_port();
    let mut child = Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["--port", &port.to_string()])
        .process_group(0)
        .current_dir(dir)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .env("AWS_BEARER_TOKEN_BEDROCK", key)
        .env("LITELLM_MASTER_KEY", MASTER_KEY)
        .env("AWS_BEDROCK_RUNTIME_ENDPOINT", bedrock.url())
        .env(OWNER, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Somebody has to notice that it ends: until then it still is a process.
    std::thread::spawn(move || child.wait());
    Ok((port, Kind::StandIn))
}
