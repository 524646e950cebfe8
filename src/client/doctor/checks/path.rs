//! Whether `credd` in a terminal is the one that runs as the service.

use std::env;
use std::fs;
use std::path::PathBuf;

use rustix::fs::{Access, access};

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let service = situation.service.as_ref().and_then(|service| service.program.as_ref());
    let finding = match (called("credd", env::var_os("PATH").as_deref()), service) {
        (None, _) => env::current_exe().ok().map(|own| {
            let dir = own.parent().map(|dir| situation.word(dir)).unwrap_or_default();
            let fix = format!("add {dir} to PATH in your shell's start-up file");
            Finding::info("not-on-path", "there is no credd on this terminal's PATH", &fix)
        }),
        (Some(called), Some(service)) if service.is_file() && fs::canonicalize(&called).ok() != fs::canonicalize(service).ok() => {
            let (called, service) = (situation.tilde(&called), situation.tilde(service));
            let message = format!("credd is {called} in this terminal, and {service} as the service");
            Some(Finding::warning("other-program", &message, "remove the one that is out of date, then: credd install"))
        }
        _ => None,
    };
    finding.into_iter().collect()
}

/// The program of this name on a `PATH`.
pub(super) fn called(name: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    env::split_paths(path?).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(is_program)
}
