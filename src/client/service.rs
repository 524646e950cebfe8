//! `credd install` and `credd uninstall`.

use std::fmt::Write as _;

use super::Failure;
use super::first_run::{self, Given};
use crate::paths::{Paths, shell_word};
use crate::service::{self, InstallOptions, Manager};

/// Arguments of `credd install`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "The first time, on a terminal, credd asks when the key was made and which proxy to look after,\n\
                        shows a test popup and ends with the status. With --yes, or an answer as a flag, it asks nothing.")]
pub struct InstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace a file that credd didn't write
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    given: Given,
}

/// Arguments of `credd uninstall`.
#[derive(Clone, Debug, clap::Args)]
pub struct UninstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove a file that credd didn't write
    #[arg(long)]
    force: bool,
}

/// Installs the user service.
pub fn install(paths: &Paths, args: &InstallArgs, service_args: &[String]) -> Result<u8, Failure> {
    let options = options(paths, args.dry_run, args.force, service_args)?;
    if args.dry_run {
        service::install(&options, &mut std::io::stdout().lock()).map_err(|error| Failure::failed(error.to_string()))?;
        return Ok(0);
    }
    first_run::install(paths, &options, &args.given)
}

/// Removes it.
pub fn uninstall(paths: &Paths, args: &UninstallArgs) -> Result<u8, Failure> {
    let options = options(paths, args.dry_run, args.force, &[])?;
    service::uninstall(&options, &mut std::io::stdout().lock()).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(0)
}

pub(super) fn options(paths: &Paths, dry_run: bool, force: bool, arguments: &[String]) -> Result<InstallOptions, Failure> {
    let base = directories::BaseDirs::new().ok_or_else(|| Failure::usage("no home directory is known; set HOME"))?;
    let path_env = std::env::var_os("PATH").unwrap_or_default();
    let kept = vec![paths.config.clone(), paths.state_dir.clone()];
    let mut removal = String::new();
    for path in kept.iter().filter(|path| path.exists()) {
        let _ = write!(removal, "{}{}", if removal.is_empty() { "rm -r " } else { " " }, shell_word(path, &paths.home));
    }
    let exe = std::env::current_exe().map_err(|error| Failure::failed(format!("credd's own path isn't known: {error}")))?;
    Ok(InstallOptions {
        manager: Manager::here(),
        dry_run,
        force,
        exe: service::lasting_name(exe, &path_env),
        arguments: arguments.to_vec(),
        home: paths.home.clone(),
        config_home: base.config_dir().to_owned(),
        path_env,
        packaged_in: service::DIRECTORIES.map(Into::into).to_vec(),
        kept,
        removal,
    })
}
