//! Which watch concerns which files: events in, files out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// The kernel's number for a watch.
pub type Watch = i32;

/// What the kernel told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Events were lost.
    Overflow,
    /// The watch is no more: its file or directory is gone, or its file system unmounted.
    Gone(Watch),
    /// Something happened to the watched thing itself.
    Itself(Watch),
    /// Something happened to this name in a watched directory.
    Name(Watch, OsString),
}

/// A file's interest in a watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tie {
    /// The watch.
    pub watch: Watch,
    /// The name in the watched directory, or the watched file itself.
    pub name: Option<Arc<OsStr>>,
}

/// Files that something happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Any of them: look at all.
    pub all: bool,
    /// Perhaps any of them: a look tells.
    pub perhaps: bool,
    /// These.
    pub files: BTreeSet<usize>,
}

/// All watches and the files tied to them. Files are numbers.
#[derive(Default)]
pub struct Table {
    watches: HashMap<Watch, Entry>,
    ties: HashMap<usize, Vec<Tie>>,
}

#[derive(Default)]
struct Entry {
    files: HashSet<usize>,
    names: HashMap<Arc<OsStr>, HashSet<usize>>,
}

impl Table {
    /// How many watches are held.
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Adds the files that an event concerns; forgets a watch that is gone.
    pub fn take(&mut self, event: &Event, touched: &mut Touched) {
        match event {
            Event::Overflow => touched.all = true,
            Event::Name(watch, name) => {
                let names = self.watches.get(watch).map(|entry| &entry.names);
                if let Some(files) = names.and_then(|names| names.get(name.as_os_str())) {
                    touched.files.extend(files);
                }
            }
            Event::Itself(watch) => {
                if let Some(entry) = self.watches.get(watch) {
                    touched.files.extend(entry.everyone());
                }
            }
            Event::Gone(watch) => {
                if let Some(entry) = self.watches.remove(watch) {
                    for file in entry.everyone() {
                        touched.files.insert(file);
                        if let Some(ties) = self.ties.get_mut(&file) {
                            ties.retain(|tie| tie.watch != *watch);
                        }
                    }
                }
            }
        }
    }

    /// Ties a file to these watches and no others; tells which watches nobody needs any more.
    pub fn tie(&mut self, file: usize, mut ties: Vec<Tie>) -> Vec<Watch> {
        let old = self.ties.remove(&file).unwrap_or_default();
        if old == ties {
            // The usual case, after an edit in place.
            self.ties.insert(file, old);
            return Vec::new();
        }
        for tie in &mut ties {
            let entry = self.watches.entry(tie.watch).or_default();
            match &mut tie.name {
                None => {
                    entry.files.insert(file);
                }
                Some(name) => {
                    // Thousands of files lie below the same directories: one copy of each name.
                    if let Some((known, _)) = entry.names.get_key_value(name) {
                        *name = known.clone();
                    }
                    entry.names.entry(name.clone()).or_default().insert(file);
                }
            }
        }
        let new: HashSet<&Tie> = ties.iter().collect();
        let mut needless = Vec::new();
        for tie in old.iter().filter(|tie| !new.contains(tie)) {
            if let Some(entry) = self.watches.get_mut(&tie.watch) {
                entry.loosen(file, tie);
                if entry.files.is_empty() && entry.names.is_empty() {
                    self.watches.remove(&tie.watch);
                    needless.push(tie.watch);
                }
            }
        }
        if !ties.is_empty() {
            self.ties.insert(file, ties);
        }
        needless
    }

    /// The numbers of all files that are tied to something.
    pub fn files(&self) -> Vec<usize> {
        self.ties.keys().copied().collect()
    }
}

impl Entry {
    fn everyone(&self) -> impl Iterator<Item = usize> {
        let named = self.names.values().flatten();
        self.files.iter().chain(named).copied()
    }

    fn loosen(&mut self, file: usize, tie: &Tie) {
        match &tie.name {
            None => {
                self.files.remove(&file);
            }
            Some(name) => {
                if let Some(files) = self.names.get_mut(name) {
                    files.remove(&file);
                    if files.is_empty() {
                        self.names.remove(name);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(watch: Watch, name: &str) -> Tie {
        Tie { watch, name: (!name.is_empty()).then(|| OsStr::new(name).into()) }
    }

    fn touched(table: &mut Table, event: &Event) -> Vec<usize> {
        let mut touched = Touched::default();
        table.take(event, &mut touched);
        touched.files.into_iter().collect()
    }

    fn two_files() -> Table {
        let mut table = Table::default();
        assert!(table.tie(0, vec![tie(1, "home"), tie(2, ".env"), tie(3, "")]).is_empty());
        assert!(table.tie(1, vec![tie(1, "home"), tie(2, "other"), tie(4, "")]).is_empty());
        table
    }

    #[test]
    fn an_event_concerns_those_who_asked_for_the_name() {
        let mut table = two_files();
        let name = |watch, name: &str| Event::Name(watch, name.into());
        let cases: &[(Event, &[usize])] = &[
            (name(2, ".env"), &[0]),
            (name(2, "other"), &[1]),
            (name(1, "home"), &[0, 1]),
            (name(2, ".bash_history"), &[]),
            (name(1, ".env"), &[]),
            (name(9, ".env"), &[]),
            (Event::Itself(2), &[0, 1]),
            (Event::Itself(3), &[0]),
            (Event::Gone(9), &[]),
        ];
        for (event, files) in cases {
            assert_eq!(touched(&mut table, event), *files, "{event:?}");
        }
        let mut all = Touched::default();
        table.take(&Event::Overflow, &mut all);
        assert!(all.all);
    }

    #[test]
    fn a_watch_is_given_up_with_its_last_file() {
        let mut table = two_files();
        assert_eq!(table.len(), 4);
        // The file was replaced: another inode.
        assert_eq!(table.tie(0, vec![tie(1, "home"), tie(2, ".env"), tie(5, "")]), [3]);
        assert_eq!(table.tie(0, Vec::new()), [5]);
        let mut rest = table.tie(1, Vec::new());
        rest.sort_unstable();
        assert_eq!(rest, [1, 2, 4]);
        assert_eq!((table.len(), table.files().len()), (0, 0));
    }

    #[test]
    fn a_watch_that_is_gone_is_not_given_up_again() {
        let mut table = two_files();
        assert_eq!(touched(&mut table, &Event::Gone(2)), [0, 1]);
        assert_eq!(touched(&mut table, &Event::Gone(2)), [] as [usize; 0]);
        assert_eq!(table.tie(0, vec![tie(1, "home"), tie(7, ".env"), tie(3, "")]), [] as [Watch; 0]);
        assert_eq!(touched(&mut table, &Event::Name(7, ".env".into())), [0]);
    }
}
