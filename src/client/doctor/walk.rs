//! Files in which people keep keys: shell start-up files, and `.env` files near at hand.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Directories below home: the projects, and the projects of a directory of projects.
const DEPTH: usize = 2;
/// Entries of directories that are looked at, all in all.
const MOST_ENTRIES: usize = 20_000;

/// What shells read when they start, below the home directory.
const START_UP: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_aliases",
    ".profile",
    ".kshrc",
    ".xprofile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
];
/// The same below `ZDOTDIR`.
const ZSH: &[&str] = &[".zshrc", ".zshenv", ".zprofile", ".zlogin"];
/// The same below the configuration directory.
const CONFIGURED: &[&str] = &["fish/config.fish"];
/// Directories there, with the ends of their files' names.
const CONFIGURED_DIRS: &[(&str, &str, Sort)] = &[("fish/conf.d", ".fish", Sort::StartUp), ("environment.d", ".conf", Sort::Variables)];

/// Directories in which nobody keeps a key, and whose number of files is great.
const SKIPPED: &[&str] = &[
    "node_modules",
    "__pycache__",
    "target",
    "venv",
    ".venv",
    ".git",
    ".cache",
    "Caches",
    "Cache",
    "cache",
    ".cargo",
    ".rustup",
    ".npm",
    ".nvm",
    ".Trash",
    ".mozilla",
];

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The home directory.
    pub home: PathBuf,
    /// The user's configuration directory.
    pub config_home: PathBuf,
    /// Zsh's directory, where that isn't home.
    pub zdotdir: Option<PathBuf>,
    /// The tracked env files.
    pub env_files: Vec<PathBuf>,
    /// Directories in which consumers run.
    pub working_dirs: Vec<PathBuf>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A tracked env file.
    Tracked,
    /// A shell reads it when it starts.
    StartUp,
    /// By its name it holds variables.
    Variables,
}

/// Calls `each` with every file worth reading, the likeliest first. `false` where there were too many to look at all.
pub fn walk(places: &Places, each: &mut dyn FnMut(Sort, &Path)) -> bool {
    for path in &places.env_files {
        each(Sort::Tracked, path);
    }
    start_up(places, each);
    Walk { places, names: names(places), left: MOST_ENTRIES }.all(each)
}

fn start_up(places: &Places, each: &mut dyn FnMut(Sort, &Path)) {
    let of_home = START_UP.iter().map(|name| places.home.join(name));
    let of_zsh = places.zdotdir.iter().flat_map(|dir| ZSH.iter().map(|name| dir.join(name)));
    let of_config = CONFIGURED.iter().map(|name| places.config_home.join(name));
    of_home.chain(of_zsh).chain(of_config).for_each(|path| each(Sort::StartUp, &path));
    each(Sort::Variables, &places.home.join(".pam_environment"));
    each(Sort::Variables, &places.config_home.join("fish/fish_variables"));
    for (dir, end, sort) in CONFIGURED_DIRS {
        let Ok(entries) = fs::read_dir(places.config_home.join(dir)) else { continue };
        for entry in entries.flatten().take(MOST_ENTRIES) {
            if entry.file_name().as_bytes().ends_with(end.as_bytes()) {
                each(*sort, &entry.path());
            }
        }
    }
}

/// The names of tracked env files: copies of one are called much the same.
fn names(places: &Places) -> Vec<Vec<u8>> {
    places.env_files.iter().filter_map(|path| Some(path.file_name()?.as_bytes().to_vec())).collect()
}

struct Walk<'p> {
    places: &'p Places,
    names: Vec<Vec<u8>>,
    left: usize,
}

impl Walk<'_> {
    /// Breadth first, so that what is near is seen even where there is much.
    fn all(mut self, each: &mut dyn FnMut(Sort, &Path)) -> bool {
        let beside = self.places.env_files.iter().filter_map(|path| path.parent());
        let alone = self.places.working_dirs.iter().map(PathBuf::as_path).chain(beside);
        let roots = std::iter::once((self.places.home.as_path(), DEPTH)).chain(alone.map(|dir| (dir, 0)));
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<(PathBuf, PathBuf, u64, usize)> = roots
            .filter_map(|(dir, depth)| {
                let real = fs::canonicalize(dir).ok()?;
                let device = fs::symlink_metadata(&real).ok()?.dev();
                Some((real.clone(), real, device, depth))
            })
            .collect();
        while let Some((dir, root, device, depth)) = queue.pop_front() {
            // A root may lie below another.
            if !seen.insert(dir.clone()) {
                continue;
            }
            let Ok(entries) = fs::read_dir(&dir) else { continue };
            for entry in entries.flatten() {
                let Some(left) = self.left.checked_sub(1) else { return false };
                self.left = left;
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    if depth > 0 && is_worth_entering(&entry, device) {
                        queue.push_back((entry.path(), root.clone(), device, depth - 1));
                    }
                } else if self.holds_variables(&entry.file_name()) {
                    let path = entry.path();
                    // A link may lead anywhere: no further than to where it was found.
                    if kind.is_file() || kind.is_symlink() && fs::canonicalize(&path).is_ok_and(|real| real.starts_with(&root)) {
                        each(Sort::Variables, &path);
                    }
                }
            }
        }
        true
    }

    fn holds_variables(&self, name: &OsStr) -> bool {
        let name = name.as_bytes();
        let is_copy = |tracked: &Vec<u8>| name.windows(tracked.len()).any(|part| part == tracked.as_slice());
        name == b".env" || name == b".envrc" || name.starts_with(b".env.") || name.ends_with(b".env") || self.names.iter().any(is_copy)
    }
}

/// A directory of this file system in which somebody may keep a key.
fn is_worth_entering(entry: &DirEntry, device: u64) -> bool {
    !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) && entry.metadata().is_ok_and(|metadata| metadata.dev() == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(home: &Path) -> Vec<String> {
        let places = Places { home: home.to_owned(), env_files: vec![home.join(".keys")], ..Places::default() };
        let mut found = Vec::new();
        walk(&places, &mut |sort, path| {
            if sort == Sort::Variables && path.is_file() {
                found.push(path.strip_prefix(fs::canonicalize(home).unwrap()).unwrap().display().to_string());
            }
        });
        found.sort();
        found
    }

    #[test]
    fn files_of_variables_are_found_two_levels_down() {
        let home = tempfile::tempdir().unwrap();
        for path in ["a/b/.env", "a/.envrc", "a/x.env", ".env.local", ".keys.bak", "a/b/c/.env", "a/node_modules/.env", "a/environment"] {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(found(home.path()), [".env.local", ".keys.bak", "a/.envrc", "a/b/.env", "a/x.env"]);
    }

    #[test]
    fn links_lead_neither_out_nor_in_a_circle() {
        let (home, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, home.path().join(name)).unwrap();
        fs::write(out.path().join(".env"), "").unwrap();
        fs::write(home.path().join("inside"), "").unwrap();
        link(out.path(), "dir");
        link(&out.path().join(".env"), "out.env");
        link(&home.path().join("inside"), "in.env");
        link(home.path(), "circle");
        link(Path::new("self.env"), "self.env");
        assert_eq!(found(home.path()), ["in.env"]);
    }
}
