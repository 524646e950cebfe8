//! How many instructions things take, as valgrind counts them.
//!
//! Seen to vary from run to run by 0.03 %, a start once in ten by 3 %. Layout of addresses and the caller's
//! environment make no difference: valgrind lays out alike, and the environment is cleared. Homes have names of
//! one length. What looks for the time zone depends on how many of them the system has.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use credd::worker::job::{FileQuery, Job};

use crate::costs::hold_instructions;
use crate::program::release;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::said;

const ENV_FILE: &str = include_str!("../data/envcorpus/012_plain_toolkit_template.env");
/// Nobody uses the key, and nobody is asked about it.
const CONFIG: &str = "consumers = []\n[[keys]]\nprobe = \"off\"\n";

fn home() -> Home {
    let home = Home::new();
    home.write_config(CONFIG);
    home.write_env(ENV_FILE);
    home
}

/// credd in a home, its instructions counted. What else is in the environment doesn't count.
fn counted(program: &str, home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.command("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=counted", program]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The sum of a run that has ended.
fn sum(home: &Home) -> u64 {
    let path = home.path().join("counted");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    let sum = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    sum.and_then(|sum| sum.trim().parse().ok()).unwrap_or_else(|| panic!("no sum in {text}"))
}

fn run(program: &str, home: &Home, arguments: &[&str], stdin: Stdio) -> u64 {
    let output = counted(program, home, arguments).stdin(stdin).output().expect("valgrind: run tests/setup");
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    sum(home)
}

#[test]
fn of_commands() {
    let Some(program) = release() else { return };
    let home = home();
    hold_instructions("credd --version", run(program, &home, &["--version"], Stdio::null()));
    let daemon = Daemon::start(program, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    for arguments in [&["status"][..], &["status", "--short"], &["status", "--json"], &["check"]] {
        hold_instructions(&format!("credd {}", arguments.join(" ")), run(program, &home, arguments, Stdio::null()));
    }
}

#[test]
fn of_a_worker_that_reads_a_file() {
    let Some(program) = release() else { return };
    let home = home();
    let state_dir = home.state_dir().join("credd");
    fs::create_dir_all(&state_dir).unwrap();
    fs::write(state_dir.join("salt"), [7; 32]).unwrap();
    let files = vec![FileQuery { path: home.env_file(), variables: vec!["AWS_BEARER_TOKEN_BEDROCK".to_owned()] }];
    let job = home.path().join("job");
    fs::write(&job, serde_json::to_vec(&Job::Read { state_dir, files }).unwrap()).unwrap();
    let input = || Stdio::from(fs::File::open(&job).unwrap());
    hold_instructions("a worker that reads a file", run(program, &home, &["worker"], input()));
}

/// Up to the moment when it says that it is ready.
#[test]
fn of_a_start() {
    let Some(program) = release() else { return };
    let home = home();
    // It can't run its workers under valgrind, which is itself what /proc/self/exe means there.
    home.write_config("consumers = []\nkeys = []\n");
    // The first one makes the state.
    start(program, &home);
    hold_instructions("a start of the daemon", start(program, &home));
}

fn start(program: &str, home: &Home) -> u64 {
    let path = home.runtime_dir().join("notify");
    let _ = fs::remove_file(&path);
    let notices = UnixDatagram::bind(&path).unwrap();
    notices.set_read_timeout(Some(SOON)).unwrap();
    let child = counted(program, home, &["-q", "run"]).env("NOTIFY_SOCKET", &path).spawn().expect("valgrind: run tests/setup");
    wait_for_ready(&notices, &path);
    crate::support::run(Command::new("kill").arg(child.id().to_string()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    sum(home)
}

fn wait_for_ready(notices: &UnixDatagram, path: &Path) {
    let mut notice = [0; 1024];
    loop {
        let length = notices.recv(&mut notice).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if notice[..length].starts_with(b"READY=1") {
            return;
        }
    }
}
