//! The next key, by itself: the daemon, the real AWS CLI and LiteLLM, and stand-ins for IAM and Bedrock.
//!
//! `CREDD_LONG=1` kills the daemon at two hundred moments rather than at six.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "how long a step takes is what is divided into moments")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::Value;

use support::bedrock::BedrockStandIn;
use support::daemon::{Daemon, SOON};
use support::desktop::Desktop;
#[cfg(target_os = "linux")]
use support::disk::Disk;
use support::home::Home;
use support::iam::{IamStandIn, Key};
use support::litellm::{self, LiteLlm, READY_TIMEOUT};
use support::{installed, wait};

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const USER: &str = "BedrockAPIKey-ab12";
const CREDENTIALS: &str =
    "[dev]\naws_access_key_id = AKIAPLANTED000000001\naws_secret_access_key = planted/static+secret\nregion = us-east-1\n";
/// A renewal takes some calls of the AWS CLI, a second each on a busy machine.
const RENEWED: Duration = Duration::from_mins(2);
const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Rig {
    bedrock: Arc<BedrockStandIn>,
    iam: IamStandIn,
}

impl Rig {
    fn new() -> Self {
        let bedrock = Arc::new(BedrockStandIn::start(Vec::<String>::new()));
        let iam = IamStandIn::start(Some(Arc::clone(&bedrock)));
        Self { bedrock, iam }
    }

    /// A key of 30 days that is so old.
    fn key(&self, user: &str, age: SignedDuration) -> Key {
        let key = self.iam.add_key(user, Some(30));
        self.iam.age(&key.id, age);
        key
    }

    fn home(&self) -> Home {
        let home = Home::new().asking(&self.bedrock.url());
        fs::create_dir(home.path().join(".aws")).unwrap();
        fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        home
    }

    /// What the daemon needs to find the AWS CLI and the stand-in.
    fn equip(&self, aws: &str, command: &mut Command) {
        let aws = installed(aws, "aws");
        let path = format!("{}:/usr/bin:/bin", aws.parent().unwrap().display());
        command.env("PATH", path).envs(self.iam.environment()).env("AWS_EC2_METADATA_DISABLED", "true");
    }

    fn daemon<'h>(&self, home: &'h Home) -> Daemon<'h> {
        Daemon::start_with(CREDD, home, |command| self.equip("aws/bin/aws", command))
    }

    /// The same with version 2 of the AWS CLI, which starts more slowly and exports credentials.
    fn daemon_with_version_2<'h>(&self, home: &'h Home) -> Daemon<'h> {
        Daemon::start_with(CREDD, home, |command| self.equip("aws-v2/bin/aws", command))
    }

    /// Keys of a user that are accepted.
    fn active(&self, user: &str) -> Vec<Key> {
        self.iam.keys(user).into_iter().filter(|key| key.status == "Active").collect()
    }
}

fn config(iam: &str, consumers: &str) -> String {
    format!("[[keys]]\nname = \"bedrock\"\niam = \"{iam}\"\naws_profile = \"dev\"\n{consumers}")
}

/// Nothing runs by these words.
const NO_CONSUMER: &str = "[[consumers]]\nname = \"litellm\"\nmatch = [\"no-such-proxy\"]\n";

fn of(proxy: &LiteLlm) -> String {
    format!("[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n", proxy.dir().join("config.yaml").display())
}

fn held(home: &Home) -> String {
    let text = fs::read_to_string(home.env_file()).unwrap();
    let (_, rest) = text.split_once("AWS_BEARER_TOKEN_BEDROCK=\"").unwrap();
    let (value, rest) = rest.split_once('"').unwrap();
    assert!(rest.contains("LITELLM_MASTER_KEY"), "the rest of the file is there: {rest}");
    value.to_owned()
}

/// Nothing that was planted stands in a file of credd's.
fn look_for_secrets(home: &Home, keys: &[&str]) {
    let mut files = vec![home.path().join("credd.log")];
    let mut dirs = vec![home.state_dir(), home.runtime_dir()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let list = if entry.path().is_dir() { &mut dirs } else { &mut files };
            list.push(entry.path());
        }
    }
    let holds =
        |path: &Path, secret: &str| fs::read(path).is_ok_and(|bytes| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    for path in files {
        for secret in keys.iter().chain(&["planted/static"]) {
            assert!(!holds(&path, secret), "{} holds a secret", path.display());
        }
    }
}

