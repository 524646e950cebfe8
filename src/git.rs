//! Asks git about a file: without changing anything, without a network, without a word from the repository's own
//! configuration as to what to run, and not for long.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::{ask, clock};

/// Where people keep the repository of files in their home directory, below it.
const OF_HOME: &[&str] = &[".cfg", ".dotfiles", ".dotfiles.git", ".myconf", ".local/share/yadm/repo.git"];

/// For the question that comes with each look at a file.
const LIMIT: Duration = Duration::from_secs(2);

/// It didn't answer in time, and isn't asked by this process again: a worker may have many files to look at.
static IS_SLOW: AtomicBool = AtomicBool::new(false);

/// What tracks a file. Git isn't run where there is no repository.
pub fn tracker(path: &Path, home: &Path) -> Option<Tracked> {
    let real = path.canonicalize().ok().filter(|_| !IS_SLOW.load(Ordering::Relaxed))?;
    let end = clock::monotonic() + LIMIT;
    let tracked = Tracked::all(&real, home, end).into_iter().find(Tracked::is_tracked);
    IS_SLOW.fetch_or(clock::monotonic() >= end, Ordering::Relaxed);
    tracked
}

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

    /// The file, behind all links.
    pub fn path(&self) -> Box<str> {
        self.dir.join(&self.name).to_string_lossy().into()
    }

    /// The repository, where it isn't the one around the file.
    pub fn repository(&self) -> Option<Box<str>> {
        self.bare.as_ref().map(|(repository, _)| repository.to_string_lossy().into())
    }

    /// Whether its next commit has the file.
    pub fn is_tracked(&self) -> bool {
        let name = self.name.as_os_str();
        self.git(&["ls-files".as_ref(), "--".as_ref(), name]).is_some_and(|said| !said.is_empty())
    }

    /// Whether the next `git add .` would take it: it is neither tracked nor ignored. In a home directory's own repository
    /// nobody says that.
    pub fn is_open(&self) -> bool {
        let words = ["ls-files", "--others", "--exclude-standard", "--"].map(OsStr::new);
        self.bare.is_none() && self.git(&[&words[..], &[self.name.as_os_str()]].concat()).is_some_and(|said| !said.is_empty())
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

    /// What git says; `None` if there is none, or it takes too long.
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
            .arg(&self.dir);
        if let Some((repository, tree)) = &self.bare {
            command.arg("--git-dir").arg(repository).arg("--work-tree").arg(tree);
        }
        ask::said(command.args(words), self.end)
    }
}
