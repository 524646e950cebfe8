//! What is to be put back and said when the program is ended from outside: by a signal or a panic.

use std::fs::File;
use std::io::Write as _;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::Failure;
use crate::client::endings::Endings;
use crate::log;

/// Turns marks around what is pasted on.
pub const MARK_PASTES: &[u8] = b"\x1b[?2004h";
/// And off.
const LEAVE_PASTES: &[u8] = b"\x1b[?2004l";

/// A terminal that is in another state than it was found in.
struct Changed {
    tty: Arc<File>,
    before: Termios,
    during: Termios,
    marks: bool,
    /// Written again after the program was stopped and goes on.
    prompt: String,
}

struct Inner {
    changed: Option<Changed>,
    /// A line of progress stands unfinished on standard error.
    open_line: bool,
    message: String,
    hint: Option<String>,
}

/// Where the work stands: shared with whoever hears signals.
#[derive(Clone)]
pub struct Stage(Arc<Mutex<Inner>>);

impl Stage {
    /// Hears signals from now on. One that ends the program says how far it got.
    pub fn start() -> Result<Self, Failure> {
        let message = "nothing was changed".into();
        let stage = Self(Arc::new(Mutex::new(Inner { changed: None, open_line: false, message, hint: None })));
        let heard = stage.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                match runtime.block_on(signals.next()) {
                    None => heard.go_on(),
                    Some(code) => heard.leave(code),
                }
            }
        })?;
        // The release profile aborts on a panic: nothing is dropped.
        let panicked = stage.clone();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Ok(mut inner) = panicked.0.try_lock() {
                inner.put_back();
            }
            before(info);
        }));
        Ok(stage)
    }

    /// From now on, whoever ends the program is told this.
    pub fn says(&self, message: impl Into<String>, hint: Option<String>) {
        let mut inner = self.lock();
        inner.message = message.into();
        inner.hint = hint;
    }

    /// What whoever ends the program now is told.
    pub fn said(&self, code: u8) -> Failure {
        let inner = self.lock();
        Failure { code, message: inner.message.clone(), hint: inner.hint.clone() }
    }

    /// Does what must not be ended half-way: a signal waits, and says afterwards what is true then.
    pub fn undisturbed<T>(&self, work: impl FnOnce() -> (T, Option<(String, String)>)) -> T {
        let mut inner = self.lock();
        let (result, said) = work();
        if let Some((message, hint)) = said {
            inner.message = message;
            inner.hint = Some(hint);
        }
        result
    }

    /// A line of progress was begun, or is gone.
    pub fn line_is_open(&self, open: bool) {
        self.lock().open_line = open;
    }

    /// Changes the terminal, until the result is dropped.
    pub fn change(&self, tty: &Arc<File>, before: Termios, during: Termios, marks: bool, prompt: &str) -> Result<Change, Failure> {
        let mut inner = self.lock();
        termios::tcsetattr(&**tty, OptionalActions::Flush, &during).map_err(std::io::Error::from)?;
        let changed = Changed { tty: Arc::clone(tty), before, during, marks, prompt: prompt.into() };
        changed.show_prompt();
        inner.changed = Some(changed);
        Ok(Change(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program was stopped and goes on: a shell has given the terminal its own state meanwhile, in which
    /// everything is shown.
    fn go_on(&self) {
        if let Some(changed) = &self.lock().changed {
            let _ = termios::tcsetattr(&*changed.tty, OptionalActions::Flush, &changed.during);
            changed.show_prompt();
        }
    }

    /// Ends the program. The lock is never given back, so nothing else happens meanwhile.
    fn leave(&self, code: u8) {
        let mut inner = self.lock();
        inner.put_back();
        if inner.open_line {
            let _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
        let failure = Failure { code, message: inner.message.clone(), hint: inner.hint.clone() };
        failure.report(log::error_prefix());
        std::process::exit(i32::from(code));
    }
}

impl Inner {
    fn put_back(&mut self) {
        let Some(changed) = self.changed.take() else { return };
        // What was not read yet is the rest of a key, and would be read by the shell.
        let _ = termios::tcsetattr(&*changed.tty, OptionalActions::Flush, &changed.before);
        let mut tty = &*changed.tty;
        if changed.marks {
            let _ = tty.write_all(LEAVE_PASTES);
        }
        let _ = tty.write_all(b"\n");
    }
}

impl Changed {
    fn show_prompt(&self) {
        let mut tty = &*self.tty;
        if self.marks {
            let _ = tty.write_all(MARK_PASTES);
        }
        let _ = tty.write_all(self.prompt.as_bytes());
    }
}

/// A change of the terminal: dropping it ends that.
pub struct Change(Stage);

impl Drop for Change {
    fn drop(&mut self) {
        self.0.lock().put_back();
    }
}

/// Those that end a program or let it go on.
struct Signals {
    endings: Endings,
    go_on: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let go_on = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
        Ok(Self { endings: Endings::new()?, go_on })
    }

    /// The exit code of the next one that ends the program; `None` for the other.
    async fn next(&mut self) -> Option<u8> {
        tokio::select! {
            code = self.endings.next() => Some(code),
            _ = self.go_on.recv() => None,
        }
    }
}
