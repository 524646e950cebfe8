//! `credd config`.

use std::io::{IsTerminal as _, Write as _};

use super::Failure;
use super::terminal::{clean, clean_lines};
use crate::config::show;
use crate::paths::Paths;

/// Arguments of `credd config`.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
pub struct ConfigArgs {
    /// Say whether the configuration is right
    #[arg(long)]
    check: bool,
    /// Show the configuration in force, and where each value came from (the default)
    #[arg(long)]
    print: bool,
    /// Print the path of the configuration file
    #[arg(long)]
    path: bool,
}

/// Checks or shows the configuration.
pub fn run(paths: &Paths, args: &ConfigArgs) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    if args.path {
        let path = paths.config.display().to_string();
        // For programs it is what it is.
        writeln!(out, "{}", if out.is_terminal() { clean(&path) } else { path })?;
        return Ok(0);
    }
    let config = super::configuration(paths)?;
    if args.check {
        let what = if paths.config.exists() { "is right" } else { "isn't there: the defaults are in force" };
        writeln!(out, "{} {what}", clean(&paths.config.display().to_string()))?;
    } else {
        let text = std::fs::read_to_string(&paths.config).unwrap_or_default();
        write!(out, "{}", clean_lines(&show(&config, &paths.config, &text)))?;
    }
    Ok(0)
}