#[test]
fn at_day_25_the_next_key_is_made_taken_up_and_the_old_one_retired() {
    let rig = Rig::new();
    let old = rig.key(USER, DAY * 26);
    let desktop = Desktop::start();
    let home = rig.home().on_bus(&desktop.bus());
    let proxy = LiteLlm::start(&rig.bedrock, &old.value);
    home.write_config(&config("renew", &of(&proxy)));
    home.set_key(&old.value);
    // Fresh keys are refused for some seconds.
    rig.iam.lag(Duration::ZERO, Duration::from_secs(3));

    let daemon = rig.daemon(&home);
    let status = daemon.until("the old key to be made inactive", RENEWED + READY_TIMEOUT, |status| {
        status["keys"][0]["former"][0]["delete_at"].is_string() && status["consumers"][0]["state"] == "current"
    });
    let key = &status["keys"][0];
    assert_eq!((&key["state"], &key["issued_source"]), (&"ok".into(), &"iam".into()), "{status:#}");
    assert!(key["days_left"].as_f64().unwrap() > 29.9, "{status:#}");
    let new = held(&home);
    assert_ne!(new, old.value);
    assert_eq!(proxy.key_in_use().as_deref(), Some(new.as_str()));
    assert!(proxy.complete().is_ok());
    let keys = rig.iam.keys(USER);
    let states: Vec<_> = keys.iter().map(|key| (key.value == new, key.status)).collect();
    assert_eq!(states, [(false, "Inactive"), (true, "Active")]);
    let popup = desktop.wait_until_shown(|popup| popup.app == "credd", SOON);
    assert_eq!(popup.summary, "bedrock: key renewed");
    assert!(popup.body.contains("The new key is used by litellm.") && popup.body.contains("deleted in 7 days"), "{}", popup.body);
    assert_eq!(desktop.notifications().len(), 1, "one notification tells what was done");
    let history = daemon.ok(&["history", "--json"]);
    for event in ["renewal-begun", "key-made", "key-written", "renewed", "key-retired"] {
        assert!(history.contains(event), "{event}: {history}");
    }
    look_for_secrets(&home, &[&old.value, &new]);
}

#[test]
fn dates_come_from_iam_and_what_is_in_the_way_is_a_note() {
    let rig = Rig::new();
    let old = rig.iam.add_key(USER, Some(90));
    rig.iam.age(&old.id, DAY * 10);
    let home = rig.home();
    home.write_config(&config("read", NO_CONSUMER));
    home.set_key(&old.value);
    let daemon = rig.daemon(&home);
    let status = daemon.until("IAM's dates", RENEWED, |status| status["keys"][0]["issued_source"] == "iam");
    let left = status["keys"][0]["days_left"].as_f64().unwrap();
    assert!((79.9..80.1).contains(&left), "{status:#}");
    assert_eq!(status["keys"][0]["iam"]["credential"]["id"], old.id.as_str());

    rig.iam.trouble("ListServiceSpecificCredentials", support::iam::Trouble::Denied);
    let other = rig.key("BedrockAPIKey-other", DAY);
    home.set_key(&other.value);
    let status = daemon.until("a note", RENEWED, |status| status["keys"][0]["iam"]["trouble"].is_object());
    let detail = status["keys"][0]["iam"]["trouble"]["detail"].as_str().unwrap();
    assert!(detail.contains("iam:ListServiceSpecificCredentials"), "{detail}");
    assert_eq!((&status["keys"][0]["state"], &status["problems"]), (&"ok".into(), &serde_json::json!([])), "{status:#}");
}

