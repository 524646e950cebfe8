//! What a path means, step by step: which names in which directories lead to the file.
//!
//! Each of these names can be replaced, and then the path means something else; so each is to be
//! watched, in its directory.

use std::collections::HashSet;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel itself follows.
const MOST_LINKS: usize = 40;

/// What names a file for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

/// What changes whenever a file's contents do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Which file.
    pub id: Id,
    /// Bytes.
    pub size: u64,
    /// Modification time, seconds and nanoseconds.
    pub modified: (i64, i64),
    /// Change time: moves with every write, rename and change of mode, and can't be set.
    pub changed: (i64, i64),
}

/// What stands at a path, its last symlink not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Missing,
    /// It can't be told: permission, a name too long.
    Refused,
    /// A directory.
    Directory(Id),
    /// A symlink and what it says.
    Link(PathBuf),
    /// A regular file.
    File(Stamp),
    /// A device, a socket, a FIFO.
    Other(Stamp),
}

/// A file system: the real one, or a test's.
pub trait Tree {
    /// What stands at an absolute path.
    fn look(&self, path: &Path) -> Look;
}

/// One name on the way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The directory, free of symlinks.
    pub directory: PathBuf,
    /// Which directory that was.
    pub id: Id,
    /// The name that is looked up in it.
    pub name: OsString,
}

/// Where the way ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The last step's name isn't there, or isn't the directory that the way goes through.
    Missing,
    /// The last step's name can't be looked at.
    Refused,
    /// Symlinks lead in a circle.
    Circle,
    /// A directory.
    Directory(Id),
    /// A regular file, at this path free of symlinks.
    File(PathBuf, Stamp),
    /// A device, a socket, a FIFO.
    Other(Stamp),
}

/// The whole way of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Each name on it, in order, each once.
    pub steps: Vec<Step>,
    /// Its end.
    pub end: End,
}

impl Route {
    /// Whether both take the same way to the same file, whatever is in it.
    pub fn same_way(&self, other: &Self) -> bool {
        self.steps == other.steps
            && match (&self.end, &other.end) {
                (End::File(_, one), End::File(_, two)) | (End::Other(one), End::Other(two)) => one.id == two.id,
                (one, two) => one == two,
            }
    }

    /// A number that changes when the way does, or what is at its end.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Follows an absolute path.
pub fn resolve(tree: &impl Tree, path: &Path) -> Route {
    let mut walk =
        Walk { directory: PathBuf::from("/"), trail: Vec::new(), rest: Vec::new(), steps: Vec::new(), seen: HashSet::new(), links: 0 };
    walk.push(path);
    let end = walk.run(tree);
    Route { steps: walk.steps, end }
}

struct Walk {
    directory: PathBuf,
    /// The directories from `/` down to `directory`.
    trail: Vec<Id>,
    /// Components yet to come, the next one last.
    rest: Vec<OsString>,
    steps: Vec<Step>,
    seen: HashSet<(Id, OsString)>,
    links: usize,
}

impl Walk {
    /// Puts a path's components before the rest.
    fn push(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.rest.push(name.to_owned()),
                Component::ParentDir => self.rest.push("..".into()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn run(&mut self, tree: &impl Tree) -> End {
        match tree.look(Path::new("/")) {
            Look::Directory(root) => self.trail.push(root),
            _ => return End::Refused,
        }
        loop {
            let Some(&id) = self.trail.last() else {
                return End::Refused;
            };
            let Some(name) = self.rest.pop() else {
                return End::Directory(id);
            };
            if name == ".." {
                if self.trail.len() > 1 {
                    self.trail.pop();
                    self.directory.pop();
                }
                continue;
            }
            let path = self.directory.join(&name);
            if self.seen.insert((id, name.clone())) {
                self.steps.push(Step { directory: self.directory.clone(), id, name });
            }
            let last = self.rest.is_empty();
            match tree.look(&path) {
                Look::Directory(id) => {
                    self.directory = path;
                    self.trail.push(id);
                }
                Look::Link(target) => {
                    self.links += 1;
                    if self.links > MOST_LINKS {
                        return End::Circle;
                    }
                    if target.is_absolute() {
                        self.directory = PathBuf::from("/");
                        self.trail.truncate(1);
                    }
                    self.push(&target);
                }
                Look::File(stamp) if last => return End::File(path, stamp),
                Look::Other(stamp) if last => return End::Other(stamp),
                Look::Missing | Look::File(_) | Look::Other(_) => return End::Missing,
                Look::Refused => return End::Refused,
            }
        }
    }
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
