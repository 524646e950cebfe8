//! Environments of processes, and what env files lay over them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::envfile::EnvFile;
use crate::salt::Salt;
use crate::secret::Secret;
use crate::worker::job::{KeyTarget, KeyVariable};

/// An environment as the kernel hands it over: `NAME=value` entries, each ended by a NUL; wiped when
/// dropped.
#[derive(Clone)]
pub struct Environ(Zeroizing<Vec<u8>>);

impl Environ {
    /// Takes a block of NUL-ended entries over.
    pub fn new(block: Zeroizing<Vec<u8>>) -> Self {
        Self(block)
    }

    /// This very process's own.
    pub fn own() -> Self {
        let size = std::env::vars_os().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut block = Zeroizing::new(Vec::with_capacity(size));
        for (name, value) in std::env::vars_os() {
            block.extend_from_slice(name.as_bytes());
            block.push(b'=');
            block.extend_from_slice(Zeroizing::new(value.into_encoded_bytes()).as_slice());
            block.push(0);
        }
        Self(block)
    }

    /// The block: for the pipe to a new process alone.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// All well-formed entries, in order. One without a name or `=` can't be a variable.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.split(|byte| *byte == 0).filter_map(split)
    }

    /// A variable's value; of several entries the first counts, as for `getenv` and Python.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.entries().find_map(|(entry, value)| (entry == name).then_some(value))
    }

    /// All variables at once, for many names: what [`Environ::get`] would give for each.
    pub fn by_name(&self) -> HashMap<&[u8], &[u8]> {
        let mut all = HashMap::new();
        for (name, value) in self.entries() {
            all.entry(name).or_insert(value);
        }
        all
    }

    /// This environment with one variable set.
    #[must_use]
    pub fn with(&self, name: &[u8], value: &[u8]) -> Self {
        let mut changes = Changes::default();
        changes.set(name.to_vec(), Secret::copy(value));
        self.overlaid(&changes)
    }

    /// This environment with variables as they are in `old`, as far as they are there.
    #[must_use]
    pub fn keeping<'n>(&self, names: impl IntoIterator<Item = &'n String>, old: &Environ) -> Self {
        let mut changes = Changes::default();
        for name in names {
            if let Some(value) = old.get(name.as_bytes()) {
                changes.set(name.clone().into_bytes(), Secret::copy(value));
            }
        }
        self.overlaid(&changes)
    }

    /// This environment with the changes laid over it: everything they don't name stays as it is, in
    /// its place.
    #[must_use]
    pub fn overlaid(&self, changes: &Changes) -> Self {
        let size = self.0.len() + 1 + changes.set.iter().map(|(name, value)| name.len() + value.expose().len() + 2).sum::<usize>();
        // Never grown, so that no freed half of it stays behind in memory.
        let mut block = Zeroizing::new(Vec::with_capacity(size));
        let mut push = |name: &[u8], value: &[u8]| {
            block.extend_from_slice(name);
            block.push(b'=');
            block.extend_from_slice(value);
            block.push(0);
        };
        for (name, value) in self.entries() {
            if !changes.set.contains_key(name) && !changes.unset.iter().any(|gone| gone == name) {
                push(name, value);
            }
        }
        for (name, value) in &changes.set {
            push(name, value.expose());
        }
        Self(block)
    }
}

fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    // A name may begin with `=` on no system that we know; an empty name is none.
    let at = entry.iter().position(|byte| *byte == b'=')?;
    (at > 0).then(|| (&entry[..at], &entry[at + 1..]))
}

/// What env files say for certain: variables to set and to remove. What only running a file could tell
/// isn't in here, and stays as it was.
#[derive(Default)]
pub struct Changes {
    set: BTreeMap<Vec<u8>, Secret>,
    unset: Vec<Vec<u8>>,
}

impl Changes {
    pub(super) fn set(&mut self, name: Vec<u8>, value: Secret) {
        // The kernel's entries can't hold a NUL, and a name no `=`: such a pair can't be exported.
        if !name.is_empty() && !name.iter().any(|byte| matches!(byte, 0 | b'=')) && !value.expose().contains(&0) {
            self.unset.retain(|gone| *gone != name);
            self.set.insert(name, value);
        }
    }

