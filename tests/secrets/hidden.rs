//! Processes that handle secrets: no core dumps, nothing of theirs for other processes of the user, no swap.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::canaries::Canary;
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::SOON;
use crate::support::home::Home;
use crate::support::wait;
use crate::{CREDD, is_root};

const USER: &str = "65534";

fn give(path: &Path) {
    chown(path, Some(65534), Some(65534)).unwrap();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        give(&entry.path());
    }
}

/// A command as a user without any of root's rights but to lock memory (`CAP_IPC_LOCK`), whose core dumps know no bounds.
fn by_user() -> Command {
    let mut command = Command::new("prlimit");
    command.args(["--core=unlimited", "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]);
    command.args(["--inh-caps=-all,+ipc_lock", "--ambient-caps=-all,+ipc_lock", "--bounding-set=-all,+ipc_lock"]);
    command
}

/// Whether another process of the user gets at this one: its environment, its memory, or by a debugger.
fn is_open(pid: u32) -> [bool; 3] {
    let succeeds = |words: &[&str]| {
        let mut command = by_user();
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    let first = "import sys; maps = open(f'/proc/{sys.argv[1]}/maps').readline(); \
                 mem = open(f'/proc/{sys.argv[1]}/mem', 'rb'); mem.seek(int(maps.split('-')[0], 16)); assert mem.read(1)";
    let follow = "import ctypes, os, sys; libc = ctypes.CDLL(None); pid = int(sys.argv[1]); \
                  assert libc.ptrace(16, pid, 0, 0) == 0; os.waitpid(pid, 0); libc.ptrace(17, pid, 0, 0)";
    let pid = pid.to_string();
    [
        succeeds(&["cat", &format!("/proc/{pid}/environ")]),
        succeeds(&["/usr/bin/python3", "-c", first, &pid]),
        succeeds(&["/usr/bin/python3", "-c", follow, &pid]),
    ]
}

fn field(pid: u32, file: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_else(|error| panic!("{file} of {pid}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// What has a parent, and this name.
fn children(parent: u32, name: &str) -> Vec<u32> {
    let output = Command::new("pgrep").args(["-P", &parent.to_string(), "-x", name]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(|pid| pid.parse().unwrap()).collect()
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn from_other_processes_from_core_dumps_and_from_the_swap() {
    if !is_root() {
        return;
    }
    let key = Canary::key("key");
    let bedrock = BedrockStandIn::start([key.value.clone()]);
    // Workers and `renew` wait for it, and can be looked at.
    bedrock.delay(Duration::from_mins(1));
    let home = Home::new().asking(&bedrock.url());
    home.write_config("consumers = []\n[alerts]\ndesktop = false\n");
    home.set_key(&key.value);
    let program = home.path().join("credd-of-the-user");
    fs::copy(CREDD, &program).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    give(home.path());
    let start = |args: &[&str]| {
        let mut command = home.command("prlimit");
        command.args(by_user().get_args()).arg(&program).args(args);
        Ends(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    // What isn't hidden, by the same ways of looking. (Yama may keep a debugger from what isn't its child.)
    let mut open = by_user();
    let open = Ends(open.args(["sleep", "600"]).stdin(Stdio::null()).spawn().unwrap());
    wait::until_true("sleep to be itself", SOON, || fs::read_to_string(format!("/proc/{}/comm", open.0.id())).unwrap() == "sleep\n");
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0");
    assert_eq!(is_open(open.0.id()), [true, !yama, !yama]);
    assert_eq!(field(open.0.id(), "limits", "Max core file size"), "unlimited");

    let daemon = start(&["run"]);
    // One that only reads is gone before it is looked at; one that probes has the process that talks to Bedrock.
    let worker = wait::until("a worker that probes", SOON, || {
        let workers = children(daemon.0.id(), "credd-worker");
        workers.into_iter().find(|&worker| !children(worker, "credd-worker").is_empty())
    });
    wait::until_true("the daemon to listen", SOON, || home.socket().exists());
    let mut renew = start(&["renew", "bedrock", "--stdin"]);
    wait::until_true("renew to hide", SOON, || {
        assert!(renew.0.try_wait().unwrap().is_none());
        field(renew.0.id(), "limits", "Max core file size") == "0"
    });
    for (what, pid) in [("the daemon", daemon.0.id()), ("a worker", worker), ("renew", renew.0.id())] {
        wait::until_true(&format!("{what} to hide"), SOON, || is_open(pid) == [false; 3]);
        assert_eq!(field(pid, "limits", "Max core file size"), "0", "{what}");
        let locked: u64 = field(pid, "status", "VmLck:").parse().unwrap();
        assert_eq!(locked > 0, what != "the daemon", "{what} has {locked} kB locked");
    }
}
