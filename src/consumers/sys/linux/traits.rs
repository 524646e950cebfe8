//! What else of a process a successor is to have.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::procfs::{self, Stat};
use super::{Held, streams};
use crate::consumers::environment::Environ;
use crate::consumers::launch::LaunchSpec;
use crate::consumers::program;

/// Everything about a living process that a new one needs to be its successor, but for its output
/// (see [`super::Streams`]) and its environment.
pub fn traits(process: &Held, environ: &Environ) -> io::Result<LaunchSpec> {
    let pid = process.pid();
    let argv = process.argv()?;
    let dir = fs::read_link(format!("/proc/{pid}/cwd"))?;
    let exe = without_deleted(&fs::read_link(format!("/proc/{pid}/exe"))?);
    let comm = fs::read(format!("/proc/{pid}/comm"))?;
    let program = program::to_start(&argv, &exe, comm.trim_ascii_end(), &dir, environ.get(b"PATH"));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    process.still(LaunchSpec {
        program: program.file,
        argv: program.argv,
        dir,
        umask: procfs::umask(&status),
        nice: Some(Stat::of(pid)?.nice),
        limits: procfs::limits(&limits),
        stdin: streams::stdin(pid),
        follower: i32::try_from(std::process::id()).ok(),
    })
}

/// The kernel marks a program that was replaced on disk (an upgrade): the new one has the same path.
fn without_deleted(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(rest) => std::ffi::OsString::from_vec(rest.to_vec()).into(),
        None => path.to_owned(),
    }
}
