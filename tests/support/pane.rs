//! A shell in a real terminal (tmux), used as a person does: types, pastes, reads the screen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::daemon::SOON;
use super::home::Home;
use super::{run, wait};

/// What the shell says when it waits.
const READY: &str = "ready> ";

/// One terminal; ends when it is dropped.
pub struct Pane<'h> {
    home: &'h Home,
    /// Of a server of its own: one that ends takes its time.
    socket: PathBuf,
}

impl<'h> Pane<'h> {
    /// A shell in this home, with credd on its PATH. `program` is `env!("CARGO_BIN_EXE_credd")`.
    pub fn open(home: &'h Home, program: &str, columns: u32) -> Self {
        Self::open_with(home, Path::new(program), (columns, 24), READY)
    }

    /// The same with so many columns and rows, and a prompt of one's own.
    pub fn open_with(home: &'h Home, program: &Path, (columns, rows): (u32, u32), prompt: &str) -> Self {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let socket = home.runtime_dir().join(format!("tmux{}", OPENED.fetch_add(1, Ordering::Relaxed)));
        let pane = Self { home, socket };
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
        let size = ["-x", &columns.to_string(), "-y", &rows.to_string()].map(str::to_owned);
        let mut command = pane.tmux();
        command.env("PATH", path).env("PS1", prompt).args(["new-session", "-d"]).args(size);
        run(command.args(["bash", "--noprofile", "--norc", "-i"]));
        pane.until(prompt.trim_end());
        pane
    }

    fn tmux(&self) -> Command {
        let mut command = self.home.command("tmux");
        command.args(["-f", "/dev/null", "-S"]).arg(&self.socket);
        command
    }

    /// Types text.
    pub fn types(&self, text: &str) {
        run(self.tmux().args(["send-keys", "-l", "--", text]));
    }

    /// Presses a key, by tmux's name of it.
    pub fn presses(&self, key: &str) {
        run(self.tmux().args(["send-keys", key]));
    }

    /// Types a line.
    pub fn enters(&self, line: &str) {
        self.types(line);
        self.presses("Enter");
    }

    /// Pastes, as a terminal that marks pastes where the program wants that, or as one that never does.
    pub fn pastes(&self, text: &str, marks: bool) {
        run(self.tmux().args(["set-buffer", "--", text]));
        run(self.tmux().args(["paste-buffer", "-d"]).args(marks.then_some("-p")));
    }

    /// Everything that was ever shown, long lines put together again.
    pub fn shown(&self) -> String {
        run(self.tmux().args(["capture-pane", "-p", "-J", "-S", "-"]))
    }

    /// What is on the screen, line by line.
    pub fn screen(&self) -> String {
        run(self.tmux().args(["capture-pane", "-p"]))
    }

    /// The same with its colours, and where the cursor is: column and row.
    pub fn picture(&self) -> (String, (usize, usize)) {
        let place = run(self.tmux().args(["display-message", "-p", "#{cursor_x} #{cursor_y}"]));
        let (x, y) = place.trim().split_once(' ').unwrap();
        (run(self.tmux().args(["capture-pane", "-p", "-e"])), (x.parse().unwrap(), y.parse().unwrap()))
    }

    /// Gives the window another size.
    pub fn resizes(&self, columns: u32, rows: u32) {
        run(self.tmux().args(["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]));
    }

    /// What tmux knows of the terminal, such as `#{alternate_on}`.
    pub fn knows(&self, format: &str) -> String {
        run(self.tmux().args(["display-message", "-p", format])).trim().to_owned()
    }

    /// Waits until something is shown.
    pub fn until(&self, text: &str) {
        self.until_count(text, 1);
    }

    /// Waits until something is shown so many times.
    pub fn until_count(&self, text: &str, count: usize) {
        let shown = wait::try_until(SOON, || (self.shown().matches(text).count() >= count).then_some(()));
        assert!(shown.is_some(), "not shown: {text:?}\n{}", self.shown());
    }

    /// The process in the foreground of the terminal, which isn't the shell.
    pub fn foreground(&self) -> String {
        let shell = run(self.tmux().args(["display-message", "-p", "#{pane_pid}"]));
        let child = || run(Command::new("ps").args(["-o", "pid=", "--ppid", shell.trim()]));
        wait::until("a process in the terminal", Duration::from_secs(5), || Some(child().trim().to_owned()).filter(|pid| !pid.is_empty()))
    }

    /// That the terminal shows what is typed and edits lines, as before.
    pub fn is_as_before(&self) {
        // Quotes, so that the shell's answer is told from what was typed.
        self.enters("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(echo|icanon|isig|iexten)' | tr '\\n' ' '; echo mod''es");
        self.until("isig icanon iexten echo modes");
        self.enters("echo 'h'i");
        self.until("\nhi\n");
        assert!(self.shown().contains("echo 'h'i"), "what is typed isn't shown: {}", self.shown());
    }
}

impl Drop for Pane<'_> {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}
