//! `credd install` and `credd uninstall`: the user service, of systemd or launchd.

mod drop_in;
mod error;
mod file;
mod launchd;
mod packaged;
mod search_path;
mod standing;
mod systemd;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub use drop_in::DropIn;
pub use error::ServiceError;
use file::Found;
pub use launchd::LABEL;
pub use packaged::{DIRECTORIES, lasting_name};
pub use standing::{Managed, ServiceFile, Standing, standing};
pub use systemd::UNIT;

/// Who keeps the daemon running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The user's systemd.
    Systemd,
    /// The user's launchd.
    Launchd,
}

impl Manager {
    /// This system's.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }
}

/// What to install, and for whom.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// Whose service it becomes: [`Manager::here`].
    pub manager: Manager,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Replace, or remove, a file that isn't ours; write ours anew if only its `PATH` differs.
    pub force: bool,
    /// The program, absolute.
    pub exe: PathBuf,
    /// Global options for the service to be started with, `--config FILE` for instance.
    pub arguments: Vec<String>,
    /// The home directory.
    pub home: PathBuf,
    /// `XDG_CONFIG_HOME`, or what stands for it.
    pub config_home: PathBuf,
    /// `PATH` of the user's shell: the service gets it, and `systemctl` is looked for in it.
    pub path_env: OsString,
    /// Where a package's unit may be: [`DIRECTORIES`].
    pub packaged_in: Vec<PathBuf>,
    /// What `uninstall` leaves alone and says so: configuration, state.
    pub kept: Vec<PathBuf>,
    /// The command that removes that; empty where none of it is there.
    pub removal: String,
}

type Result<T> = std::result::Result<T, ServiceError>;

/// Whether there is something in the way of installing it that can be told beforehand.
pub fn is_installable(options: &InstallOptions) -> Result<()> {
    options.render()?;
    let path = options.path();
    packaged::in_the_way(options)?;
    match file::look(&path)? {
        Found::Foreign(why) if !options.force => Err(ServiceError::Foreign { path, why }),
        _ => Ok(()),
    }
}

/// Writes the service's file, has it started and waits until it runs.
///
/// Doing it again changes nothing, unless the program, its options or credd's idea of the service have
/// changed: then the service is restarted, from a new file where that differs. A different `PATH` alone is no
/// change, since every terminal has its own; `force` has it written all the same.
///
/// Where a package brought the program and its unit, the file is a drop-in of that unit.
pub fn install(options: &InstallOptions, out: &mut dyn Write) -> Result<()> {
    warn(options, out)?;
    let path = options.path();
    let text = options.render()?;
    let found = file::look(&path)?;
    if let (Found::Foreign(why), false) = (&found, options.force) {
        return Err(ServiceError::Foreign { path, why });
    }
    let obstacle = packaged::in_the_way(options)?;
    let same = |old: &str| old == text || (!options.force && without_path(old) == without_path(&text));
    let current = obstacle.is_none() && matches!(&found, Found::Ours(old) if same(old));
    let runs = current && options.runs();
    let outdated = runs && options.is_outdated();
    if options.dry_run {
        if let Some(obstacle) = &obstacle {
            writeln!(out, "Would remove {}", obstacle.display())?;
        }
        return rehearse(options, current, runs && !outdated, &path, &text, out);
    }
    if runs && !outdated {
        writeln!(out, "Already installed as {}: nothing to do.", path.display())?;
        return Ok(());
    }
    if outdated {
        writeln!(out, "{} is another program by now: the service is restarted.", options.exe.display())?;
    }
    if let Some(obstacle) = &obstacle {
        packaged::remove(obstacle)?;
        writeln!(out, "Removed {}, which would stand before it", obstacle.display())?;
    }
    if !current {
        file::write(&path, &text)?;
        writeln!(out, "Wrote {}", path.display())?;
    }
    options.start(&path, current && !outdated)?;
    writeln!(out, "credd runs, and will from every login on. To look after it:")?;
    for command in options.advice() {
        writeln!(out, "  {command}")?;
    }
    Ok(())
}

