//! Keys in the daemon's own environment, as in that of a shell that has read the env file.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::config::Config;

/// Begins anew without the variables that are tracked, where this process was given any: an environment can't be wiped,
/// and every child would have it. Keys are read from their files.
///
/// # Errors
/// It couldn't begin anew. Where there is no such variable, it just returns.
pub(super) fn shed(config: &Config) -> std::io::Result<()> {
    let mut given = config.keys.iter().map(|key| &*key.variable).filter(|name| std::env::var_os(name).is_some()).peekable();
    if given.peek().is_none() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(arguments.next().unwrap_or_else(|| OsString::from("credd"))).args(arguments);
    for name in given {
        command.env_remove(name);
    }
    Err(command.exec())
}