#[test]
fn by_hand_it_is_made_now_and_a_refusal_says_why() {
    let rig = Rig::new();
    let old = rig.key(USER, DAY);
    let home = rig.home();
    home.write_config(&config("off", NO_CONSUMER));
    home.set_key(&old.value);
    let daemon = rig.daemon(&home);
    rig.iam.trouble("CreateServiceSpecificCredential", support::iam::Trouble::Denied);
    let answer = renew(&home);
    assert_eq!(answer["renewed"], false, "{answer:#}");
    assert!(answer["message"].as_str().unwrap().contains("iam:CreateServiceSpecificCredential"), "{answer:#}");
    assert_eq!((held(&home), rig.iam.keys(USER).len()), (old.value.clone(), 1));

    rig.iam.trouble("CreateServiceSpecificCredential", None);
    let answer = renew(&home);
    assert_eq!(answer["renewed"], true, "{answer:#}");
    assert_ne!(held(&home), old.value);
    daemon.until("the old key to be made inactive", RENEWED, |status| status["keys"][0]["former"][0]["delete_at"].is_string());
    assert_eq!(rig.active(USER).len(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn no_key_is_made_whose_id_could_not_be_saved() {
    let rig = Rig::new();
    let old = rig.key(USER, DAY);
    let home = rig.home();
    home.write_config(&config("off", NO_CONSUMER));
    home.set_key(&old.value);
    let disk = Disk::mount(&home.state_dir());
    let daemon = rig.daemon(&home);
    daemon.until("the key", SOON, |status| status["keys"][0]["probe"]["verdict"] == "works");
    disk.fill();
    // What room is left in the journal's last page is soon used up.
    let is_unsaved = |status: &Value| status["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "state-not-saved");
    for day in 1.. {
        daemon.credd(&["snooze", "bedrock", &format!("{day}h")]);
        if is_unsaved(&daemon.status()) {
            break;
        }
        assert!(day < 100, "the disk is full");
    }
    let answer = renew(&home);
    assert_eq!(answer["renewed"], false, "{answer:#}");
    assert_eq!((held(&home), rig.iam.ids(USER)), (old.value.clone(), vec![old.id.clone()]), "{}", daemon.log());
    disk.clear();
    daemon.until("the state to be saved", RENEWED, |status| status["problems"] == serde_json::json!([]));
    assert_eq!(renew(&home)["renewed"], true);
}

/// `POST /v1/keys/bedrock/renew`.
fn renew(home: &Home) -> Value {
    let url = "http://credd/v1/keys/bedrock/renew";
    let output = Command::new("curl").args(["-s", "-X", "POST", "-d", "{}", "--unix-socket"]).arg(home.socket()).arg(url).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_short_term_key_is_minted_into_a_file_that_isn_t_there_yet() {
    let rig = Rig::new();
    let home = rig.home();
    let key = "[[keys]]\nname = \"bedrock\"\nkind = \"short-term\"\naws_profile = \"dev\"\nregion = \"eu-west-1\"\nprobe = \"off\"\n";
    let dir = home.path().join("litellm");
    fs::create_dir(&dir).unwrap();
    let config = dir.join("config.yaml");
    let consumer = format!("[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n", config.display());
    home.write_config(&format!("{key}{consumer}"));
    let daemon = rig.daemon_with_version_2(&home);
    let status = daemon.until("a key", RENEWED, |status| status["keys"][0]["state"] == "ok");
    let key = &status["keys"][0];
    assert_eq!((&key["kind"], &key["region"], &key["issued_source"]), (&"bedrock-short-term".into(), &"eu-west-1".into(), &"key".into()));
    let left = key["days_left"].as_f64().unwrap();
    assert!((0.49..0.51).contains(&left), "twelve hours: {left}");
    let first = fs::read_to_string(home.env_file()).unwrap();
    // Keys of the same second are the same.
    let minted_in = jiff::Timestamp::now().as_second();
    wait::until_true("the next second", SOON, || jiff::Timestamp::now().as_second() > minted_in);
    let answer = renew(&home);
    assert_eq!(answer["renewed"], true, "{answer:#}");
    let second = fs::read_to_string(home.env_file()).unwrap();
    assert_ne!(second, first);

    // Its configuration names another region than the key is for.
    let value = second.split_once('=').unwrap().1.trim().trim_matches('\'');
    let _proxy = LiteLlm::launch(&rig.bedrock, value, &litellm::Options { dir: Some(&dir), ..litellm::Options::default() });
    let status = daemon.until("LiteLLM to be found", READY_TIMEOUT, |status| status["problems"].as_array().unwrap().len() == 1);
    assert_eq!(status["problems"][0]["code"], "region-mismatch", "{status:#}");
    let message = status["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("for eu-west-1 alone, and litellm calls Bedrock in us-east-1"), "{message}");
}

/// Kills the daemon, and sees what the next one makes of it.
#[test]
fn a_daemon_that_is_killed_at_any_moment_leaves_nothing_half_done() {
    const AT_ONCE: u32 = 3;
    let points: u32 = if std::env::var_os("CREDD_LONG").is_some() { 200 } else { 6 };
    let rig = Rig::new();
    // How long a whole renewal takes here and now.
    let start = Instant::now();
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let rig = &rig;
            scope.spawn(move || killed_after(rig, &format!("measured-{number}"), None));
        }
    });
    let whole = start.elapsed();
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(point) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|point| *point < points) {
                    killed_after(&rig, &format!("user-{point}"), Some(whole * point / points));
                }
            });
        }
    });
}

fn killed_after(rig: &Rig, user: &str, moment: Option<Duration>) {
    let old = rig.key(user, DAY * 26);
    let home = rig.home();
    home.write_config(&config("renew", NO_CONSUMER));
    home.set_key(&old.value);
    let mut daemon = rig.daemon(&home);
    if let Some(moment) = moment {
        thread::sleep(moment);
        daemon.kill();
        drop(daemon);
        // What it left in the middle, the worker undoes by itself or the next daemon settles.
        daemon = rig.daemon(&home);
    }
    // One that was undone is tried again within hours; whoever doesn't want to wait asks for it.
    let is_through = |status: &Value| status["keys"][0]["former"][0]["delete_at"].is_string();
    let was_undone = |status: &Value| status["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "renewal-failed");
    let status = daemon.until("the renewal to end", RENEWED, |status| is_through(status) || was_undone(status));
    if was_undone(&status) {
        let answer = renew(&home);
        assert_eq!(answer["renewed"], true, "{user} {moment:?}: {answer:#}\n{}", daemon.log());
    }
    daemon.until("the old key to be made inactive", RENEWED, is_through);
    let states: Vec<_> = rig.iam.keys(user).into_iter().map(|key| (key.value, key.status)).collect();
    assert_eq!(states, [(old.value, "Inactive"), (held(&home), "Active")], "{user} {moment:?}\n{}", daemon.log());
}