/// Stops the service and removes its file, and what credd laid over other units; configuration and state
/// stay.
pub fn uninstall(options: &InstallOptions, out: &mut dyn Write) -> Result<()> {
    let path = options.path();
    let mut found = packaged::in_the_way(options)?.map_or_else(Vec::new, |path| vec![path]);
    match file::look(&path)? {
        Found::Absent => {}
        Found::Foreign(why) if !options.force => return Err(ServiceError::Foreign { path, why }),
        Found::Foreign(_) | Found::Ours(_) => found.push(path.clone()),
    }
    let packaged = packaged::unit(options);
    if found.is_empty() && !(packaged.is_some() && options.is_wanted()) {
        remove_drop_ins(options, out)?;
        match packaged {
            Some(unit) => writeln!(out, "{} isn't enabled: nothing to do.", unit.display())?,
            None => writeln!(out, "There is no {}: nothing to do.", path.display())?,
        }
        return Ok(());
    }
    if options.dry_run {
        for words in options.stopping() {
            writeln!(out, "Would run: {}", words.join(" "))?;
        }
        for path in &found {
            writeln!(out, "Would remove {}", path.display())?;
        }
        remove_drop_ins(options, out)?;
        return leave(options, packaged.as_deref(), out);
    }
    // First of all, so that it lays over no unit what was just removed.
    let stopped = options.stop();
    remove_drop_ins(options, out)?;
    for path in &found {
        packaged::remove(path)?;
        writeln!(out, "Removed {}", path.display())?;
    }
    if options.manager == Manager::Systemd {
        systemd::forget(options);
    }
    match stopped {
        Ok(()) => writeln!(out, "credd is stopped.")?,
        Err(reason) => writeln!(out, "Whether credd still runs can't be told: {reason}.")?,
    }
    leave(options, packaged.as_deref(), out)
}

/// Says what is left, and how to remove what is the user's.
fn leave(options: &InstallOptions, packaged: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    let what = if options.dry_run { "Would leave where it is" } else { "Left where it is" };
    for kept in packaged.into_iter().chain(options.kept.iter().map(PathBuf::as_path)).filter(|kept| kept.exists()) {
        writeln!(out, "{what}: {}", kept.display())?;
    }
    if !options.removal.is_empty() {
        writeln!(out, "To remove what is yours of it: {}", options.removal)?;
    }
    Ok(())
}

/// Units that credd gave keys to are as they were before, from their next start on.
fn remove_drop_ins(options: &InstallOptions, out: &mut dyn Write) -> Result<()> {
    if options.manager != Manager::Systemd {
        return Ok(());
    }
    let all = DropIn::all(&options.config_home);
    for drop_in in &all {
        if options.dry_run {
            writeln!(out, "Would remove {} and {}", drop_in.path.display(), drop_in.environment.display())?;
        } else {
            drop_in.remove()?;
            writeln!(out, "Removed {}: that unit no longer gets its keys from credd", drop_in.path.display())?;
        }
    }
    if !all.is_empty() && !options.dry_run {
        systemd::reload(options);
    }
    Ok(())
}

fn rehearse(options: &InstallOptions, current: bool, done: bool, path: &Path, text: &str, out: &mut dyn Write) -> Result<()> {
    if current {
        writeln!(out, "{} is as it should be.", path.display())?;
    } else {
        writeln!(out, "Would write {}:\n\n{text}", path.display())?;
    }
    if done {
        writeln!(out, "It runs: there is nothing to do.")?;
        return Ok(());
    }
    for words in options.starting(path, current && !options.is_outdated()) {
        writeln!(out, "Would run: {}", words.join(" "))?;
    }
    Ok(())
}

fn warn(options: &InstallOptions, out: &mut dyn Write) -> Result<()> {
    if rustix::process::getuid().is_root() {
        writeln!(out, "Note: this is a service of root's own session. To track a user's keys, run it as that user.")?;
    }
    let words: Vec<_> = options.exe.components().map(Component::as_os_str).collect();
    let built = |pair: &[&std::ffi::OsStr]| pair[0] == "target" && (pair[1] == "debug" || pair[1] == "release");
    if words.windows(2).any(built) {
        writeln!(out, "Note: {} is in a build directory, where it may be replaced or removed at any time.", options.exe.display())?;
    }
    Ok(())
}

/// The text without the one line that depends on the terminal.
fn without_path(text: &str) -> Vec<&str> {
    let path = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("Environment=\"PATH=") || line.starts_with("<key>PATH</key>")
    };
    text.lines().filter(|line| !path(line)).collect()
}

