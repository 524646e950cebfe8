//! A home in which credd can be installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::home::Home;
use crate::support::pane::Pane;
use crate::support::{rig_program, run, said};

pub const CREDD: &str = env!("CARGO_BIN_EXE_credd");
pub const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
/// As it is asked for the first time.
pub const WHEN: &str = "or Enter for ";
pub const WHICH: &str = "Number, or Enter for 1:";

/// Starts what the unit says, as systemctl does; all else that is asked of it succeeds.
const SYSTEMCTL: &str = r#"#!/bin/sh
socket=$XDG_RUNTIME_DIR/credd/credd.sock
case "$*" in
*is-enabled* | *is-active*) [ -S "$socket" ] ;;
*"start credd.service"*)
  program=$(sed -n 's/^ExecStart="\([^"]*\)".*/\1/p' "$HOME/.config/systemd/user/credd.service")
  CREDD_RIG_DIR=$HOME setsid "$program" run >"$HOME/credd.log" 2>&1 </dev/null &
  until [ -S "$socket" ]; do sleep 0.02; done
  ;;
esac
"#;

/// Whatever was started in it ends when it is dropped.
pub struct Rig {
    pub home: Home,
}

impl Rig {
    /// With a key in a file that was last changed so many days ago.
    pub fn new(days: u32) -> Self {
        Self::in_home(Home::new(), days)
    }

    pub fn in_home(home: Home, days: u32) -> Self {
        home.set_key(KEY);
        run(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(home.env_file()));
        fs::create_dir(home.path().join("bin")).unwrap();
        let systemctl = home.path().join("bin/systemctl");
        fs::write(&systemctl, SYSTEMCTL).unwrap();
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        run(rig_program("reap").arg(home.path()).args(["--after", &std::process::id().to_string()]));
        Self { home }
    }

    pub fn unit(&self) -> PathBuf {
        self.home.config_dir().join("systemd/user/credd.service")
    }

    pub fn config(&self) -> PathBuf {
        self.home.config_dir().join("credd/config.toml")
    }

    /// A terminal of so many columns.
    pub fn pane(&self, columns: u32) -> Pane<'_> {
        let pane = Pane::open(&self.home, CREDD, columns);
        pane.enters("PATH=$HOME/bin:$PATH");
        pane
    }

    /// Without a terminal.
    pub fn install(&self, args: &[&str]) -> Output {
        let mut command = self.home.command(CREDD);
        let path = format!("{}:{}", self.home.path().join("bin").display(), std::env::var("PATH").unwrap());
        command.arg("install").args(args).env("PATH", path).stdin(Stdio::null());
        command.output().unwrap()
    }

    pub fn status(&self) -> Value {
        let output = self.home.command(CREDD).args(["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    }

    /// That nothing was installed, written or started.
    pub fn is_untouched(&self) {
        assert!(!self.unit().exists());
        assert!(!self.config().exists());
        assert!(!self.home.socket().exists());
        let left = fs::read_dir(self.home.state_dir()).unwrap().count();
        assert_eq!(left, 0, "something in {}", self.home.state_dir().display());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = rig_program("reap").arg(self.home.path()).output();
    }
}
