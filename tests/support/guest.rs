//! A systemd of the test's own: see `tests/rig/guest.sh`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{rig_program, run, said};

/// Runs until it is dropped, or this process ends.
pub struct Guest {
    dir: TempDir,
}

impl Guest {
    /// Boots one, or panics with the one line that says what this machine lacks.
    pub fn boot() -> Self {
        let dir = tempfile::Builder::new().prefix("credd-guest-").tempdir().unwrap();
        let guest = Self { dir };
        let owner = std::process::id().to_string();
        run(rig_program("guest.sh").arg("boot").arg(guest.path()).args(["--owner", &owner]));
        guest
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What is `/share` inside.
    pub fn share(&self) -> PathBuf {
        self.path().join("share")
    }

    /// A command as the lingering user `tester`, in a session of its own.
    pub fn user(&self, words: &[&str]) -> Output {
        self.inside("user", words)
    }

    pub fn root(&self, words: &[&str]) -> Output {
        self.inside("root", words)
    }

    /// What a shell line says as `tester`; panics when it fails.
    pub fn shell(&self, line: &str) -> String {
        let output = self.user(&["bash", "-c", line]);
        assert!(output.status.success(), "{line}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// For input, or for output while it runs.
    pub fn command(&self, who: &str, words: &[&str]) -> Command {
        let mut command = rig_program("guest.sh");
        command.arg(who).arg(self.path()).args(words);
        command
    }

    fn inside(&self, who: &str, words: &[&str]) -> Output {
        self.command(who, words).output().unwrap()
    }

    pub fn stop(&self) {
        run(rig_program("guest.sh").arg("stop").arg(self.path()));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = rig_program("guest.sh").arg("stop").arg(self.path()).output();
    }
}
