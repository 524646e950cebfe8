//! The route without a restart: the real LiteLLM with `packaging/litellm/credd_secrets.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use support::bedrock::{ANSWER, BedrockStandIn, Request};
use support::daemon::Daemon;
use support::home::Home;
use support::litellm::{LiteLlm, Options, config};
use support::{installed, run, wait};

const SOON: Duration = Duration::from_secs(10);

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/litellm/credd_secrets.py")
}

/// The YAML that the module's own head says to add.
fn settings() -> String {
    let text = fs::read_to_string(module()).unwrap();
    let lines = text.lines().skip_while(|line| *line != "    general_settings:").take_while(|line| !line.is_empty());
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix("    ").unwrap()).collect();
    lines.join("\n") + "\n"
}

#[test]
fn a_new_key_is_used_without_a_restart() {
    let bedrock = BedrockStandIn::start(["ABSK-planted-a", "ABSK-planted-b"]);
    let home = Home::new().asking(&bedrock.url());
    home.set_key("ABSK-planted-a");
    let dir = home.path().join("litellm");
    fs::create_dir(&dir).unwrap();
    fs::copy(module(), dir.join("credd_secrets.py")).unwrap();
    let config = format!("{}{}", config(), settings());
    let env_file = home.env_file();
    let options =
        Options { dir: Some(&dir), config: Some(&config), env: &[("CREDD_ENV_FILE", env_file.to_str().unwrap())], ..Options::default() };
    // Its environment has a key that nobody accepts: all that works comes from the file.
    let proxy = LiteLlm::launch(&bedrock, "ABSK-planted-stale", &options);
    proxy.wait_ready();
    assert_eq!(proxy.complete().as_deref(), Ok(ANSWER), "{}", proxy.log());
    let carries = |key: &'static str| move |request: &Request| request.is_converse() && request.bearer.as_deref() == Some(key);

    // credd knows that this one needs no restart.
    home.write_config(&format!(
        "[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n",
        dir.join("config.yaml").display()
    ));
    let daemon = Daemon::start(env!("CARGO_BIN_EXE_credd"), &home);
    let is_current = |status: &serde_json::Value| {
        let consumer = &status["consumers"][0];
        consumer["state"] == "current" && consumer["key_fingerprints"]["bedrock"] == status["keys"][0]["fingerprint"]
    };
    let old = daemon.until("LiteLLM to be found", SOON, is_current)["keys"][0]["fingerprint"].clone();

    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = proxy.complete();
                    // Before the assertion: a failure must not leave the others running.
                    stop.fetch_or(answer.is_err(), Ordering::Relaxed);
                    assert_eq!(answer.as_deref(), Ok(ANSWER));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait::try_until(SOON, || (done.load(Ordering::Relaxed) > 5).then_some(()));
        home.set_key("ABSK-planted-b");
        let taken_up = bedrock.wait_for(carries("ABSK-planted-b"), SOON);
        // The old one is of no use from now on; requests with it were answered.
        wait::try_until(SOON, || bedrock.requests().iter().rev().take(5).all(carries("ABSK-planted-b")).then_some(()));
        bedrock.revoke("ABSK-planted-a");
        let so_far = done.load(Ordering::Relaxed);
        wait::try_until(SOON, || (done.load(Ordering::Relaxed) > so_far + 5).then_some(()));
        stop.store(true, Ordering::Relaxed);
        assert!(taken_up.is_some(), "{}", proxy.log());
    });
    assert_eq!(bedrock.requests().iter().filter(|request| request.status != 200).count(), 0);
    let status = daemon.until("the new key to be seen", SOON, |status| status["keys"][0]["fingerprint"] != old && is_current(status));
    assert_eq!(status["consumers"][0]["last_apply"], serde_json::Value::Null);
    assert_eq!(status["consumers"][0]["pid"], proxy.pid());
    drop(daemon);

    // Half written, and what only a shell could tell: nothing changes.
    for half in [
        "export AWS_BEARER_TOKEN_BEDROCK=\"ABSK-planted-",
        "export AWS_BEARER_TOKEN_BEDROCK=ABSK-planted-",
        "",
        "export AWS_BEARER_TOKEN_BEDROCK=$(pass bedrock)\n",
    ] {
        fs::write(&env_file, half).unwrap();
        wait::throughout(half, Duration::from_millis(600), || proxy.complete().as_deref() == Ok(ANSWER));
    }
    fs::remove_file(&env_file).unwrap();
    assert_eq!(proxy.complete().as_deref(), Ok(ANSWER));

    assert!(support::is_running(proxy.pid()));
    assert_eq!(proxy.listener(), Some(proxy.pid()));
    let log = proxy.log();
    assert!(!log.contains("planted"), "{log}");
    assert!(log.contains("line 1 is no plain assignment; keys stay as they are"), "{log}");
}

/// What the module is sure of in the env files of the corpus, bash and zsh have as well.
#[test]
fn what_it_reads_is_what_shells_read() {
    let check = "
import base64, json, sys, types
sys.dont_write_bytecode = True
stub = types.ModuleType('stub')
stub.CustomSecretManager = object
for name in ('litellm', 'litellm.integrations', 'litellm.integrations.custom_secret_manager'):
    sys.modules[name] = stub
sys.path.insert(0, sys.argv[1])
from credd_secrets import Unsure, read_assignments
name, sure = 'AWS_BEARER_TOKEN_BEDROCK', 0
for case in json.load(open(sys.argv[2] + '/expected.json')):
    try:
        values, _ = read_assignments(open(sys.argv[2] + '/' + case['file'], 'rb').read())
    except Unsure:
        continue
    if name in values:
        sure += 1
        for shell in ('bash', 'zsh'):
            state = case[shell]['tracked']
            has = base64.b64decode(state[1]).decode('latin-1') if state[0] != 'unset' else None
            assert has == values[name], (case['file'], shell)
print(sure)
";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = installed("litellm/bin/python3", "litellm");
    let arguments = [root.join("packaging/litellm"), root.join("tests/data/envcorpus")];
    let sure = run(Command::new(python).args(["-c", check]).args(arguments));
    assert!(sure.trim().parse::<u32>().unwrap() >= 42, "{sure}");
}
