//! A daemon whose log is read as it is written.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::CREDD;
use super::process::Process;
use super::support::home::Home;

/// A running daemon; ended when dropped.
pub struct Logged {
    child: Child,
    pub begun: Instant,
    lines: Receiver<(Instant, String)>,
}

impl Logged {
    pub fn start(home: &Home) -> Self {
        let begun = Instant::now();
        let mut child = home.command(CREDD).arg("run").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Self { child, begun, lines }
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits for a line with these words; when it was written.
    pub fn wait_for(&self, words: &str, patience: Duration) -> Instant {
        let end = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (at, line) = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no {words:?} in the log: {seen:#?}"));
            if line.contains(words) {
                return at;
            }
            seen.push(line);
        }
    }

    /// Forgets what was written so far.
    pub fn forget(&self) {
        while self.lines.try_recv().is_ok() {}
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
