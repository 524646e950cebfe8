//! `credd exec`: becomes a program that has the keys of the tracked files.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Failure;
use super::terminal::clean;
use crate::config::KeyConfig;
use crate::consumers::environment::{Changes, Environ};
use crate::consumers::tracked::{self, Trouble};
use crate::hardening;
use crate::paths::Paths;

/// Arguments of `credd exec`.
#[derive(Clone, Debug, clap::Args)]
// Said here for the manual page, where `--` would be missing.
#[command(override_usage = "credd exec [OPTIONS] [NAMES]... -- <CMD>...")]
pub struct ExecArgs {
    /// Hand over these keys alone, with what else their files export [default: all]
    names: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A file in the middle of a change is given so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns only where there is nothing to become.
pub fn run(paths: &Paths, args: &ExecArgs) -> Result<u8, Failure> {
    let config = super::configuration(paths)?;
    let wanted = wanted(&config.keys, &args.names)?;
    hardening::undumpable();
    hardening::hold_in_memory();
    let changes = changes(&wanted, &config.keys, &paths.home)?;
    let (name, arguments) = args.command.split_first().ok_or_else(|| Failure::usage("there is no command to run"))?;
    let environ = Environ::own().overlaid(&changes);
    let mut command = Command::new(name);
    command.args(arguments).env_clear();
    // The first of two entries counts (see `Environ::get`).
    let entries: Vec<_> = environ.entries().collect();
    for (name, value) in entries.into_iter().rev() {
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    // What is left here in case of a failure ends with this process, at once.
    let error = command.exec();
    let name = clean(&name.to_string_lossy());
    Err(match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!("{name} can't be run: there is no such program")).hint("check its name and PATH"),
        ErrorKind::PermissionDenied => {
            Failure::usage(format!("{name} can't be run: {error}")).hint("check that it is a program that you may execute")
        }
        _ => Failure::failed(format!("{name} can't be run: {error}")),
    })
}

/// The keys of these names; without any, all.
fn wanted<'k>(keys: &'k [KeyConfig], names: &[String]) -> Result<Vec<&'k KeyConfig>, Failure> {
    let all = || keys.iter().map(|key| key.name.as_str());
    if let Some(wrong) = names.iter().find(|name| !all().any(|there| there == **name)) {
        return Err(super::unknown("key", wrong, &all().collect::<Vec<_>>()));
    }
    Ok(keys.iter().filter(|key| names.is_empty() || names.iter().any(|name| key.name.as_str() == name)).collect())
}

/// What the files of these keys give now, but for other keys in them. A variable that is to have two values is an error.
fn changes(wanted: &[&KeyConfig], all: &[KeyConfig], home: &Path) -> Result<Changes, Failure> {
    let mut changes = Changes::default();
    let mut files: Vec<&Path> = Vec::new();
    for key in wanted {
        if files.contains(&&*key.env_file) {
            continue;
        }
        files.push(&key.env_file);
        let here: Vec<&KeyConfig> = wanted.iter().copied().filter(|other| other.env_file == key.env_file).collect();
        let mut found = tracked::changes(&key.env_file, &here, home, PATIENCE).map_err(|trouble| told(trouble, all.len() > 1))?;
        let others = all.iter().filter(|other| !here.iter().any(|key| key.variable == other.variable));
        let of_others = others.clone().filter(|other| other.env_file == key.env_file || wanted.iter().any(|key| key.name == other.name));
        found.withhold(&of_others.map(|other| other.variable.to_string()).collect::<Vec<_>>());
        let clash = here.iter().find(|key| {
            let before = changes.get(key.variable.as_bytes());
            before.is_some() && before != found.get(key.variable.as_bytes())
        });
        if let Some(clash) = clash {
            let message = format!("several keys give {} a value, and not the same one", clash.variable);
            return Err(Failure::usage(message).hint(format!("name the one to use: credd exec {} -- CMD", clash.name)));
        }
        changes.extend(found);
    }
    Ok(changes)
}

fn told(trouble: Trouble, is_one_of_many: bool) -> Failure {
    let (message, next) = match trouble {
        Trouble::Busy(message) => (message, Some("try again when whoever writes it is done".to_owned())),
        Trouble::Told(message, next) => (message, next),
    };
    let besides = "name the keys to hand over: credd exec NAME -- CMD";
    let hint = match (next, is_one_of_many) {
        (Some(next), true) => Some(format!("{next}, or {besides}")),
        (None, true) => Some(besides.to_owned()),
        (next, false) => next,
    };
    Failure { code: 1, message, hint }
}
