//! The `launchctl` command (launchctl(1)): what it is told, and what its answers mean.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bounded::{self, Ended, Said};
use crate::clock;
use crate::consumers::environment::Environ;
use crate::consumers::program;

/// For one call.
const ANSWER: Duration = Duration::from_secs(20);
/// Of an answer: the list of a session's services is some twenty kilobytes.
const MOST: usize = 1 << 20;
/// An agent that ends takes as long as its `ExitTimeOut` (20 s by default); until then it can't be loaded.
const LOADING: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(300);
/// "Input/output error": no session on the screen, or the agent is still loaded.
const BUSY: Ended = Ended::Exit(5);

/// The domain of the user's session on the screen.
fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn target(label: &str) -> String {
    format!("{}/{label}", domain())
}

/// Runs launchctl; what it answers. The error says how it failed.
fn run(words: &[&str]) -> Result<Said, Failed> {
    let other = |why: String| Failed { ended: None, why };
    let environ = Environ::own();
    let program = program::look_up(b"launchctl", Path::new("/"), environ.get(b"PATH").or(Some(b"/bin")));
    let program = program.ok_or_else(|| other("there is no launchctl here".to_owned()))?;
    let say = |error: std::io::Error| other(format!("launchctl can't be run ({error})"));
    let (mut said, out) = Said::pipe(MOST).map_err(say)?;
    let err = out.try_clone().map_err(say)?;
    let argv: Vec<&OsStr> = std::iter::once("launchctl").chain(words.iter().copied()).map(OsStr::new).collect();
    let mut child = bounded::spawn(&program, &argv, Path::new("/"), environ.entries(), [out, err]).map_err(say)?;
    let ended = bounded::follow(&mut [&mut said], clock::monotonic() + ANSWER, || bounded::end_of(&mut child));
    match ended {
        Some(Ended::Exit(0)) => Ok(said),
        Some(ended) => Err(Failed { ended: Some(ended), why: format!("launchctl {} {ended}", words.first().unwrap_or(&"")) }),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(other(format!("launchctl {} {}", words.first().unwrap_or(&""), Ended::Not(ANSWER))))
        }
    }
}

struct Failed {
    ended: Option<Ended>,
    why: String,
}

/// The property list that an agent was loaded from.
pub(super) fn path(label: &str) -> Result<PathBuf, String> {
    let said = run(&["print", &target(label)]).map_err(|failed| failed.why)?;
    path_in(&String::from_utf8_lossy(said.bytes())).ok_or_else(|| format!("launchd doesn't say which file {label} is from"))
}

fn path_in(printed: &str) -> Option<PathBuf> {
    let path = printed.lines().find_map(|line| line.trim_start().strip_prefix("path = "))?;
    path.starts_with('/').then(|| path.into())
}

/// Ends an agent's process and starts it again, from its description as it was loaded.
pub(super) fn kickstart(label: &str) -> Result<(), String> {
    run(&["kickstart", "-k", &target(label)]).map(drop).map_err(|failed| failed.why)
}

/// Has an agent's description read anew, which ends its process and starts it again.
pub(super) fn reload(label: &str, plist: &Path) -> Result<(), String> {
    // It fails where nothing is loaded, as after a failed attempt.
    let _ = run(&["bootout", &target(label)]);
    let plist = plist.to_str().ok_or("the path of its property list isn't UTF-8")?;
    let end = clock::monotonic() + LOADING;
    loop {
        match run(&["bootstrap", &domain(), plist]) {
            Ok(_) => return Ok(()),
            Err(failed) if failed.ended == Some(BUSY) && clock::monotonic() < end => std::thread::sleep(PAUSE),
            Err(failed) => return Err(failed.why),
        }
    }
}

/// The label of the agent whose process has one of these ids: its own first, then its parents'.
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "asked where launchd is"))]
pub(in crate::consumers) fn label_of(pids: &[i32]) -> Option<String> {
    label_in(&String::from_utf8_lossy(run(&["list"]).ok()?.bytes()), pids)
}

/// From a table of pid (or `-`), last exit status and label.
fn label_in(list: &str, pids: &[i32]) -> Option<String> {
    let entries: Vec<(i32, &str)> = list
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?.trim().parse().ok()?, fields.nth(1)?.trim()))
        })
        .collect();
    // Applications are services too: what runs in a terminal's window isn't the terminal.
    let is_agent = |label: &str| !label.starts_with("application.") && !label.starts_with("com.apple.") && label != crate::service::LABEL;
    let of = |pid: &i32| entries.iter().find(|(listed, _)| listed == pid).map(|(_, label)| *label);
    pids.iter().find_map(of).filter(|label| is_agent(label)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_known_by_its_process() {
        let list = "PID\tStatus\tLabel\n-\t0\tcom.apple.x\n501\t0\tapplication.com.apple.Terminal.1\n77\t-15\tlocal.litellm\n78\t0\tdev.credd.agent\n";
        assert_eq!(label_in(list, &[77]).as_deref(), Some("local.litellm"));
        assert_eq!(label_in(list, &[90, 77, 501]).as_deref(), Some("local.litellm"));
        assert_eq!(label_in(list, &[90, 501]), None);
        assert_eq!(label_in(list, &[78]), None);
        assert_eq!(label_in("", &[0]), None);
    }

    #[test]
    fn the_file_it_was_loaded_from() {
        let printed = "gui/501/local.litellm = {\n\tactive count = 1\n\tpath = /Users/u/Library/LaunchAgents/local litellm.plist\n\ttype = LaunchAgent\n}\n";
        assert_eq!(path_in(printed), Some("/Users/u/Library/LaunchAgents/local litellm.plist".into()));
        assert_eq!(path_in("\tpath = (submitted by loginwindow.1)\n"), None);
    }
}
