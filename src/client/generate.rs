//! `credd completions` and `credd man`: made from the command line's own definition.

use std::io::Write as _;
use std::path::Path;

use super::Failure;

/// Prints the completions of a shell.
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "credd", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(0)
}

/// Writes a manual page for each command into `dir`.
pub fn man(dir: &Path, command: clap::Command) -> Result<u8, Failure> {
    let said = |error: std::io::Error| Failure::failed(format!("the manual pages can't be written to {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(said)?;
    clap_mangen::generate_to(command, dir).map_err(said)?;
    Ok(0)
}
