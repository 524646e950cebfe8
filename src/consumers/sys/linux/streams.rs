//! Carrying a process's output over to its successor.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use super::{Held, procfs};

/// Standard output and standard error of a process, taken over while it lives.
///
/// Each is the very open file where the kernel lets us have it (`pidfd_getfd`: same file, same
/// position, shared with whoever else writes to it, be it a log, a pipe to `tee` or a terminal). Else it is
/// the same file opened anew through `/proc/PID/fd` (the same inode, even if the log was rotated), a
/// log for appending: wherever the old position was, no line is written over. A socket can't be opened
/// anew; then it is `/dev/null`.
pub struct Streams {
    out: OwnedFd,
    err: OwnedFd,
}

impl Streams {
    /// Takes a living process's streams over. The error is of `/dev/null` itself.
    pub fn of(process: &Held) -> io::Result<Self> {
        Ok(Self { out: take(process, 1)?, err: take(process, 2)? })
    }

    /// Copies for a new process.
    pub fn copies(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.out.try_clone()?, self.err.try_clone()?))
    }
}

fn take(process: &Held, number: i32) -> io::Result<OwnedFd> {
    if let Ok(fd) = pidfd_getfd(process, number, PidfdGetfdFlags::empty()) {
        return Ok(fd);
    }
    if let Ok(file) = reopen(process.pid(), number).and_then(|file| process.still(file)) {
        return Ok(file.into());
    }
    Ok(OpenOptions::new().write(true).open("/dev/null")?.into())
}

fn reopen(pid: i32, number: i32) -> io::Result<File> {
    let path = format!("/proc/{pid}/fd/{number}");
    let kind = fs::metadata(&path)?.file_type();
    // Opened for writing and, where it matters, at the end; a terminal isn't to become ours.
    let flags = OFlags::NOCTTY | if kind.is_fifo() { OFlags::NONBLOCK } else { OFlags::empty() };
    let file = OpenOptions::new().write(true).append(kind.is_file()).custom_flags(flags.bits().cast_signed()).open(path)?;
    if kind.is_fifo() {
        // Non-blocking was for the opening alone: a full pipe is to make the writer wait, as before.
        let flags = rustix::fs::fcntl_getfl(&file)? - OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&file, flags)?;
    }
    Ok(file)
}

/// Where a process's standard input comes from and how far it has read, if that is a regular file.
pub(super) fn stdin(pid: i32) -> Option<(PathBuf, u64)> {
    let link = format!("/proc/{pid}/fd/0");
    if !fs::metadata(&link).ok()?.is_file() {
        return None;
    }
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/0")).ok()?;
    Some((fs::read_link(link).ok()?, procfs::fdinfo(&info)?.0))
}

/// The file a process's errors go to, for telling people where to look.
pub fn log_path(process: &Held) -> Option<PathBuf> {
    let link = format!("/proc/{}/fd/2", process.pid());
    if !fs::metadata(&link).ok()?.is_file() {
        return None;
    }
    process.still(fs::read_link(link).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper(out: impl Into<Stdio>) -> (std::process::Child, Held) {
        let child = Command::new("sleep").arg("1000").stdout(out).spawn().unwrap();
        let held = Held::open(i32::try_from(child.id()).unwrap()).unwrap();
        (child, held)
    }

    #[test]
    fn a_log_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut file = File::create(&log).unwrap();
        file.write_all(b"old\n").unwrap();
        let (mut child, held) = sleeper(file.try_clone().unwrap());
        let (out, _) = Streams::of(&held).unwrap().copies().unwrap();
        // Written by the old process while it stops.
        file.write_all(b"bye\n").unwrap();
        File::from(out).write_all(b"new\n").unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"old\nbye\nnew\n");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_log_opened_anew_is_appended_to_even_when_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut file = File::create(&log).unwrap();
        file.write_all(b"old\n").unwrap();
        let (mut child, held) = sleeper(file.try_clone().unwrap());
        let rotated = dir.path().join("log.1");
        fs::rename(&log, &rotated).unwrap();
        fs::write(&log, "").unwrap();
        let mut new = reopen(held.pid(), 1).unwrap();
        file.write_all(b"bye\n").unwrap();
        new.write_all(b"new\n").unwrap();
        assert_eq!(fs::read(&rotated).unwrap(), b"old\nbye\nnew\n");
        assert_eq!(fs::read(&log).unwrap(), b"");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_pipe_is_carried_on() {
        use std::io::Read;
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut child, held) = sleeper(writer);
        let mut new = reopen(held.pid(), 1).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        new.write_all(b"new").unwrap();
        drop(new);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "new");
    }
}
