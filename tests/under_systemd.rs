//! The whole story where credd is at home: as a service of a user's own systemd, with a real LiteLLM that
//! was started from a login shell, a real notification server on the user's bus, and no configuration.
//!
//! Outside, a guest is booted; all else is told inside it, by this same program as the user `tester`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unused_self,
    reason = "a test, which tells what it saw and when"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::Value;
use support::bedrock::{ANSWER, BedrockStandIn, EXPIRED};
use support::daemon::SOON;
use support::desktop::Desktop;
use support::guest::Guest;
use support::iam::IamStandIn;
use support::litellm::{self, Client, LiteLlm, MASTER_KEY, READY_TIMEOUT};
use support::{installed, run, said, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
/// Four keys, one after another. The secret of each is what comes after the colon.
const KEYS: [&str; 4] = [
    "ABSKQmVkcm9ja0FQSUtleS1vbmUtYXQtMTIzNDU2Nzg5MDEyOm9uZS1zZWNyZXQtdmFsdWU=",
    "ABSKQmVkcm9ja0FQSUtleS10d28tYXQtMTIzNDU2Nzg5MDEyOnR3by1zZWNyZXQtdmFsdWU=",
    "ABSKQmVkcm9ja0FQSUtleS1zaXgtYXQtMTIzNDU2Nzg5MDEyOnNpeC1zZWNyZXQtdmFsdWU=",
    "ABSKQmVkcm9ja0FQSUtleS10ZW4tYXQtMTIzNDU2Nzg5MDEyOnRlbi1zZWNyZXQtdmFsdWU=",
];

#[test]
fn the_story_holds_under_a_real_systemd() {
    let guest = Guest::boot();
    let this = std::env::current_exe().unwrap();
    let rig = std::env::var("CREDD_RIG").map(|rig| format!("CREDD_RIG='{rig}' ")).unwrap_or_default();
    let line = format!("{rig}exec {} --exact --ignored --nocapture inside_the_guest", this.display());
    let output = guest.user(&["bash", "-lc", &line]);
    let journal = || {
        let output = guest.root(&["journalctl", "--no-pager", "-o", "short-precise", "--no-hostname", "-n", "200"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(output.status.success(), "{}\n--- the guest's journal\n{}", said(&output), journal());
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

/// What the test above runs in the guest.
#[test]
#[ignore = "part of the_story_holds_under_a_real_systemd"]
fn inside_the_guest() {
    let user = User::new();
    let bedrock = Arc::new(BedrockStandIn::start(KEYS));
    let proxy = user.start_litellm(&bedrock);
    let desktop = Desktop::start_on(&std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap());
    user.systemctl(&["set-environment", &format!("AWS_ENDPOINT_URL_BEDROCK={}", bedrock.url())]);

    user.is_installed_and_tells_once(&desktop);
    proxy.wait_ready();
    user.comes_back_after_a_kill(&desktop, &proxy);
    let popup = desktop.notifications()[0].id.unwrap();
    user.has_litellm_take_the_second_key(&bedrock, &proxy);
    desktop.wait_until_closed(popup, SOON);
    user.may_be_killed_in_the_middle(&proxy);
    user.leaves_litellm_alone_when_it_goes(&proxy);
    user.is_upgraded_and_configured(&proxy);
    assert_eq!(desktop.notifications().len(), 1, "one alert, once: {:#?}", desktop.notifications());
    user.ends_at_once_however_slow_the_desktop_is(&desktop);
    proxy.stop();
    user.restarts_a_unit_through_systemd(&bedrock);
    user.has_iam_make_the_next_key(&bedrock);
    user.is_uninstalled();
    user.has_told_no_secret();
}

/// The user of the guest, and credd in the place where `cargo install` or a script puts it for one user.
struct User {
    home: PathBuf,
    program: PathBuf,
    start: Instant,
}

impl User {
    fn new() -> Self {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let user = Self { program: home.join(".local/bin/credd"), home, start: Instant::now() };
        fs::create_dir_all(user.program.parent().unwrap()).unwrap();
        user.put_program();
        user.set_key(KEYS[0]);
        run(Command::new("touch").args(["-d", "25 days ago"]).arg(user.env_file()));
        user
    }

    /// As a package manager replaces a program: under another name first. Without its debug information,
    /// for everything here is kept in memory.
    fn put_program(&self) {
        let new = self.program.with_extension("new");
        run(Command::new("strip").arg("-o").arg(&new).arg(CREDD));
        fs::rename(&new, &self.program).unwrap();
    }

    fn env_file(&self) -> PathBuf {
        self.home.join(".backlog-toolkit-env")
    }

    fn set_key(&self, key: &str) {
        self.write_env(key, MASTER_KEY);
    }

    fn write_env(&self, key: &str, master_key: &str) {
        let new = self.home.join(".backlog-toolkit-env.new");
        fs::write(&new, format!("export AWS_BEARER_TOKEN_BEDROCK=\"{key}\"\nexport LITELLM_MASTER_KEY=\"{master_key}\"\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, self.env_file()).unwrap();
    }

    fn start_litellm(&self, bedrock: &BedrockStandIn) -> LiteLlm {
        let dir = self.home.join("litellm");
        fs::create_dir(&dir).unwrap();
        LiteLlm::launch(bedrock, KEYS[0], &litellm::Options { dir: Some(&dir), ..litellm::Options::default() })
    }

    /// A command of credd, typed in a login shell.
    fn credd(&self, line: &str) -> Output {
        Command::new("bash").args(["-lc", &format!("credd {line}")]).output().unwrap()
    }

    /// One that must succeed; what it says.
    fn ok(&self, line: &str) -> String {
        let output = self.credd(line);
        assert!(output.status.success(), "credd {line}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok("status --json")).unwrap()
    }

    /// Waits until the status of a live daemon is as wanted.
    fn until(&self, what: &str, timeout: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = wait::try_until(timeout, || {
            last = self.status();
            (last["live"] == true && wanted(&last)).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("not within {timeout:?}: {what}\n{last:#}"))
    }

    /// How often LiteLLM was to take up a key.
    fn applies(&self) -> usize {
        let history: Vec<Value> = serde_json::from_str(&self.ok("history --json")).unwrap();
        history.iter().filter(|entry| entry["event"] == "apply-started").count()
    }

    fn systemctl(&self, words: &[&str]) -> String {
        run(Command::new("systemctl").arg("--user").args(words)).trim().to_owned()
    }

    fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "-P", name, unit])
    }

    fn daemon_pid(&self) -> String {
        self.property("credd", "MainPID")
    }

    fn kill_daemon(&self) {
        self.systemctl(&["kill", "--signal=KILL", "--kill-whom=main", "credd"]);
    }

    /// What credd itself has written to the journal so far: priority and message.
    fn journal(&self) -> Vec<(String, String)> {
        let lines = run(Command::new("journalctl").args(["--user", "SYSLOG_IDENTIFIER=credd", "-o", "json", "--no-pager"]));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|entry| (text(&entry["PRIORITY"]), text(&entry["MESSAGE"])))
            .collect()
    }

    fn wait_for_line(&self, priority: &str, part: &str) {
        let found = wait::try_until(SOON, || self.journal().iter().any(|(of, line)| of == priority && line.contains(part)).then_some(()));
        assert!(found.is_some(), "no line of priority {priority} with {part:?} in {:#?}", self.journal());
    }

    /// For whoever reads the output: what has been seen, and when.
    fn seen(&self, what: &str) {
        println!("{:5.1} s  {what}", self.start.elapsed().as_secs_f64());
    }
}

// The story.
impl User {
    fn is_installed_and_tells_once(&self, desktop: &Desktop) {
        let out = self.ok("install");
        assert!(out.contains("credd runs"), "{out}");
        assert_eq!(self.systemctl(&["is-active", "credd"]), "active");
        assert_eq!(self.systemctl(&["is-enabled", "credd"]), "enabled");
        let unit = self.home.join(".config/systemd/user/credd.service");
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains(&format!("ExecStart=\"{}\" run\n", self.program.display())), "{text}");
        assert!(text.contains(&format!("Environment=\"PATH={}:", self.program.parent().unwrap().display())), "{text}");
        let verify = Command::new("systemd-analyze").args(["--user", "verify"]).arg(&unit).output().unwrap();
        assert!(verify.status.success() && verify.stderr.is_empty(), "{}", said(&verify));

        let popup = desktop.wait_until_shown(|popup| popup.app == "credd", SOON);
        assert_eq!(popup.summary, "bedrock: key expires in 5 days");
        let status = self.until("the alert to be delivered", SOON, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
        assert_eq!(status["keys"][0]["state"], "due");
        assert_eq!(status["daemon"]["pid"].to_string(), self.daemon_pid());
        self.wait_for_line("6", "started version=");
        self.wait_for_line("6", "an alert is due (day-25)");
        assert!(self.journal().iter().all(|(priority, _)| priority == "6"), "{:#?}", self.journal());
        self.seen("installed, and told of a key of 25 days");
    }

    fn comes_back_after_a_kill(&self, desktop: &Desktop, proxy: &LiteLlm) {
        let found = |status: &Value| status["consumers"][0]["state"] == "current" && status["consumers"][0]["pid"] == proxy.pid();
        let before = self.until("LiteLLM to be found", SOON, found);
        self.kill_daemon();
        let after = self.until("another daemon", SOON, |status| status["daemon"]["pid"] != before["daemon"]["pid"] && found(status));
        assert_eq!(self.property("credd", "NRestarts"), "1");
        for field in ["issued_at", "issued_source", "fingerprint", "state", "alerts_sent"] {
            assert_eq!(after["keys"][0][field], before["keys"][0][field], "{field}");
        }
        assert_eq!(proxy.listener(), Some(proxy.pid()));
        assert_eq!(desktop.notifications().len(), 1, "one alert, once");
        self.seen("killed, and back with what it knew");
    }

    fn has_litellm_take_the_second_key(&self, bedrock: &BedrockStandIn, proxy: &LiteLlm) {
        let log = proxy.log();
        let before = surroundings(proxy.pid());
        self.set_key(KEYS[1]);
        let status = self.until("LiteLLM to have the second key", READY_TIMEOUT, |status| {
            status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current"
        });
        assert_eq!(status["consumers"][0]["key_fingerprints"]["bedrock"], status["keys"][0]["fingerprint"]);
        assert_eq!(status["keys"][0]["state"], "ok");
        assert_eq!(status["problems"], serde_json::json!([]));
        assert_eq!(proxy.key_in_use().as_deref(), Some(KEYS[1]));
        assert_eq!(proxy.complete().as_deref(), Ok(ANSWER));
        let carried = |key: &str| bedrock.requests().iter().filter(|r| r.is_converse() && r.bearer.as_deref() == Some(key)).count();
        assert!(carried(KEYS[1]) >= 2, "the proof and ours");

        let pid = proxy.listener().unwrap();
        assert_eq!(status["consumers"][0]["pid"], pid);
        assert_ne!(pid, proxy.pid());
        let unit = unit_of(pid);
        assert!(unit.ends_with("/app.slice/credd-litellm-1.service"), "{unit}");
        let of = |name| process_status(pid, name);
        assert_eq!((of("NoNewPrivs").as_str(), of("Seccomp").as_str(), of("Umask").as_str()), ("0", "0", "0022"));
        assert_eq!(surroundings(pid), before, "it has something of credd's sandbox");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), proxy.dir());
        for fd in [1, 2] {
            assert_eq!(fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap(), proxy.dir().join("litellm.log"));
        }
        // Not all of it is sure to be there: the old one, whose shell opened the log, doesn't write to its end.
        assert!(proxy.log().starts_with(&log) && proxy.log().len() > log.len(), "the log was not carried on");
        assert_eq!(self.applies(), 1);
        self.seen("LiteLLM took up the second key");
    }

    /// While LiteLLM starts: its worker brings that to an end, and the next daemon waits for it.
    fn may_be_killed_in_the_middle(&self, proxy: &LiteLlm) {
        let before = self.status();
        let old = proxy.listener().unwrap();
        self.set_key(KEYS[2]);
        // It may be ready before systemd has the next daemon running: held until that is seen.
        let new = wait::until("the new LiteLLM beside the old", SOON, || {
            let found = Command::new("pgrep").args(["-n", "-f", "/litellm --config"]).output().unwrap();
            String::from_utf8(found.stdout).unwrap().trim().parse::<u32>().ok().filter(|newest| *newest != old)
        });
        let signal = |signal: &str| run(Command::new("kill").args([signal, &new.to_string()]));
        signal("-STOP");
        self.kill_daemon();
        let status = self.until("another daemon that waits", SOON, |status| {
            status["daemon"]["pid"] != before["daemon"]["pid"] && status["consumers"][0]["state"] == "applying"
        });
        assert_eq!(proxy.listener(), Some(old), "LiteLLM was faster than this test: {status:#}");
        signal("-CONT");
        let status = self.until("LiteLLM to have the third key", READY_TIMEOUT, |status| status["consumers"][0]["state"] == "current");
        assert_eq!(status["consumers"][0]["pid"], proxy.listener().unwrap());
        assert_eq!(status["consumers"][0]["key_fingerprints"]["bedrock"], status["keys"][0]["fingerprint"]);
        assert_eq!(proxy.key_in_use().as_deref(), Some(KEYS[2]));
        assert!(!support::is_running(old));
        assert_eq!(self.applies(), 2, "restarted once");
        self.seen("killed in the middle, and LiteLLM took up the third key all the same");
    }

    fn leaves_litellm_alone_when_it_goes(&self, proxy: &LiteLlm) {
        let serving = proxy.listener();
        self.systemctl(&["restart", "credd"]);
        self.until("a daemon", SOON, |status| status["consumers"][0]["state"] == "current");
        assert_eq!(proxy.listener(), serving);
        self.systemctl(&["stop", "credd"]);
        let status = self.status();
        assert_eq!((&status["live"], &status["keys"][0]["state"]), (&Value::Bool(false), &"ok".into()));
        assert_eq!(proxy.listener(), serving);
        self.systemctl(&["start", "credd"]);
        self.until("a daemon", SOON, |status| status["consumers"][0]["state"] == "current");
        assert_eq!(proxy.listener(), serving);
        self.seen("restarted and stopped, and LiteLLM lives on");
    }

    fn is_upgraded_and_configured(&self, proxy: &LiteLlm) {
        let serving = proxy.listener();
        let pid = self.daemon_pid();
        assert!(self.ok("install").contains("nothing to do"));
        assert_eq!(self.daemon_pid(), pid);
        self.put_program();
        let out = self.ok("install");
        assert!(out.contains("another program by now"), "{out}");
        assert_ne!(self.daemon_pid(), pid);
        assert!(self.ok("install").contains("nothing to do"));

        let config = self.home.join(".config/credd/config.toml");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, "[alerts]\ndays = [20, 25]\n").unwrap();
        self.systemctl(&["reload", "credd"]);
        self.wait_for_line("6", "the configuration was read anew (");
        // Seen by one of the two, and found unchanged by the other.
        self.wait_for_line("6", "(SIGHUP)");

        fs::write(&config, "[alerts]\ndays = [20, 25]\ndesktpo = true\n").unwrap();
        self.systemctl(&["reload", "credd"]);
        self.wait_for_line("4", "the configuration is wrong, the one before stays in force");
        assert_eq!(self.systemctl(&["is-active", "credd"]), "active");
        let restart = Command::new("systemctl").args(["--user", "restart", "credd"]).output().unwrap();
        assert!(!restart.status.success());
        let state = ["ActiveState", "ExecMainStatus", "NRestarts"].map(|name| self.property("credd", name));
        assert_eq!(state, ["failed", "2", "0"], "it is not started again");
        self.wait_for_line("3", "desktpo");
        self.wait_for_line("3", "^^^");
        let journal = self.journal();
        let shown: Vec<_> = journal.iter().filter(|(priority, _)| priority == "3").map(|(_, line)| line.as_str()).collect();
        assert!(shown.iter().any(|line| line.contains("credd/config.toml") && line.contains(":3")), "{shown:#?}");
        fs::remove_file(&config).unwrap();
        assert!(self.ok("install").contains("credd runs"));
        self.until("a daemon", SOON, |status| status["consumers"][0]["state"] == "current");
        assert_eq!(proxy.listener(), serving);
        self.seen("upgraded, configured, and not started with a wrong configuration");
    }

    fn ends_at_once_however_slow_the_desktop_is(&self, desktop: &Desktop) {
        let stop = |limit| {
            let start = Instant::now();
            self.systemctl(&["stop", "credd"]);
            let took = start.elapsed();
            assert!(took < limit, "stopping took {took:?}");
            assert_eq!(self.property("credd", "Result"), "success");
            self.systemctl(&["start", "credd"]);
            took
        };
        // On a busy machine; a hang would last for TimeoutStopSec=30s.
        let idle = stop(Duration::from_secs(5));
        let fresh = self.status()["keys"][0]["issued_at"].as_str().unwrap().to_owned();
        desktop.freeze_server();
        self.ok("issued bedrock '26 days ago'");
        desktop.wait_for_notification(|popup| popup.summary.contains("4 days"), SOON);
        let frozen = stop(Duration::from_secs(5));
        desktop.thaw_server();
        self.until("the alert to be delivered", SOON * 3, |status| status["keys"][0]["alerts_sent"][0]["delivered"] == true);
        let ids: Vec<_> = desktop.notifications().iter().skip(1).map(|popup| popup.replaces_id).collect();
        assert!(ids.iter().all(|id| *id == ids[0] && *id != 0), "each try replaces the one before: {ids:?}");
        self.ok(&format!("issued bedrock {fresh}"));
        self.seen(&format!("stopped in {idle:.1?}, and in {frozen:.1?} before a desktop that doesn't answer"));
    }

    /// LiteLLM as a unit of the user's own, which takes its key from the env file.
    fn restarts_a_unit_through_systemd(&self, bedrock: &BedrockStandIn) {
        let port = litellm::free_port();
        let program = installed("litellm/bin/litellm", "litellm");
        let config = self.home.join("litellm/config.yaml");
        let litellm = format!("{} --config {} --port {port}", program.display(), config.display());
        let write = |lines: &str| {
            let bedrock = format!("Environment=AWS_BEDROCK_RUNTIME_ENDPOINT={} LITELLM_LOCAL_MODEL_COST_MAP=True", bedrock.url());
            fs::write(self.home.join(".config/systemd/user/litellm.service"), format!("[Service]\n{bedrock}\n{lines}")).unwrap();
        };
        write(&format!("ExecStart=/bin/bash -c '. ~/.backlog-toolkit-env && exec {litellm}'\n"));
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["start", "litellm"]);
        let pid = || self.property("litellm", "MainPID").parse::<u32>().unwrap();
        // The shell becomes LiteLLM. A key that changes while it starts is one more reason to restart it.
        let first = wait::until("the unit to run LiteLLM", SOON, || {
            fs::read_to_string(format!("/proc/{}/comm", pid())).ok().filter(|name| name.trim() == "litellm").map(|_| pid())
        });
        self.set_key(KEYS[3]);
        let status = self.until("the unit to have the fourth key", READY_TIMEOUT, |status| {
            status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current"
        });
        assert_ne!(pid(), first);
        assert_eq!(status["consumers"][0]["pid"], pid());
        assert_eq!(status["consumers"][0]["restart"], "systemd");
        assert_eq!(status["consumers"][0]["key_fingerprints"]["bedrock"], status["keys"][0]["fingerprint"]);
        assert!(unit_of(pid()).ends_with("/app.slice/litellm.service"));
        let serves_with = |key: &str| {
            bedrock.forget();
            assert_eq!(Client::of(port).complete().as_deref(), Ok(ANSWER));
            assert!(bedrock.requests().iter().filter(|r| r.is_converse()).all(|r| r.bearer.as_deref() == Some(key)));
        };
        serves_with(KEYS[3]);
        self.seen("restarted a unit through systemd");

        let second = pid();
        let ends = |outcome: &str| {
            let status = self.until("an end", READY_TIMEOUT * 2, |status| {
                status["consumers"][0]["last_apply"]["outcome"] == outcome && status["consumers"][0]["state"] != "applying"
            });
            status["consumers"][0]["last_apply"]["detail"].as_str().unwrap().to_owned()
        };
        bedrock.refuse(KEYS[0], EXPIRED);
        self.set_key(KEYS[0]);
        let detail = ends("refused");
        assert!(detail.contains("has expired"), "{detail}");
        serves_with(KEYS[3]);
        assert_eq!(pid(), second);
        self.seen("left a unit alone with a key that is refused");

        // One by another name has restarts of its own left.
        fs::write(self.home.join(".config/credd/config.toml"), "[[consumers]]\nname = \"unit\"\n").unwrap();
        self.systemctl(&["reload", "credd"]);
        self.until("the other name", SOON, |status| status["consumers"][0]["name"] == "unit");
        // LiteLLM takes this for nobody's master key, and ends; and so it does again, for its command reads the file.
        self.write_env(KEYS[1], "sk-1234");
        let detail = ends("failed");
        assert!(detail.contains("its own command reads the env file") && detail.contains("systemctl --user restart litellm"), "{detail}");
        self.seen("told what to do about a unit that reads the file by itself");

        let told = format!("Environment=AWS_BEARER_TOKEN_BEDROCK={} LITELLM_MASTER_KEY={MASTER_KEY}\nExecStart={litellm}\n", KEYS[3]);
        write(&told);
        self.set_key(KEYS[3]);
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["restart", "litellm"]);
        self.until("the unit to serve", READY_TIMEOUT, |status| {
            status["consumers"][0]["state"] == "current"
                && support::http::request(port, "GET", "/health/readiness", None, None, SOON).is_ok()
        });
        self.write_env(KEYS[2], "sk-1234");
        let detail = ends("rolled-back");
        assert!(detail.contains("it runs with its old key again"), "{detail}");
        serves_with(KEYS[3]);
        self.seen("put a unit back that didn't come up");
    }

    /// The AWS CLI works in the service's sandbox.
    fn has_iam_make_the_next_key(&self, bedrock: &Arc<BedrockStandIn>) {
        const IAM_USER: &str = "BedrockAPIKey-guest";
        let iam = IamStandIn::start(Some(Arc::clone(bedrock)));
        let old = iam.add_key(IAM_USER, Some(30));
        iam.age(&old.id, SignedDuration::from_hours(26 * 24));
        let endpoint = format!("AWS_ENDPOINT_URL_IAM={}", iam.url());
        self.systemctl(&["set-environment", &endpoint, "AWS_EC2_METADATA_DISABLED=true"]);
        let aws = self.program.with_file_name("aws");
        fs::write(&aws, format!("#!/bin/sh\nexec '{}' \"$@\"\n", installed("aws/bin/aws", "aws").display())).unwrap();
        fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(self.home.join(".aws")).unwrap();
        let credentials =
            "[dev]\naws_access_key_id = AKIAPLANTED000000001\naws_secret_access_key = planted/static+secret\nregion = us-east-1\n";
        fs::write(self.home.join(".aws/credentials"), credentials).unwrap();
        let config = self.home.join(".config/credd/config.toml");
        let key = "[[keys]]\nname = \"bedrock\"\niam = \"renew\"\naws_profile = \"dev\"\n";
        fs::write(&config, format!("consumers = []\n{key}")).unwrap();
        self.set_key(&old.value);
        self.systemctl(&["restart", "credd"]);
        let status = self.until("the old key to be made inactive", Duration::from_mins(2), |status| {
            status["keys"][0]["former"][0]["delete_at"].is_string()
        });
        assert_eq!((&status["keys"][0]["state"], &status["keys"][0]["issued_source"]), (&"ok".into(), &"iam".into()), "{status:#}");
        let states: Vec<_> = iam.keys(IAM_USER).iter().map(|key| key.status).collect();
        assert_eq!(states, ["Inactive", "Active"]);
        assert!(fs::read_to_string(self.env_file()).unwrap().contains(&iam.keys(IAM_USER)[1].value));
        assert!(self.journal().iter().all(|(_, line)| !line.contains("ABSK") && !line.contains("planted")), "{:#?}", self.journal());
        fs::remove_file(&config).unwrap();
        self.seen("renewed by itself through IAM");
    }

    fn is_uninstalled(&self) {
        let out = self.ok("uninstall");
        assert!(out.contains("credd is stopped"), "{out}");
        assert!(out.contains(&format!("Left where it is: {}", self.home.join(".local/state/credd").display())), "{out}");
        assert!(!self.home.join(".config/systemd/user/credd.service").exists());
        assert_eq!(self.property("credd", "LoadState"), "not-found");
        assert!(self.home.join(".local/state/credd").read_dir().unwrap().count() > 0);
        assert_eq!(self.property("litellm", "ActiveState"), "active");
        assert_eq!(self.status()["live"], false);
        self.seen("uninstalled");
    }

    fn has_told_no_secret(&self) {
        let journal = run(Command::new("journalctl").args(["--user", "-o", "export", "--no-pager"]));
        let state = run(Command::new("grep").args(["-rh", "", ".local/state/credd"]).current_dir(&self.home));
        for text in [journal, state] {
            for key in KEYS.iter().chain([&MASTER_KEY]) {
                assert!(!text.contains(key) && !text.contains("secret-value"));
            }
        }
        for (_, line) in self.journal() {
            println!("         {line}");
        }
    }
}

/// The path of a process's control group.
fn unit_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.trim().rsplit(':').next().unwrap().to_owned()
}

/// A field of `/proc/PID/status`.
/// What a process got from whoever started it, and can't get rid of.
fn surroundings(pid: u32) -> Vec<(String, String)> {
    let of_status = ["NoNewPrivs", "Seccomp", "Seccomp_filters", "Umask", "Groups", "CapPrm", "CapBnd", "CapAmb", "SigBlk", "SigIgn"];
    let mut found: Vec<_> = of_status.iter().map(|name| ((*name).to_owned(), process_status(pid, name))).collect();
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        found.push((name.to_owned(), link.display().to_string()));
    }
    for name in ["limits", "personality"] {
        found.push((name.to_owned(), fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap()));
    }
    found
}

fn process_status(pid: u32, name: &str) -> String {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(Path::new(&path)).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap().trim().to_owned()
}
