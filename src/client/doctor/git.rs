//! Asks git about a file: without changing anything, without a network, without a word from the repository's own
//! configuration as to what to run, and not for long.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::clock;

/// Of what it says, the beginning is kept.
const MOST_BYTES: usize = 1 << 20;
/// Where people keep the repository of files in their home directory, below it.
const OF_HOME: &[&str] = &[".cfg", ".dotfiles", ".dotfiles.git", ".myconf", ".local/share/yadm/repo.git"];

/// A file, as a repository sees it.
pub struct Tracked {
    /// The repository's directory and working tree, where it isn't the one around the file.
    bare: Option<(PathBuf, PathBuf)>,
    dir: PathBuf,
    name: OsString,
    end: Instant,
}

impl Tracked {
    /// All repositories that may have a file: the one around it, and the user's for the home directory.
    /// Git is asked until `end`.
    pub fn all(real: &Path, home: &Path, end: Instant) -> Vec<Self> {
        let (Some(dir), Some(name)) = (real.parent(), real.file_name()) else { return Vec::new() };
        let one = |bare| Self { bare, dir: dir.to_owned(), name: name.to_owned(), end };
        let of_home = OF_HOME.iter().map(|name| home.join(name)).filter(|repository| {
            // A directory with a `.git` in it is a repository around its own files.
            dir.starts_with(home) && repository.join("HEAD").is_file() && repository.join("objects").is_dir()
        });
        let around = dir.ancestors().any(|dir| dir.join(".git").exists()).then(|| one(None));
        around.into_iter().chain(of_home.map(|repository| one(Some((repository, home.to_owned()))))).collect()
    }

    /// Whether its next commit has the file.
    pub fn is_tracked(&self) -> bool {
        let name = self.name.as_os_str();
        self.git(&["ls-files".as_ref(), "--".as_ref(), name]).is_some_and(|said| !said.is_empty())
    }

    /// Commits of any branch that changed it, latest first, `most` at most.
    pub fn commits(&self, most: usize) -> Vec<String> {
        let most = format!("--max-count={most}");
        let words = ["log".as_ref(), "--all".as_ref(), "--format=%h".as_ref(), most.as_ref(), "--".as_ref(), self.name.as_os_str()];
        let said = self.git(&words).unwrap_or_default();
        String::from_utf8_lossy(&said).lines().map(ToOwned::to_owned).collect()
    }

    /// What was in it at a commit; nothing if it wasn't there.
    pub fn at(&self, commit: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut place = OsString::from(format!("{commit}:./"));
        place.push(&self.name);
        self.git(&["cat-file".as_ref(), "blob".as_ref(), &place])
    }

    /// What git says; `None` if there is none, or it takes too long. Not by [`crate::bounded`], whose looks at a
    /// program are too far apart for dozens of short ones.
    fn git(&self, words: &[&OsStr]) -> Option<Zeroizing<Vec<u8>>> {
        let mut command = Command::new("git");
        // What the caller's surroundings say of another repository isn't meant for this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
            command.env_remove(name);
        }
        command
            .envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_ALLOW_PROTOCOL", "")])
            .args(["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false"])
            .arg("-C")
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        if let Some((repository, tree)) = &self.bare {
            command.arg("--git-dir").arg(repository).arg("--work-tree").arg(tree);
        }
        let mut child = command.args(words).spawn().ok()?;
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
        let said = receiver.recv_timeout(self.end.saturating_duration_since(clock::monotonic())).ok();
        if said.is_none()
            && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = child.wait().ok()?;
        said.filter(|_| status.success())
    }
}
