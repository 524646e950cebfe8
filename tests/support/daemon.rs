//! credd itself, run in a home of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::home::Home;
use super::{said, wait};

/// What anything that takes no restart is given, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// A running daemon; killed when dropped.
pub struct Daemon<'h> {
    program: &'static str,
    home: &'h Home,
    child: Child,
}

impl<'h> Daemon<'h> {
    /// Starts the daemon and waits until it answers. `program` is `env!("CARGO_BIN_EXE_credd")`.
    pub fn start(program: &'static str, home: &'h Home) -> Self {
        Self::start_with(program, home, |_| {})
    }

    /// The same with something else about how it is run.
    pub fn start_with(program: &'static str, home: &'h Home, change: impl FnOnce(&mut Command)) -> Self {
        let log = File::options().create(true).append(true).open(home.path().join("credd.log")).unwrap();
        let mut command = home.command(program);
        command.args(["-v", "run"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        change(&mut command);
        let child = command.spawn().unwrap();
        let mut daemon = Self { program, home, child };
        wait::until("the daemon to answer", SOON, || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "the daemon ended: {}", daemon.log());
            let status: Value = serde_json::from_slice(&daemon.credd(&["status", "--json"]).stdout).ok()?;
            (status["live"] == true).then_some(())
        });
        daemon
    }

    /// A command of credd in the daemon's home.
    pub fn command(&self) -> Command {
        self.home.command(self.program)
    }

    /// Runs a command of credd to its end.
    pub fn credd(&self, args: &[&str]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command of credd that must succeed; returns what it says.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.credd(args);
        assert!(output.status.success(), "credd {args:?}: {}\n{}", said(&output), self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// Waits until the status is as wanted, and returns it.
    pub fn until(&self, what: &str, timeout: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = wait::try_until(timeout, || {
            last = self.status();
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("not within {timeout:?}: {what}\n{last:#}\n{}", self.log()))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("credd.log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has answered what it was asked, and then does nothing at all for ten seconds, in which a half-second
    /// tick would show twenty times.
    pub fn rests(&self) {
        let switches = || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            let mut tasks: Vec<_> = tasks.map(|task| task.unwrap().path()).collect();
            assert_eq!(tasks.len(), 1, "one thread");
            let status = fs::read_to_string(tasks.pop().unwrap().join("status")).unwrap();
            status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap().to_owned()
        };
        let mut before = switches();
        wait::until("ten quiet seconds", Duration::from_mins(1), || {
            let start = Instant::now();
            wait::try_until(Duration::from_secs(10), || (switches() != before).then_some(()));
            let quiet = switches() == before && start.elapsed() >= Duration::from_secs(10);
            before = switches();
            quiet.then_some(())
        });
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns the exit code. Panics if that takes longer than a second and what a busy
    /// machine adds to it.
    pub fn stop(&mut self) -> Option<i32> {
        Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        wait::until("the daemon to end", Duration::from_secs(5), || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- the daemon's log\n{}", self.log());
        }
    }
}
