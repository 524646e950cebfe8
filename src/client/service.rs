//! `credd install` and `credd uninstall`.

use super::Failure;
use crate::paths::Paths;

/// Arguments of `credd install`.
#[derive(Clone, Debug, clap::Args)]
pub struct InstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace a file that credd didn't write
    #[arg(long)]
    force: bool,
}

/// Arguments of `credd uninstall`.
#[derive(Clone, Debug, clap::Args)]
pub struct UninstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Installs the user service.
pub fn install(_paths: &Paths, _args: &InstallArgs, _service_args: &[String]) -> Result<u8, Failure> {
    Err(Failure::failed("not merged yet"))
}

/// Removes it.
pub fn uninstall(_paths: &Paths, _args: &UninstallArgs) -> Result<u8, Failure> {
    Err(Failure::failed("not merged yet"))
}
