//! `credd hook`: what a shell's start-up file runs, so that a shell that stays open learns of a new key at its next prompt.
//!
//! The shell's part (`bash.sh`, `zsh.zsh`, `fish.fish`) compares each tracked file with a *stamp*, an empty file of the same
//! modification time, which every one of these shells can do by itself. Where they differ it calls `credd hook SHELL --look`,
//! which makes the stamps anew and answers with code: what to watch, and the names of the variables that have another value
//! now. Values are in none of that: the shell takes each from `credd exec`, as text.

mod code;
mod remind;
mod stamps;

use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::status::ascii;
use super::terminal::{Terminal, clean};
use super::{Failure, words};
use crate::clock;
use crate::config::KeyConfig;
use crate::consumers::tracked::{self, Trouble};
use crate::hardening;
use crate::paths::{Paths, tilde};
use crate::store::journal_path;
use code::Code;
use stamps::Stamps;

/// Arguments of `credd hook`.
#[derive(Clone, Debug, clap::Args)]
// Without what the shell itself adds, which clap shows in part.
#[command(override_usage = "credd hook [OPTIONS] <SHELL>")]
pub struct HookArgs {
    /// The shell
    shell: Shell,
    /// For the shell itself, of this process id: look at what has changed
    #[arg(long, hide = true, value_name = "PID")]
    look: Option<u32>,
    /// The day on which it was last reminded
    #[arg(long, hide = true, default_value = "")]
    told: String,
    /// Files that have changed
    #[arg(last = true, hide = true)]
    changed: Vec<PathBuf>,
}

/// Shells that can be hooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// Version 4.4 or newer.
    Bash,
    /// Any version.
    Zsh,
    /// Version 3.6 or newer.
    Fish,
}

/// A prompt waits no longer for a file in the middle of a change; the next one looks again.
const PATIENCE: Duration = Duration::from_millis(400);

/// Prints the shell's part, or what the shell is to do after a change. `arguments` are the places that the user named.
pub fn run(paths: &Paths, args: &HookArgs, arguments: &[String]) -> Result<u8, Failure> {
    let text = match args.look {
        Some(pid) => look(paths, args, pid)?,
        None => {
            stamps::sweep(&paths.state_dir);
            let program = std::env::current_exe().map_err(|error| Failure::failed(format!("credd's own path isn't known: {error}")))?;
            code::snippet(args.shell, &program, arguments)
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(0)
}

fn look(paths: &Paths, args: &HookArgs, pid: u32) -> Result<String, Failure> {
    hardening::undumpable();
    let stamps = Stamps::new(&paths.state_dir, pid).map_err(|error| {
        Failure::failed(format!("this shell won't learn of new keys: {} can't be written to: {error}", paths.state_dir.display()))
            .hint("check the directory's owner and mode, and open the shell anew")
    })?;
    let mut code = Code::new(args.shell);
    let config = super::configuration(paths);
    let keys = config.as_ref().map(|config| &*config.keys).unwrap_or_default();
    // Stamped first: what changes while it is looked at is seen at the next prompt.
    let mut watched = vec![paths.config.as_path()];
    let journal = journal_path(&paths.state_dir);
    watched.push(&journal);
    for key in keys {
        if !watched.contains(&&*key.env_file) {
            watched.push(&key.env_file);
        }
    }
    for file in &watched {
        if let Some(stamp) = stamps.stamp(file) {
            code.watch(file, &stamp);
        }
    }
    // At the first prompt, on another day, or after a change of it.
    if let Err(error) = &config
        && (args.changed.is_empty() || args.changed.contains(&paths.config))
    {
        say(&error.message);
    }
    let changed: Vec<_> = watched.iter().skip(2).filter(|file| args.changed.iter().any(|changed| changed == *file)).collect();
    for file in &changed {
        take(file, keys, &paths.home, &mut code);
    }
    let now = words::local(clock::now());
    // What is known of a key's dates is of the one before. Once the daemon has looked, its journal changes as well.
    if changed.is_empty()
        && let Some(told) = remind::due(paths, &now, &args.told)
    {
        say(&told);
        code.told(&now.date().to_string());
    }
    let midnight = now.tomorrow().and_then(|day| day.start_of_day()).map_err(|error| Failure::failed(error.to_string()))?;
    code.until(midnight.timestamp().as_second());
    Ok(code.text())
}

/// The variables of a file that have other values than in this very environment, which is the shell's.
fn take(file: &Path, keys: &[KeyConfig], home: &Path, code: &mut Code) {
    let place = clean(&tilde(file, home));
    let (here, elsewhere): (Vec<_>, Vec<_>) = keys.iter().partition(|key| *key.env_file == *file);
    let is_of = |keys: &[&KeyConfig], name: &[u8]| keys.iter().any(|key| key.variable.as_bytes() == name);
    let mut names: Vec<(&str, String)> = Vec::new();
    for key in &here {
        let changes = match tracked::changes(file, &[key], home, PATIENCE) {
            Ok(changes) => changes,
            Err(Trouble::Busy(_)) => return code.pending(file),
            Err(Trouble::Told(message, next)) => {
                let next = next.map(|next| format!("; {next}")).unwrap_or_default();
                say(&format!("this shell keeps what it has: {message}{next}"));
                continue;
            }
        };
        for (name, value) in changes.assignments() {
            let is_this = name == key.variable.as_bytes();
            let Ok(text) = std::str::from_utf8(name) else { continue };
            let is_known = std::env::var_os(text).is_some_and(|now| now.as_bytes() == value);
            if is_known || (!is_this && is_of(&here, name)) || names.iter().any(|(_, known)| known == text) {
                continue;
            }
            if is_of(&elsewhere, name) {
                // Which of them is this shell's, nobody knows.
                if is_this && std::env::var_os(text).is_some() {
                    say(&format!("{place} has changed, but other tracked files give {text} a value too; source the one that you want"));
                }
                continue;
            }
            names.push((key.name.as_str(), text.to_owned()));
        }
    }
    code.take(&place, &names);
}

/// One line for whoever sits at the shell. Nobody may be there.
fn say(text: &str) {
    let text = clean(text);
    let text = if Terminal::of_stdout().unicode { text } else { ascii(&text) };
    // At once, or what is typed meanwhile would be echoed amid it.
    let _ = io::stderr().write_all(format!("credd: {text}\n").as_bytes());
}