impl InstallOptions {
    /// Where the service's file belongs.
    pub fn path(&self) -> PathBuf {
        match self.manager {
            Manager::Systemd if packaged::unit(self).is_some() => packaged::drop_in(self),
            Manager::Systemd => packaged::own_unit(self),
            Manager::Launchd => {
                let agents = self.home.join("Library/LaunchAgents");
                agents.join(format!("{LABEL}.plist"))
            }
        }
    }

    /// What the service's file says.
    pub fn render(&self) -> Result<String> {
        let exe =
            self.exe.to_str().ok_or_else(|| ServiceError::Unfit { what: self.exe.display().to_string(), why: "its path is not UTF-8" })?;
        if !self.exe.is_absolute() {
            return Err(ServiceError::Unfit { what: exe.to_owned(), why: "its path is not absolute" });
        }
        if !self.exe.is_file() {
            return Err(ServiceError::Unfit { what: exe.to_owned(), why: "it isn't there (any more)" });
        }
        if let Some(word) = self.arguments.iter().find(|word| has_control(word)) {
            return Err(ServiceError::Unfit { what: format!("{word:?}"), why: "there is a control character in it" });
        }
        let search_path = search_path::clean(&self.path_env);
        match self.manager {
            Manager::Systemd if packaged::unit(self).is_some() => systemd::render_drop_in(exe, &self.arguments, &search_path),
            Manager::Systemd => systemd::render(exe, &self.arguments, &search_path),
            Manager::Launchd => launchd::render(exe, &self.arguments, &search_path, &self.home),
        }
    }

    /// Whether the service is enabled and runs.
    fn runs(&self) -> bool {
        match self.manager {
            Manager::Systemd => systemd::runs(self),
            Manager::Launchd => launchd::runs(self),
        }
    }

    /// Whether it is enabled or runs.
    fn is_wanted(&self) -> bool {
        self.manager == Manager::Systemd && systemd::is_wanted(self)
    }

    /// Whether the program was replaced since the service started. launchd tells no such time; there the
    /// agent takes up a new program at the next login.
    fn is_outdated(&self) -> bool {
        self.manager == Manager::Systemd && systemd::is_outdated(self)
    }

    fn start(&self, path: &Path, current: bool) -> Result<()> {
        match self.manager {
            Manager::Systemd => systemd::start(self, path, current),
            Manager::Launchd => launchd::start(self, path),
        }
    }

    /// What [`InstallOptions::start`] runs.
    fn starting(&self, path: &Path, current: bool) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => systemd::starting(current),
            Manager::Launchd => launchd::starting(path),
        }
    }

    fn stop(&self) -> std::result::Result<(), String> {
        match self.manager {
            Manager::Systemd => systemd::stop(self),
            Manager::Launchd => launchd::stop(self),
        }
    }

    /// What [`InstallOptions::stop`] runs.
    fn stopping(&self) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => systemd::stopping(),
            Manager::Launchd => launchd::stopping(),
        }
    }

    fn advice(&self) -> Vec<String> {
        let mut advice = match self.manager {
            Manager::Systemd => systemd::advice(),
            Manager::Launchd => launchd::advice(&self.home),
        };
        advice.push("credd status".to_owned());
        advice
    }

    /// Runs a command of the service manager's, found in the user's `PATH`.
    fn run(&self, words: &[String]) -> io::Result<Output> {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env("PATH", &self.path_env)
            // What it says is looked at.
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        // A shell of `su` or `sudo -u` lacks it, and systemctl finds the user's systemd by it.
        if self.manager == Manager::Systemd && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            let dir = format!("/run/user/{}", rustix::process::getuid().as_raw());
            if Path::new(&dir).exists() {
                command.env("XDG_RUNTIME_DIR", dir);
            }
        }
        command.output()
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// What a command said, on one line.
fn words_of(output: &Output) -> String {
    let (err, out) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    let text = if err.trim().is_empty() { out } else { err };
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.join(" ").trim_end_matches('.') {
        "" => output.status.to_string(),
        said => said.to_owned(),
    }
}

/// A command in words.
fn words<const N: usize>(list: [&str; N]) -> Vec<String> {
    list.map(str::to_owned).to_vec()
}
