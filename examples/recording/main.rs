//! Records a renewal for the README, from the alert to the new key being served: the real program, the real LiteLLM
//! and a real terminal; a stand-in for Bedrock, and planted keys.
//!
//!   tests/setup --only base,litellm && cargo run --example recording
//!
//! Writes `renew.cast` (asciicast v2) and `renew.svg`, which moves by itself, to packaging/pictures.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "as in a test, a panic that says what went wrong is the error handling, and time is what is recorded"
)]

mod cast;
mod cells;
#[path = "../../tests/support/mod.rs"]
mod support;
mod svg;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::bedrock::BedrockStandIn;
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::litellm::{LiteLlm, READY_TIMEOUT};
use support::pane::Pane;
use support::{run, wait};

const OLD: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEW: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";
const COLUMNS: u32 = 100;
const ROWS: u32 = 26;
/// Between two letters, and two looks.
const TICK: Duration = Duration::from_millis(60);

/// What the terminal showed from some moment on.
pub struct Frame {
    /// Since the start.
    pub at: Duration,
    /// With its colours.
    pub text: String,
    /// Column and row.
    pub cursor: (usize, usize),
}

/// What was recorded so far.
struct Recorder<'h> {
    pane: Pane<'h>,
    start: Instant,
    frames: Vec<Frame>,
}

impl Recorder<'_> {
    fn look(&mut self) {
        let (text, cursor) = self.pane.picture();
        if self.frames.last().is_none_or(|last| last.text != text || last.cursor != cursor) {
            self.frames.push(Frame { at: self.start.elapsed(), text, cursor });
        }
    }

    fn types(&mut self, line: &str) {
        for letter in line.chars() {
            self.pane.types(&letter.to_string());
            self.watch(TICK);
        }
        self.pane.presses("Enter");
    }

    fn watch(&mut self, period: Duration) {
        let end = Instant::now() + period;
        wait::try_until(period, || {
            self.look();
            (Instant::now() >= end).then_some(())
        });
    }

    /// Watches until something is shown so many times, and for people to read it.
    fn until(&mut self, text: &str, count: usize, limit: Duration) {
        let seen = wait::try_until(limit, || {
            self.look();
            (self.pane.shown().matches(text).count() >= count).then_some(())
        });
        assert!(seen.is_some(), "not shown: {text:?}\n{}", self.pane.shown());
        self.watch(Duration::from_millis(1500));
    }
}

fn main() {
    // Beside the examples' directory.
    let program = std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("credd");
    let program: &'static str = program.to_string_lossy().into_owned().leak();
    run(std::process::Command::new(env!("CARGO")).args(["build", "--quiet", "--locked", "--bin", "credd"]));
    let bedrock = BedrockStandIn::start([OLD, NEW]);
    let proxy = LiteLlm::start(&bedrock, OLD);
    let home = Home::new().asking(&bedrock.url());
    let config = proxy.dir().join("config.yaml");
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n",
        config.display()
    ));
    home.set_key(OLD);
    run(std::process::Command::new("touch").args(["-d", "25 days ago"]).arg(home.env_file()));
    let daemon = Daemon::start(program, &home);
    daemon.until("LiteLLM to be found", SOON, |status| {
        status["consumers"][0]["state"] == "current" && status["keys"][0]["state"] == "due" && !status["keys"][0]["probe"].is_null()
    });

    let pane = Pane::open_with(&home, Path::new(program), (COLUMNS, ROWS), "~ $ ");
    let mut recorder = Recorder { pane, start: Instant::now(), frames: Vec::new() };
    recorder.watch(Duration::from_millis(500));
    recorder.types("credd status");
    recorder.until("~ $ ", 2, SOON);
    recorder.types("credd renew");
    recorder.until("New key (not shown):", 1, SOON);
    recorder.pane.pastes(&format!("{NEW}\n"), true);
    recorder.until("~ $ ", 3, READY_TIMEOUT);
    recorder.types("credd status");
    recorder.until("~ $ ", 4, SOON);
    let shown = recorder.pane.shown();
    assert!(shown.contains("litellm serves with the new key"), "{shown}\n{}", daemon.log());
    assert!(!shown.contains(&NEW[20..40]), "the key is shown: {shown}");

    let to = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/pictures");
    std::fs::write(to.join("renew.cast"), cast::cast(&recorder.frames, COLUMNS, ROWS)).unwrap();
    std::fs::write(to.join("renew.svg"), svg::svg(&recorder.frames, COLUMNS, ROWS)).unwrap();
}
