//! Homes and runtime directories that are missing, read-only or somebody else's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::rig::{CREDD, QUIET, cannot_start, for_anybody, home, stderr};
use crate::support::daemon::{Daemon, SOON};
use crate::support::{run, wait};

/// What a directory is, read-only, until it is dropped.
struct ReadOnly<'p>(&'p Path);

impl<'p> ReadOnly<'p> {
    fn mount(at: &'p Path) -> Self {
        run(Command::new("mount").arg("--bind").args([at, at]));
        run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(at));
        Self(at)
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_read_only_home_is_said_to_be_one_and_shown_as_it_was() {
    let home = home();
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon.ok(&["issued", "bedrock", "20 days ago"]);
    daemon.stop();
    let read_only = ReadOnly::mount(home.path());
    let text = stderr(&cannot_start(&home, |_| {}));
    assert!(text.contains("state directory") && text.contains("Read-only file system") && text.contains("--state-dir"), "{text}");
    // What needs no daemon works.
    let status: Value = serde_json::from_str(&daemon.ok(&["status", "--json"])).unwrap();
    assert_eq!((&status["live"], &status["keys"][0]["issued_source"]), (&false.into(), &"declared".into()));
    assert!(daemon.ok(&["history"]).contains("a new key is in"));
    assert_eq!(daemon.credd(&["check"]).status.code(), Some(0));
    drop(read_only);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["issued_source"] == "declared");
}

#[test]
fn a_read_only_home_with_its_state_elsewhere_is_watched() {
    let home = home();
    fs::create_dir_all(home.runtime_dir().join("state")).unwrap();
    let (keys, log) = (home.path().join("keys"), home.path().join("credd.log"));
    fs::create_dir(&keys).unwrap();
    fs::rename(home.env_file(), keys.join("env")).unwrap();
    fs::write(&log, "").unwrap();
    home.write_config(&format!("{QUIET}[[keys]]\nprobe = \"off\"\nenv_file = \"~/keys/env\"\n"));
    let _read_only = ReadOnly::mount(&keys);
    let state = home.runtime_dir().join("state");
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env("CREDD_STATE_DIR", &state);
    });
    let status = daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    assert_eq!(status["problems"], json!([]));
}

#[test]
fn without_a_home_in_the_environment_the_user_database_tells_it() {
    let home = home();
    let config = home.config_dir().join("credd/config.toml");
    fs::write(
        &config,
        fs::read_to_string(&config).unwrap().replace("[[keys]]\n", &format!("[[keys]]\nenv_file = {:?}\n", home.env_file())),
    )
    .unwrap();
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env_remove("HOME");
    });
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
}

/// A user whom no database knows, as in a container that is run with some number for a user. Needs root, to become one.
#[test]
fn without_any_home_it_says_what_to_set() {
    let home = home();
    let program = for_anybody(&home);
    let mut command = home.command("setpriv");
    command.args(["--reuid", "61234", "--regid", "61234", "--clear-groups"]).arg(program).arg("run").env_remove("HOME").current_dir("/");
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no home directory is known; set HOME"), "{text}");
}

#[test]
fn without_a_runtime_directory_the_socket_is_with_the_state() {
    for change in [None, Some("/nowhere/at/all"), Some("relative")] {
        let home = home();
        let credd = || {
            let mut command = home.command(CREDD);
            match change {
                None => command.env_remove("XDG_RUNTIME_DIR"),
                Some(dir) => command.env("XDG_RUNTIME_DIR", dir),
            };
            command
        };
        let mut child = credd().arg("run").stderr(Stdio::null()).spawn().unwrap();
        let socket = home.state_dir().join("credd/credd.sock");
        let is_live = || {
            let output = credd().args(["status", "--json"]).output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|status| status["live"] == true)
        };
        wait::until_true("the daemon to answer", SOON, is_live);
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Needs root, to give a directory away.
#[test]
fn a_runtime_directory_of_somebody_else_is_refused() {
    let home = home();
    let dir = home.runtime_dir().join("credd");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(61234), Some(61234)).unwrap();
    let text = stderr(&cannot_start(&home, |_| {}));
    assert!(text.contains("is not a directory of yours; remove it, or name another place"), "{text}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    // A link to one, as well.
    fs::rename(&dir, home.path().join("theirs")).unwrap();
    std::os::unix::fs::symlink(home.path().join("theirs"), &dir).unwrap();
    let text = stderr(&cannot_start(&home, |_| {}));
    assert!(text.contains("is not a directory of yours"), "{text}");
    fs::remove_file(&dir).unwrap();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
}
