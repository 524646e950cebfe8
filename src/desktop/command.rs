//! The user's own alert command (`alerts.command`): an argv, never a shell line.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long it may run.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What a child must not take for its own: systemd's line to the daemon.
pub const NOT_FOR_CHILDREN: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Why an alert command didn't do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFailure {
    /// `alerts.command` is empty.
    #[error("no command is set")]
    Empty,
    /// It could not be started.
    #[error("{program} can't be run: {reason}")]
    NotStarted {
        /// The first word.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// It ended otherwise than with exit status 0.
    #[error("{program} ended with {status}")]
    Failed {
        /// The first word.
        program: String,
        /// Exit code or signal.
        status: String,
    },
    /// It took too long and was killed with all that it had started.
    #[error("{program} was still running after {} s and was killed", limit.as_secs())]
    TimedOut {
        /// The first word.
        program: String,
        /// How long it was given.
        limit: Duration,
    },
}

/// The command as one for the user's systemd to run, outside of our unit's sandbox: a mail program with
/// a setgid bit, or one that compiles as it runs, would not work in it.
///
/// Systemd ends it by itself a little after `limit`, since killing `systemd-run` doesn't.
pub(super) fn outside(argv: &[String], limit: Duration) -> Vec<String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Vec::new();
    };
    let mut words: Vec<String> =
        ["systemd-run", "--user", "--quiet", "--collect", "--wait", "--pipe", "--property=TimeoutStopSec=1"].map(str::to_owned).to_vec();
    words.push(format!("--property=RuntimeMaxSec={}", limit.as_secs() + 1));
    if let Ok(path) = std::env::var("PATH") {
        words.push(format!("--setenv=PATH={path}"));
    }
    words.extend(["--".to_owned(), program.clone()]);
    // Systemd fills variables into arguments, though not into the program's path.
    words.extend(arguments.iter().map(|word| word.replace('$', "$$")));
    words
}

/// Runs a command with `input` on its standard input. What it says on standard error joins ours, and
/// so the journal.
pub(super) async fn run(argv: &[String], input: &[u8], limit: Duration) -> Result<(), CommandFailure> {
    let (program, arguments) = argv.split_first().ok_or(CommandFailure::Empty)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let program = program.clone();
    let ended = run_group(&mut command, input, limit).await;
    match ended {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(CommandFailure::Failed { program, status: in_words(status) }),
        Ok(None) => Err(CommandFailure::TimedOut { program, limit }),
        Err(error) => Err(CommandFailure::NotStarted { program, reason: error.to_string() }),
    }
}

fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

impl CommandFailure {
    /// The failure of a command that somebody else ran: it is the user's program that has failed.
    pub(super) fn of(mut self, argv: &[String]) -> Self {
        if let (Self::Failed { program, .. } | Self::TimedOut { program, .. }, Some(own)) = (&mut self, argv.first()) {
            program.clone_from(own);
        }
        self
    }
}

/// Runs a command in a process group of its own, which is killed when the limit is reached: `None`.
pub(super) async fn run_group(command: &mut Command, input: &[u8], limit: Duration) -> io::Result<Option<ExitStatus>> {
    for name in NOT_FOR_CHILDREN {
        command.env_remove(name);
    }
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let stdin = child.stdin.take();
    let work = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command needn't read what it is told; then the pipe breaks.
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), status) = tokio::join!(feed, child.wait());
        status
    };
    if let Ok(status) = timeout(limit, work).await {
        return status.map(Some);
    }
    kill_group(&child);
    // SIGKILL is not to be ignored: this ends.
    child.wait().await.map(|_| None)
}

fn kill_group(child: &Child) {
    // The child has not been waited for, so its id, which is the group's, is still its own.
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = leader.and_then(Pid::from_raw) {
        // It fails where the group is gone, which is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(String::from).to_vec()
    }

    async fn run_for(argv: &[String], input: &[u8], limit: Duration) -> Result<(), CommandFailure> {
        // Far longer than any of these tests may take.
        timeout(Duration::from_secs(20), run(argv, input, limit)).await.expect("the command is bounded")
    }

    #[tokio::test]
    async fn gets_the_alert_on_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seen");
        let script = format!("cat >'{}'", file.display());
        assert_eq!(run_for(&shell(&script), b"{\"a\":1}", LIMIT).await, Ok(()));
        assert_eq!(std::fs::read(file).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn the_service_has_systemd_run_it() {
        let argv = ["mail", "-s", "$HOME %h"].map(str::to_owned);
        let words = outside(&argv, LIMIT);
        assert_eq!(words[0], "systemd-run");
        assert!(words.contains(&"--property=RuntimeMaxSec=31".to_owned()));
        assert_eq!(words[words.len() - 4..], ["--", "mail", "-s", "$$HOME %h"]);
        assert!(outside(&[], LIMIT).is_empty());
    }

    #[tokio::test]
    async fn needn_t_read() {
        let much = vec![b'x'; 1 << 20];
        assert_eq!(run_for(&shell("exec <&-; exit 0"), &much, LIMIT).await, Ok(()));
    }

    #[tokio::test]
    async fn failures_say_what_happened() {
        let failed = run_for(&shell("exit 3"), b"", LIMIT).await.unwrap_err();
        assert_eq!(failed.to_string(), "sh ended with exit code 3");
        assert_eq!(failed.of(&["mail".into(), "-s".into()]).to_string(), "mail ended with exit code 3", "systemd-run passes it on");
        let absent = run_for(&["/nowhere/at-all".into()], b"", LIMIT).await.unwrap_err();
        assert!(absent.to_string().starts_with("/nowhere/at-all can't be run: No such file"));
        assert_eq!(run_for(&[], b"", LIMIT).await, Err(CommandFailure::Empty));
    }

    #[tokio::test]
    async fn is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        // A grandchild that ignores what a polite end would send, and a leader that never reads.
        let script = format!("(trap '' TERM HUP; exec sleep 600) & echo $! >'{}'; wait", file.display());
        let limit = Duration::from_millis(500);
        let late = run_for(&shell(&script), &vec![b'x'; 1 << 20], limit).await;
        assert!(matches!(late, Err(CommandFailure::TimedOut { .. })), "{late:?}");
        let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        // Orphans are reaped by another process, in its own time.
        for _ in 0..1_000 {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            if state.is_err() || state.is_ok_and(|stat| stat.contains(") Z ")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the grandchild is still there");
    }
}
