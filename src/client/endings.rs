//! Signals that end a program, and what it ends with then.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Of a program that ends by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Those signals, heard from now on.
pub struct Endings {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Endings {
    /// Needs a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The exit code of the next one. Cancel-safe.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => 143,
            _ = self.hangup.recv() => 129,
            _ = self.quit.recv() => 131,
        }
    }
}
