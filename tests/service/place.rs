//! A home to install in, with service managers that only take notes.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the error handling")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use credd::desktop::{Desktop, DesktopEvent};
use credd::service::{self, InstallOptions, Manager, ServiceError};
use tempfile::TempDir;

pub struct Place {
    pub options: InstallOptions,
    dir: TempDir,
}

/// For a program in a home.
pub fn options(manager: Manager, home: &Path, exe: &Path) -> InstallOptions {
    InstallOptions {
        manager,
        dry_run: false,
        force: false,
        exe: exe.to_owned(),
        arguments: Vec::new(),
        home: home.to_owned(),
        config_home: home.join(".config"),
        path_env: "/usr/local/bin:/usr/bin:/bin".into(),
        packaged_in: Vec::new(),
        kept: Vec::new(),
        removal: String::new(),
    }
}

/// Runs an alert command as the daemon does in its service; it tells what it got in `/share/alert`.
pub fn alert() {
    let script = r#"cat >/share/alert; printf '%s\n' "$0" >>/share/alert; tr '\0' '\n' </proc/$$/cgroup >>/share/alert"#;
    let argv = ["sh", "-c", script, "$HOME %h"].map(str::to_owned).to_vec();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let event = runtime.block_on(async {
        let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let desktop = Desktop::new(events);
        desktop.run_command("a".to_owned(), argv, b"{}\n".to_vec(), true);
        inbox.recv().await
    });
    let (tag, result) = ("a".to_owned(), Ok(()));
    assert_eq!(event, Some(DesktopEvent::CommandEnded { tag, result }));
}

impl Place {
    pub fn new(manager: Manager) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, bin) = (dir.path().join("home"), dir.path().join("bin"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&bin).unwrap();
        fs::write(home.join("credd"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(home.join("credd"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = options(manager, &home, &home.join("credd"));
        let mut path_env = bin.into_os_string();
        path_env.push(":");
        path_env.push(&options.path_env);
        options.path_env = path_env;
        let place = Self { options, dir };
        place.manager_says("exit 0");
        place
    }

    /// What the managers do, in shell, after taking note.
    pub fn manager_says(&self, script: &str) {
        for name in ["systemctl", "launchctl"] {
            let path = self.dir.path().join("bin").join(name);
            let note = format!("echo {name} \"$@\" >>'{}'", self.notes().display());
            fs::write(&path, format!("#!/bin/sh\n{note}\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn notes(&self) -> std::path::PathBuf {
        self.dir.path().join("notes")
    }

    /// What they were asked so far.
    pub fn commands(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.notes()).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    pub fn forget(&self) {
        let _ = fs::remove_file(self.notes());
    }

    pub fn install(&self) -> Result<String, String> {
        self.call(service::install)
    }

    pub fn uninstall(&self) -> Result<String, String> {
        self.call(service::uninstall)
    }

    fn call(&self, verb: fn(&InstallOptions, &mut dyn std::io::Write) -> Result<(), ServiceError>) -> Result<String, String> {
        let mut out = Vec::new();
        verb(&self.options, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }
}