    /// The variables to set.
    pub fn assignments(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.set.iter().map(|(name, value)| (name.as_slice(), value.expose()))
    }

    /// The value that a variable is to be set to.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.set.get(name).map(Secret::expose)
    }

    /// The same variables with the values that they have in `old`, as far as they have one there.
    #[must_use]
    pub fn as_in(&self, old: &Environ) -> Self {
        let mut all = Self::default();
        for name in self.set.keys() {
            if let Some(value) = old.get(name) {
                all.set(name.clone(), Secret::copy(value));
            }
        }
        all
    }

    /// Leaves variables as they are, whatever was to be laid over them.
    pub fn withhold(&mut self, variables: &[String]) {
        for name in variables.iter().map(String::as_bytes) {
            self.set.remove(name);
            self.unset.retain(|gone| gone != name);
        }
    }

    pub(super) fn unset(&mut self, name: Vec<u8>) {
        self.set.remove(&name);
        self.unset.push(name);
    }

    /// Lays what another file gives over this.
    pub fn extend(&mut self, other: Self) {
        for (name, value) in other.set {
            self.set(name, value);
        }
        for name in other.unset {
            self.unset(name);
        }
    }
}

/// Why an order doesn't stand any more.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The file can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key in it isn't the one that was decided on.
    #[error("{} no longer assigns {variable} the value that was to be applied", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// Of which variable.
        variable: String,
    },
}

/// Reads the env files of all keys again and gathers what they lay over an environment, provided that
/// each key still has the value decided on.
///
/// A tracked variable is laid over even where the file doesn't export it: the user named it, and a
/// consumer with the old value is of no use.
pub fn changes(keys: &[KeyTarget], salt: &Salt, home: &Path) -> Result<Changes, Unfit> {
    let mut all = Changes::default();
    let mut seen: Vec<&Path> = Vec::new();
    for path in keys.iter().map(|key| key.env_file.as_path()) {
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        let source = read_file(path).map_err(|source| Unfit::Unreadable { path: path.to_owned(), source })?;
        let file = EnvFile::read(source.expose(), home);
        for (name, value) in file.exports() {
            all.set(name, value);
        }
        for name in file.unsets() {
            all.unset(name);
        }
        for key in keys.iter().filter(|key| key.env_file == path) {
            all.set(key.variable.clone().into_bytes(), decided_on(&file, key, salt)?);
        }
    }
    Ok(all)
}

/// What a key's env file gives it now, if that is certain.
pub fn assigned(key: &KeyVariable) -> Option<Secret> {
    let home = std::env::home_dir().unwrap_or_default();
    EnvFile::read(read_file(&key.env_file).ok()?.expose(), &home).value(&key.variable)
}

