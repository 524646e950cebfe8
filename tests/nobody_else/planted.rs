//! Symlinks, hard links and swapped directories in the way of everything that credd writes: what they lead to stays as
//! it was.
//!
//! In one row each: what is written, by what. (The socket, `--socket`'s directory and a file in the socket's place are
//! in `tests/cli.rs`; the env file's own ways in `tests/rewrite`; the unit's file in `src/service/file.rs`.)

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::light::Light;
use crate::support::{said, wait};
use crate::{CREDD, KEY, OTHER, QUIET};

const PRECIOUS: &str = "precious\n";

/// Something that nobody may write to, in a directory that nobody may write in.
struct Victim {
    dir: PathBuf,
    file: PathBuf,
}

impl Victim {
    fn of(home: &Home) -> Self {
        let dir = home.path().join("victim");
        fs::create_dir(&dir).unwrap();
        let file = dir.join("file");
        fs::write(&file, PRECIOUS).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        Self { dir, file }
    }

    fn is_untouched(&self, what: &str) {
        assert_eq!(fs::read_to_string(&self.file).unwrap(), PRECIOUS, "{what}");
        assert_eq!(fs::metadata(&self.file).unwrap().permissions().mode() & 0o777, 0o640, "{what}");
        let names: Vec<_> = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"], "{what}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Planted {
    Symlink,
    HardLink,
}

impl Planted {
    fn put(self, victim: &Victim, at: &Path) {
        let _ = fs::remove_file(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match self {
            Self::Symlink => symlink(&victim.file, at).unwrap(),
            Self::HardLink => fs::hard_link(&victim.file, at).unwrap(),
        }
    }
}

fn renew(home: &Home, key: &str) -> Output {
    let mut renew = home.command(CREDD);
    let mut renew = renew.args(["renew", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = renew.stdin.take().unwrap().write_all(key.as_bytes());
    renew.wait_with_output().unwrap()
}

/// Runs the daemon through an edit, a restart of a consumer and a change of the state's, with something planted first.
/// It may refuse to start.
fn planted_in_the_state(planted: Planted, name: &str) {
    let what = format!("{planted:?} as {name}");
    let bedrock = BedrockStandIn::start([KEY, OTHER]);
    let home = Home::new().asking(&bedrock.url());
    let victim = Victim::of(&home);
    let light = Light::start(&home, &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("LITELLM_MASTER_KEY", "sk-master")]);
    let pid_file = home.state_dir().join("credd/litellm.pid");
    home.write_config(&format!("[alerts]\ndesktop = false\n{}pid_file = \"{}\"\n", light.consumer(), pid_file.display()));
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n"));
    planted.put(&victim, &home.state_dir().join("credd").join(name));

    let mut command = home.command(CREDD);
    let mut daemon = command.args(["run"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = || {
        let output = home.command(CREDD).args(["status", "--json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    let mut has_ended = false;
    wait::until_true(&format!("{what}: the daemon to start, or to refuse"), SOON, || {
        has_ended = daemon.try_wait().unwrap().is_some();
        has_ended || (status()["live"] == true && status()["consumers"][0]["state"] == "current")
    });
    if !has_ended {
        home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={OTHER}\n"));
        wait::until_true(&format!("{what}: an apply to end"), SOON, || !status()["consumers"][0]["last_apply"].is_null());
        home.command(CREDD).args(["issued", "bedrock", "3 days ago"]).output().unwrap();
        home.command(CREDD).args(["history"]).output().unwrap();
    }
    victim.is_untouched(&what);
    let _ = daemon.kill();
    let _ = daemon.wait();
    // Nor by one that comes after it.
    let mut again = home.command(CREDD).args(["run"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait::until_true(&format!("{what}: the next daemon"), SOON, || again.try_wait().unwrap().is_some() || status()["live"] == true);
    victim.is_untouched(&what);
    let _ = again.kill();
    let _ = again.wait();
}

/// Every file below the state directory, and a pid file.
const STATE: [&str; 7] = ["lock", "salt", "state.journal", "history.jsonl", "history.older.jsonl", "apply-litellm.lock", "litellm.pid"];

#[test]
fn a_symlink_in_the_state_directory() {
    for name in STATE {
        planted_in_the_state(Planted::Symlink, name);
    }
}

#[test]
fn a_hard_link_in_the_state_directory() {
    for name in STATE {
        planted_in_the_state(Planted::HardLink, name);
    }
}

/// What is there and whole is taken over, and the other name keeps what it had.
#[test]
fn a_hard_link_of_our_own_files() {
    let home = Home::new();
    home.write_config(QUIET);
    home.set_key(KEY);
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.stop();
    let state = home.state_dir().join("credd");
    let backup = home.path().join("backup");
    fs::create_dir(&backup).unwrap();
    let files = ["state.journal", "history.jsonl"];
    for name in files {
        fs::hard_link(state.join(name), backup.join(name)).unwrap();
    }
    let before = files.map(|name| fs::read(backup.join(name)).unwrap());
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.ok(&["issued", "bedrock", "3 days ago"]);
    daemon.stop();
    assert_eq!(files.map(|name| fs::read(backup.join(name)).unwrap()), before);
    for (name, before) in files.iter().zip(before) {
        let now = fs::read(state.join(name)).unwrap();
        assert!(now.len() > before.len() && now.starts_with(&before), "{name}: what was there counts");
        assert_eq!(fs::metadata(state.join(name)).unwrap().nlink(), 1, "{name}");
    }
}

/// A home with something precious in it, and a consumer that has the key.
fn consumed() -> (BedrockStandIn, Home, Victim, Light) {
    let bedrock = BedrockStandIn::start([KEY, OTHER]);
    let home = Home::new().asking(&bedrock.url());
    let victim = Victim::of(&home);
    let light = Light::start(&home, &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("LITELLM_MASTER_KEY", "sk-master")]);
    home.write_config(&format!("[alerts]\ndesktop = false\n{}", light.consumer()));
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n"));
    (bedrock, home, victim, light)
}

/// The daemon, once it knows the consumer.
fn at_work(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("LiteLLM", SOON, |status| status["consumers"][0]["state"] == "current");
    daemon
}

/// The state directory is replaced by a symlink while the daemon is at work.
#[test]
fn a_state_directory_that_is_swapped() {
    let (_bedrock, home, victim, _light) = consumed();
    let daemon = at_work(&home);
    let (state, aside) = (home.state_dir().join("credd"), home.state_dir().join("aside"));
    let length = |name: &str| fs::metadata(aside.join(name)).unwrap().len();
    fs::rename(&state, &aside).unwrap();
    symlink(&victim.dir, &state).unwrap();
    let before = (length("state.journal"), length("history.jsonl"));
    daemon.ok(&["issued", "bedrock", "3 days ago"]);
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={OTHER}\n"));
    daemon.credd(&["apply", "--force"]);
    wait::until_true("the state to be saved where it was", SOON, || {
        length("state.journal") > before.0 && length("history.jsonl") > before.1
    });
    victim.is_untouched("a swapped state directory");
}

#[test]
fn the_salt_s_first_name() {
    // It is written beside and linked into place; nobody knows that name but who sees the process start.
    let home = Home::new();
    let victim = Victim::of(&home);
    home.write_config(QUIET);
    let state = home.state_dir().join("credd");
    fs::create_dir_all(&state).unwrap();
    // By a shell that plants the link under its own pid, and becomes credd.
    let line = "ln -s \"$1\" \"$2/salt.$$\"; exec \"$0\" run";
    let mut daemon = home.command("sh");
    daemon.args(["-c", line, CREDD]).arg(&victim.file).arg(&state).stdin(Stdio::null()).stderr(Stdio::null());
    let mut daemon = daemon.spawn().unwrap();
    wait::until_true("the salt", SOON, || state.join("salt").exists());
    victim.is_untouched("the salt's first name");
    let salt = fs::symlink_metadata(state.join("salt")).unwrap();
    assert!(salt.is_file() && salt.len() == 32);
    let _ = daemon.kill();
    let _ = daemon.wait();
}

#[test]
fn manual_pages() {
    for planted in [Planted::Symlink, Planted::HardLink] {
        let home = Home::new();
        let victim = Victim::of(&home);
        let pages = home.path().join("pages");
        for name in ["credd.1", "credd-status.1"] {
            planted.put(&victim, &pages.join(name));
        }
        let made = home.command(CREDD).args(["man", "pages"]).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        victim.is_untouched(&format!("{planted:?} as a manual page"));
        let page = fs::symlink_metadata(pages.join("credd.1")).unwrap();
        assert!(page.is_file() && page.nlink() == 1 && page.len() > 100);
    }
}

#[test]
fn the_service_s_file() {
    for planted in [Planted::Symlink, Planted::HardLink] {
        let home = Home::new();
        let victim = Victim::of(&home);
        let unit = home.config_dir().join("systemd/user/credd.service");
        planted.put(&victim, &unit);
        // There may be no systemd to talk to; the file comes first.
        for args in [&["install"][..], &["install", "--force"], &["uninstall"]] {
            home.command(CREDD).args(args).stdin(Stdio::null()).output().unwrap();
            victim.is_untouched(&format!("{planted:?} as the unit, {args:?}"));
        }
    }
}

/// The env file: a symlink of the user's is followed, to the file that it names; one that somebody put in the place of
/// that file, or of its directory, while the writer waits is not.
#[test]
fn an_env_file_whose_directory_is_swapped() {
    let bedrock = BedrockStandIn::start([KEY, OTHER]);
    let home = Home::new().asking(&bedrock.url());
    let victim = Victim::of(&home);
    let keys = home.path().join("keys");
    fs::create_dir(&keys).unwrap();
    home.write_config(&format!("{QUIET}[[keys]]\nenv_file = \"{}\"\n", keys.join("file").display()));
    fs::write(keys.join("file"), format!("export AWS_BEARER_TOKEN_BEDROCK={KEY}\n")).unwrap();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    // The writer waits for this lock of the directory; what it locks then isn't what the path leads to any more.
    let lock = fs::File::open(&keys).unwrap();
    lock.lock().unwrap();
    let output = std::thread::scope(|scope| {
        let renewal = scope.spawn(|| renew(&home, OTHER));
        let locks = || fs::read_to_string("/proc/locks").unwrap();
        let inode = format!(":{} ", fs::metadata(&keys).unwrap().ino());
        wait::until_true("the writer to wait", SOON, || {
            renewal.is_finished() || bedrock.requests().iter().any(|request| request.bearer.as_deref() == Some(OTHER))
        });
        assert!(locks().contains(&inode) && !renewal.is_finished());
        fs::rename(&keys, home.path().join("aside")).unwrap();
        symlink(&victim.dir, &keys).unwrap();
        drop(lock);
        renewal.join().unwrap()
    });
    assert!(!output.status.success(), "{}", said(&output));
    victim.is_untouched("a swapped directory of the env file");
    let aside = fs::read_to_string(home.path().join("aside/file")).unwrap();
    assert!(aside.contains(KEY) && !aside.contains(OTHER), "nor was the old place written to");
}

#[test]
fn an_env_file_with_another_name() {
    let bedrock = BedrockStandIn::start([KEY, OTHER]);
    let home = Home::new().asking(&bedrock.url());
    home.write_config(QUIET);
    home.set_key(KEY);
    let other = home.path().join("other");
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    fs::hard_link(home.env_file(), &other).unwrap();
    let before = fs::read(&other).unwrap();
    let output = renew(&home, OTHER);
    assert!(!output.status.success() && said(&output).contains("hard link"), "{}", said(&output));
    // `doctor --fix` changes the mode of what is a file of the user's; it doesn't follow what took its place.
    fs::remove_file(home.env_file()).unwrap();
    let victim = Victim::of(&home);
    symlink(&victim.dir, home.env_file()).unwrap();
    daemon.credd(&["doctor", "--fix", "--yes"]);
    victim.is_untouched("a directory in the env file's place");
    assert_eq!(fs::read(&other).unwrap(), before);
}

/// The consumer's log is opened again by what the process has open, not by a name that somebody could take.
#[test]
fn a_consumer_s_log_that_is_replaced() {
    let (_bedrock, home, victim, _light) = consumed();
    let daemon = at_work(&home);
    let log = home.path().join("litellm.log");
    fs::rename(&log, home.path().join("litellm.log.1")).unwrap();
    symlink(&victim.file, &log).unwrap();
    home.write_env(&format!("export AWS_BEARER_TOKEN_BEDROCK={OTHER}\n"));
    daemon.until("the restart", SOON, |status| status["consumers"][0]["last_apply"]["outcome"] == "applied");
    victim.is_untouched("a replaced log");
    assert_eq!(fs::read_to_string(home.path().join("litellm.log.1")).unwrap().matches("started ").count(), 2);
}
