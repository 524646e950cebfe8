//! `credd launch`: becomes a consumer.
//!
//! What to become is read from standard input (a file in memory or a pipe), so that no secret stands in
//! an argument, a unit's property or a file on disk. Everything is set up here, in the new process, with
//! safe calls, and then it executes the consumer in its own place.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::environment::{Environ, read_wiped};
use super::limits::{self, Limit};
use super::sys;
use crate::hardening;

/// What a process is to be, but for its output, which it inherits, and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchSpec {
    /// The file to execute; relative to `dir`, and never looked for along `PATH`.
    pub program: PathBuf,
    /// Its arguments, its own name first.
    pub argv: Vec<OsString>,
    /// Its working directory.
    pub dir: PathBuf,
    /// Its file mode creation mask, if known.
    pub umask: Option<u32>,
    /// Its nice value, if known.
    pub nice: Option<i32>,
    /// Its resource limits, as far as known.
    pub limits: Vec<Limit>,
    /// The file it reads as standard input and from which byte on; `None` is `/dev/null`.
    pub stdin: Option<(PathBuf, u64)>,
    /// The process that may follow this one while it starts, where Yama lets nobody but an ancestor
    /// (`PR_SET_PTRACER`, prctl(2)).
    pub follower: Option<i32>,
}

/// The numbers of a [`LaunchSpec`]: one line of JSON before its strings.
#[derive(Serialize, Deserialize)]
struct Head {
    argc: usize,
    umask: Option<u32>,
    nice: Option<i32>,
    limits: Vec<(u8, Option<u64>, Option<u64>)>,
    stdin_at: Option<u64>,
    follower: Option<i32>,
}

impl LaunchSpec {
    /// The specification and an environment as bytes: a line of JSON, then NUL-ended strings (program,
    /// directory, standard input, arguments, environment).
    pub fn encode(&self, environ: &Environ) -> io::Result<Zeroizing<Vec<u8>>> {
        let head = serde_json::to_vec(&Head {
            argc: self.argv.len(),
            umask: self.umask,
            nice: self.nice,
            limits: self.limits.iter().map(|limit| (limit.kind, limit.soft, limit.hard)).collect(),
            stdin_at: self.stdin.as_ref().map(|(_, at)| *at),
            follower: self.follower,
        })?;
        let stdin = self.stdin.as_ref().map_or(OsStr::new(""), |(path, _)| path.as_os_str());
        let strings: Vec<&[u8]> = [self.program.as_os_str(), self.dir.as_os_str(), stdin]
            .into_iter()
            .chain(self.argv.iter().map(OsString::as_os_str))
            .map(OsStrExt::as_bytes)
            .collect();
        let size = head.len() + 1 + strings.iter().map(|text| text.len() + 1).sum::<usize>();
        // Never grown, so that no freed half of it stays behind in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + environ.expose().len()));
        bytes.extend_from_slice(&head);
        bytes.push(b'\n');
        for text in strings {
            bytes.extend_from_slice(text);
            bytes.push(0);
        }
        bytes.extend_from_slice(environ.expose());
        Ok(bytes)
    }

    /// The way back. The error is `InvalidData`.
    pub fn decode(bytes: &[u8]) -> io::Result<(Self, Environ)> {
        let cut = || io::Error::from(io::ErrorKind::InvalidData);
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(cut)?;
        let head: Head = serde_json::from_slice(&bytes[..end])?;
        let mut rest = &bytes[end + 1..];
        let mut next = || {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
            let text = OsString::from_vec(rest[..end].to_vec());
            rest = &rest[end + 1..];
            Ok::<_, io::Error>(text)
        };
        let program = next()?.into();
        let dir = next()?.into();
        let stdin = PathBuf::from(next()?);
        let argv = (0..head.argc).map(|_| next()).collect::<Result<_, _>>()?;
        let limits = head.limits.into_iter().map(|(kind, soft, hard)| Limit { kind, soft, hard });
        let spec = Self {
            program,
            argv,
            dir,
            umask: head.umask,
            nice: head.nice,
            limits: limits.collect(),
            stdin: head.stdin_at.map(|at| (stdin, at)),
            follower: head.follower,
        };
        Ok((spec, Environ::new(Zeroizing::new(rest.to_vec()))))
    }
}

/// Exit status where the specification can't be read or followed, as a shell's for a command it can't
/// execute.
const CANNOT: i32 = 126;

/// Becomes the consumer described on standard input. Returns to nobody: where it can't, it says why on
/// standard error (the consumer's log) and exits with status 126.
pub fn launch() -> ! {
    let Err(error) = become_consumer();
    let _ = writeln!(io::stderr(), "credd launch: {error}");
    std::process::exit(CANNOT)
}

fn become_consumer() -> io::Result<std::convert::Infallible> {
    hardening::undumpable();
    // Out of the terminal's and the worker's session: a hang-up of either isn't the consumer's. It fails
    // only where this process leads a session already, as in a unit.
    let _ = rustix::process::setsid();
    let mut source = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let bytes = read_wiped(&mut source, 16 << 20)?;
    sys::wipe(&source);
    let (spec, environ) = LaunchSpec::decode(&bytes)?;
    drop(bytes);
    let stdin = match &spec.stdin {
        // Gone meanwhile: better no input than no consumer.
        Some((path, at)) => open_at(path, *at).map_or_else(|_| Stdio::null(), Stdio::from),
        None => Stdio::null(),
    };
    if let Some(mask) = spec.umask {
        rustix::process::umask(Mode::from_raw_mode(rustix::fs::RawMode::try_from(mask).unwrap_or(0o022)));
    }
    if let Some(nice) = spec.nice {
        // Raising it isn't everybody's; then it runs a little less favoured than before.
        let _ = rustix::process::setpriority_process(None, nice);
    }
    limits::set(&spec.limits);
    #[cfg(target_os = "linux")]
    if let Some(follower) = spec.follower.and_then(rustix::process::Pid::from_raw) {
        // Kept by what it becomes. Without Yama there is nothing to allow.
        let _ = rustix::process::set_ptracer(rustix::process::PTracer::ProcessID(follower));
    }
    // Here and not in the command: whether a relative program is looked for before or after the change
    // of directory would be the platform's choice.
    std::env::set_current_dir(&spec.dir)?;
    let mut command = Command::new(&spec.program);
    command.env_clear().stdin(stdin);
    if let Some((name, arguments)) = spec.argv.split_first() {
        command.arg0(name).args(arguments);
    }
    // The first of two entries counts (see `Environ::get`).
    let entries: Vec<_> = environ.entries().collect();
    for (name, value) in entries.into_iter().rev() {
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    Err(command.exec())
}

fn open_at(path: &std::path::Path, at: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_survives_the_way_to_the_process() {
        let spec = LaunchSpec {
            program: "/bin/x".into(),
            argv: vec!["x".into(), "".into(), OsString::from_vec(vec![0xff, b'\n'])],
            dir: "/tmp/a b".into(),
            umask: Some(0o27),
            nice: Some(-3),
            limits: vec![Limit { kind: 6, soft: Some(1024), hard: None }],
            stdin: Some(("/in".into(), 7)),
            follower: Some(42),
        };
        let environ = Environ::new(Zeroizing::new(b"A=1\0B=\0".to_vec()));
        let bytes = spec.encode(&environ).unwrap();
        let (back, env) = LaunchSpec::decode(&bytes).unwrap();
        assert_eq!(back, spec);
        assert_eq!(env.expose(), environ.expose());
        assert!(LaunchSpec::decode(&bytes[..40]).is_err());
        assert!(LaunchSpec::decode(b"").is_err());
    }
}
