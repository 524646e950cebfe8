//! Each of the two mechanisms alone and both together, in a process of their own: this test's program, run once more.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "how that one tells what came of each attempt, and what is left out")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;

const PLACE: &str = "CREDD_TEST_PLACE";
const PORTS: &str = "CREDD_TEST_PORTS";
const MECHANISM: &str = "CREDD_TEST_MECHANISM";

/// What is attempted, and whether Landlock and seccomp refuse it.
const ATTEMPTS: &[(&str, Attempt, bool, bool)] = &[
    ("read the settings of the system", |_| fs::read("/etc/passwd").map(drop), false, false),
    ("look a name up", |_| ("localhost", 80).to_socket_addrs().map(drop), false, false),
    ("start a thread", |_| std::thread::Builder::new().spawn(|| ()).map(drop), false, false),
    ("connect to the port", |at| TcpStream::connect(("127.0.0.1", at.ports[0])).map(drop), false, false),
    ("connect to another port", |at| TcpStream::connect(("127.0.0.1", at.ports[1])).map(drop), true, false),
    ("read a file of the user's", |at| fs::read(at.path("file")).map(drop), true, false),
    ("list a directory of the user's", |at| fs::read_dir(at.path("")).map(drop), true, false),
    ("read another process's environment", |_| fs::read(format!("/proc/{}/environ", parent())).map(drop), true, false),
    ("make a file", |at| File::create_new(at.path("new")).map(drop), true, true),
    ("write to a file", |at| OpenOptions::new().append(true).open(at.path("file")).map(drop), true, true),
    ("write to a file that others may write", |_| OpenOptions::new().write(true).open("/dev/null").map(drop), true, true),
    ("remove a file", |at| fs::remove_file(at.path("removed")), true, true),
    ("rename a file", |at| fs::rename(at.path("renamed"), at.path("other")), true, true),
    ("make a directory", |at| fs::create_dir(at.path("directory")), true, true),
    ("make a link", |at| std::os::unix::fs::symlink("file", at.path("link")), true, true),
    ("change a mode", |at| fs::set_permissions(at.path("file"), Permissions::from_mode(0o644)), false, true),
    ("make a file in memory", |_| Ok(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty()).map(drop)?), false, true),
    ("start a program", |_| Command::new("/bin/true").stdin(Stdio::null()).status().map(drop), true, true),
    (
        "trace a process",
        |_| Ok(nix::sys::ptrace::seize(nix::unistd::Pid::from_raw(parent()), nix::sys::ptrace::Options::empty())?),
        true,
        true,
    ),
    ("signal a process", |_| Ok(rustix::process::test_kill_process(rustix::process::getppid().unwrap())?), true, true),
    ("connect to a program of this machine", |at| UnixStream::connect(at.path("socket")).map(drop), false, true),
    ("connect to one without a path", |at| UnixStream::connect_addr(&at.name()).map(drop), true, true),
    ("listen", |_| TcpListener::bind("127.0.0.1:0").map(drop), true, true),
];

type Attempt = fn(&Surroundings) -> io::Result<()>;

/// What the attempts are made on.
struct Surroundings {
    place: PathBuf,
    /// One that may be connected to, and another.
    ports: [u16; 2],
}

impl Surroundings {
    fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    fn name(&self) -> SocketAddr {
        SocketAddr::from_abstract_name(self.place.as_os_str().as_encoded_bytes()).unwrap()
    }
}

fn parent() -> i32 {
    rustix::process::getppid().unwrap().as_raw_pid()
}

#[test]
fn each_mechanism_takes_what_it_can_and_leaves_what_talking_needs() {
    let directory = tempfile::tempdir().unwrap();
    let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
    let at = Surroundings { place: directory.path().into(), ports };
    let _listeners = (UnixListener::bind(at.path("socket")).unwrap(), UnixListener::bind_addr(&at.name()).unwrap());
    let mut is_whole = true;
    for (mechanism, refused) in [
        ("neither", (|_, _| false) as fn(bool, bool) -> bool),
        ("landlock", |landlock, _| landlock),
        ("seccomp", |_, seccomp| seccomp),
        ("both", |landlock, seccomp| landlock || seccomp),
    ] {
        for name in ["file", "removed", "renamed"] {
            fs::write(at.path(name), "secret").unwrap();
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "confine::tests::inside", "--ignored", "--nocapture", "--test-threads=1"])
            .env(PLACE, directory.path())
            .env(PORTS, format!("{},{}", ports[0], ports[1]))
            .env(MECHANISM, mechanism)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        if mechanism == "landlock" && !said.contains("FullyEnforced") {
            // What is left of it is as the kernel's version has it; what seccomp refuses is refused all the same.
            eprintln!("left out: this kernel's Landlock is older than Linux 6.12, or none");
            is_whole = false;
            continue;
        }
        let failed: Vec<_> = ATTEMPTS
            .iter()
            .filter(|(_, _, landlock, seccomp)| is_whole || *seccomp || !*landlock)
            .filter(|(name, _, landlock, seccomp)| {
                let expected = if refused(*landlock, *seccomp) { "refused" } else { "done" };
                !said.lines().any(|line| line.starts_with(&format!("{name}: {expected}")))
            })
            .map(|(name, ..)| *name)
            .collect();
        assert!(failed.is_empty(), "with {mechanism}, not as expected: {failed:?}\n{said}{}", String::from_utf8_lossy(&output.stderr));
        if mechanism == "neither" {
            for made in ["new", "other", "link"] {
                fs::remove_file(at.path(made)).unwrap();
            }
            fs::remove_dir(at.path("directory")).unwrap();
        }
    }
}

/// What the test above runs.
#[test]
#[ignore = "part of each_mechanism_takes_what_it_can_and_leaves_what_talking_needs"]
fn inside() {
    let variable = |name| std::env::var(name).unwrap();
    let ports: Vec<u16> = variable(PORTS).split(',').map(|port| port.parse().unwrap()).collect();
    let at = Surroundings { place: variable(PLACE).into(), ports: [ports[0], ports[1]] };
    match variable(MECHANISM).as_str() {
        "neither" => {}
        "landlock" => println!("\n{:?}", landlock(&ports[..1]).unwrap()),
        "seccomp" => seccompiler::apply_filter(&filter().unwrap()).unwrap(),
        _ => drop(to_talk(&ports[..1])),
    }
    // After the words that the test runner has begun its line with.
    println!();
    for (name, attempt, ..) in ATTEMPTS {
        match attempt(&at) {
            Ok(()) => println!("{name}: done"),
            Err(error) => println!("{name}: refused ({error})"),
        }
    }
}
