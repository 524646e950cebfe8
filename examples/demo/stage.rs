//! What the audience sees, and how long the demo waits for things.

use std::io::{IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::parts::Credd;
use super::support::wait;

/// A step's result; the error is a sentence.
pub type Outcome<T> = Result<T, String>;

/// Ctrl-C was pressed, or the demo was asked to end.
static STOPPED: AtomicBool = AtomicBool::new(false);

pub struct Stage {
    begun: Instant,
    steps: u32,
    current: &'static str,
}

impl Stage {
    pub fn open() -> Self {
        thread::spawn(wait_for_the_end);
        Self { begun: Instant::now(), steps: 0, current: "" }
    }

    /// What came before took as long as it took.
    pub fn start_the_clock(&mut self) {
        self.begun = Instant::now();
    }

    /// A new step, named by what is done.
    pub fn step(&mut self, what: &'static str) {
        self.steps += 1;
        self.current = what;
        let title = format!("{}. {}{}", self.steps, what[..1].to_uppercase(), &what[1..]);
        println!("\n{}", if stdout().is_terminal() { format!("\x1b[1m{title}\x1b[0m") } else { title });
    }

    /// A sentence, with the seconds since the start.
    pub fn say(&self, sentence: &str) {
        println!("  {:5.1} s  {sentence}", self.begun.elapsed().as_secs_f64());
    }

    /// Who plays what.
    pub fn cast(parts: &[(&str, String)]) {
        for (part, played_by) in parts {
            println!("  {part:<15} {played_by}");
        }
    }

    /// What something said.
    pub fn quote(lines: &[String]) {
        for line in lines {
            println!("           | {line}");
        }
    }

    /// Runs a command of credd before everybody's eyes.
    pub fn show(credd: &Credd, arguments: &[&str]) -> Outcome<()> {
        println!("\n$ credd {}", arguments.join(" "));
        let _ = stdout().flush();
        let status = credd.command().args(arguments).status().map_err(|error| format!("credd can't be run: {error}"))?;
        println!();
        if status.success() { Ok(()) } else { Err(format!("credd {}: {status}", arguments.join(" "))) }
    }

    /// Waits until `condition` gives something.
    pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Outcome<T> {
        let found = wait::try_until(limit, || if STOPPED.load(Ordering::SeqCst) { Some(None) } else { condition().map(Some) });
        match found {
            Some(Some(found)) => Ok(found),
            Some(None) => Err("it was interrupted".to_owned()),
            None => Err(format!("waited {} s for {what}", limit.as_secs())),
        }
    }

    pub fn summary(&self, sentence: &str) {
        println!("Done in {:.0} s. {sentence}", self.begun.elapsed().as_secs_f64());
    }

    pub fn failure(&self, complaint: &str) {
        println!("\nFailed at step {} ({}): {complaint}", self.steps, self.current);
    }
}

fn wait_for_the_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else { return };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        STOPPED.store(true, Ordering::SeqCst);
    });
}
