//! What a program says that is only asked something: without input, and not for long.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::clock;

/// Of what it says, the beginning is kept.
const MOST_BYTES: usize = 1 << 20;
/// For one question to a program of the system.
const LIMIT: Duration = Duration::from_secs(5);

/// What it says until `end`; `None` if it fails, or takes longer. Not by [`crate::bounded`], whose looks at a program are too
/// far apart for dozens of short ones.
pub fn said(command: &mut Command, end: Instant) -> Option<Zeroizing<Vec<u8>>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().ok()?;
    let mut out = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // One allocation: a buffer that grows leaves copies behind.
        let mut said = Zeroizing::new(vec![0; MOST_BYTES]);
        let mut filled = 0;
        while let Ok(count) = out.read(&mut said[filled..])
            && count > 0
        {
            filled += count;
        }
        said.truncate(filled);
        let _ = sender.send(said);
    });
    let said = receiver.recv_timeout(end.saturating_duration_since(clock::monotonic())).ok();
    if said.is_none()
        && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().ok()?;
    said.filter(|_| status.success())
}

/// The same of a program of the system, in English.
pub fn text<S: AsRef<OsStr>>(words: &[S]) -> Option<String> {
    text_within(LIMIT, words)
}

/// The same of one that takes longer.
pub fn text_within<S: AsRef<OsStr>>(limit: Duration, words: &[S]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let said = said(Command::new(program).args(arguments).env("LC_ALL", "C"), clock::monotonic() + limit)?;
    Some(String::from_utf8_lossy(&said).trim().to_owned())
}