/// As [`assigned`], where it matters why there is no value: `None` only where the file certainly gives none, an error
/// where that can't be told.
pub fn look(key: &KeyVariable) -> io::Result<Option<Secret>> {
    let home = std::env::home_dir().unwrap_or_default();
    match read_file(&key.env_file) {
        Ok(source) => EnvFile::read(source.expose(), &home).certain(&key.variable),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a key's env file again: the key, provided that it still has the value decided on.
pub fn value(key: &KeyTarget, salt: &Salt, home: &Path) -> Result<Secret, Unfit> {
    let source = read_file(&key.env_file).map_err(|source| Unfit::Unreadable { path: key.env_file.clone(), source })?;
    decided_on(&EnvFile::read(source.expose(), home), key, salt)
}

fn decided_on(file: &EnvFile, key: &KeyTarget, salt: &Salt) -> Result<Secret, Unfit> {
    file.value(&key.variable)
        .filter(|value| salt.fingerprint(value.expose()) == key.fingerprint)
        .ok_or_else(|| Unfit::Other { path: key.env_file.clone(), variable: key.variable.clone() })
}

/// Larger ones are no env files (and the daemon would have said so).
const LARGEST: u64 = 1 << 20;

/// Reads a whole file of variables, wherever it is and whatever has taken its place.
pub(super) fn read_file(path: &Path) -> io::Result<Secret> {
    use std::os::unix::fs::OpenOptionsExt;
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    // Not to hang on a FIFO somebody put there.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = read_wiped(file, LARGEST)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// Reads all of a file into a buffer that is wiped, including every smaller one it outgrew.
///
/// The error is the file's, or of its being longer than `limit` bytes.
pub(super) fn read_wiped(mut from: impl io::Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let mut filled = 0;
    loop {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => {
                buffer.truncate(filled);
                return Ok(buffer);
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 > limit {
            return Err(io::Error::other("it is too large"));
        }
        if filled == buffer.len() {
            let mut larger = Zeroizing::new(vec![0; buffer.len() * 2]);
            larger[..filled].copy_from_slice(&buffer);
            buffer = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::KeyName;

    fn environ(text: &str) -> Environ {
        Environ::new(Zeroizing::new(text.replace(' ', "\0").into_bytes()))
    }

    #[test]
    fn changes_are_laid_over_and_the_rest_stays() {
        let mut changes = Changes::default();
        changes.set(b"KEY".to_vec(), Secret::new(b"new=\n".to_vec()));
        changes.set(b"MORE".to_vec(), Secret::new(Vec::new()));
        changes.unset(b"GONE".to_vec());
        changes.set(b"BA=D".to_vec(), Secret::new(Vec::new()));
        changes.set(b"NUL".to_vec(), Secret::new(vec![0]));
        changes.set(b"Z".to_vec(), Secret::new(b"rejected".to_vec()));
        changes.unset(b"A".to_vec());
        changes.withhold(&["Z".to_owned(), "A".to_owned()]);
        let new = environ("A=1 KEY=old GONE=x malformed KEY=twice Z= ").overlaid(&changes);
        assert_eq!(new.expose(), b"A=1\0Z=\0KEY=new=\n\0MORE=\0");
        assert_eq!(new.get(b"KEY"), Some(&b"new=\n"[..]));
        assert_eq!(new.get(b"GONE"), None);
        assert_eq!(new.get(b"Z"), Some(&b""[..]));
    }

    #[test]
    fn the_first_of_two_entries_counts() {
        assert_eq!(environ("K=1 K=2 ").get(b"K"), Some(&b"1"[..]));
        assert_eq!(environ("=K=1 K=2").get(b"K"), Some(&b"2"[..]));
    }

    #[test]
    fn another_value_in_the_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::load_or_create(dir.path()).unwrap();
        let path = dir.path().join("env");
        std::fs::write(&path, "export KEY=one\nexport B=2\nunset C\n").unwrap();
        let target = |value: &[u8]| KeyTarget {
            name: KeyName::from("k"),
            variable: "KEY".to_owned(),
            env_file: path.clone(),
            fingerprint: salt.fingerprint(value),
        };
        let found = changes(&[target(b"one")], &salt, dir.path()).unwrap();
        let new = environ("C=3 KEY=0 ").overlaid(&found);
        assert_eq!(new.get(b"KEY"), Some(&b"one"[..]));
        assert_eq!(new.get(b"B"), Some(&b"2"[..]));
        assert_eq!(new.get(b"C"), None);
        assert!(matches!(changes(&[target(b"two")], &salt, dir.path()), Err(Unfit::Other { .. })));
        assert_eq!(value(&target(b"one"), &salt, dir.path()).unwrap().expose(), b"one");
        assert!(matches!(value(&target(b"two"), &salt, dir.path()), Err(Unfit::Other { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(changes(&[target(b"one")], &salt, dir.path()), Err(Unfit::Unreadable { .. })));
    }

    #[test]
    fn a_long_file_is_read_whole_and_a_longer_one_refused() {
        let long = vec![7; 200_000];
        assert_eq!(*read_wiped(&long[..], 200_000).unwrap(), long);
        assert!(read_wiped(&long[..], 100_000).is_err());
    }
}
