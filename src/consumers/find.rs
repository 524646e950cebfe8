//! Finding a consumer's processes: by uid and exact argument vector, never by a part of a string.
//!
//! A process matches `match = [first, others…]` when
//!
//! 1. its program is `first`: the file name of `argv[0]` equals it, or `argv[0]` is an interpreter
//!    (`python*`, `pypy*`, `node`, `ruby`) and the file name of the script it runs equals it, or it runs
//!    `-m first`. Before the script, only options that take no value of their own may stand (`-u`,
//!    `-IB`). A `first` with a slash in it is compared with the whole argument. Shells are no
//!    interpreters here: what `sh -c` runs is a process of its own;
//! 2. and each other word equals one of the later arguments, or, if it is an option (`--config`),
//!    begins one that goes on with `=` (`--config=/etc/litellm.yaml`).
//!
//! So `vim litellm --config`, `tail -f litellm --config` and `sh -c "litellm --config …"` never match.
//! Only the topmost matching process of a tree counts: gunicorn's and granian's workers carry their
//! parent's arguments and go with it.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::sys::{self, Held};

/// Every top-level process of this user that matches, oldest first, each held by its identity.
///
/// A process that ends meanwhile is left out, and so is one of another PID namespace (a container's):
/// its program and files aren't this system's. The error is of looking at processes at all.
pub fn find(words: &[String]) -> Result<Vec<Held>, sysinfo::Error> {
    Ok(Table::read()?.find(words))
}

/// Matching processes of this user in other PID namespaces: those of containers, seen from outside.
pub fn contained(words: &[String]) -> Result<Vec<Held>, sysinfo::Error> {
    Ok(Table::read()?.contained(words))
}

/// All processes, read once for however many consumers are looked for.
pub struct Table {
    parents: HashMap<Pid, Option<Pid>>,
    /// The user's own, with their arguments.
    own: Vec<(Pid, Vec<OsString>)>,
}

impl Table {
    /// Reads it. The error is of looking at processes at all.
    pub fn read() -> Result<Self, sysinfo::Error> {
        let mut system = System::new()?;
        // Command lines and owners alone: 7 to 14 ms among 105 processes, where the default, which lists
        // threads too, takes 29 to 59. The system is dropped on return: it caches descriptors.
        system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always).with_user(UpdateKind::Always).without_tasks(),
        );
        let uid = rustix::process::getuid().as_raw();
        let parents = system.processes().iter().map(|(pid, process)| (*pid, process.parent())).collect();
        let own = system
            .processes()
            .iter()
            .filter(|(_, process)| process.thread_kind().is_none() && process.user_id().is_some_and(|owner| **owner == uid))
            .map(|(pid, process)| (*pid, process.cmd().to_vec()))
            .collect();
        Ok(Self { parents, own })
    }

    /// As [`find`].
    pub fn find(&self, words: &[String]) -> Vec<Held> {
        let mut held = self.all(words);
        held.retain(sys::is_native);
        held
    }

    /// As [`contained`].
    pub fn contained(&self, words: &[String]) -> Vec<Held> {
        let mut held = self.all(words);
        held.retain(|process| !sys::is_native(process));
        held
    }

    fn all(&self, words: &[String]) -> Vec<Held> {
        let mut held: Vec<Held> = self
            .candidates(words)
            .into_iter()
            .filter_map(|pid| Held::open(pid).ok())
            // Looked up by a number that may have changed hands since: ask the one that is held.
            .filter(|process| process.argv().is_ok_and(|argv| matches(words, &argv)))
            .collect();
        held.sort_by_key(|process| (process.start_ticks(), process.pid()));
        held
    }

    /// Pids of matching processes of this user without a matching ancestor.
    fn candidates(&self, words: &[String]) -> Vec<i32> {
        let is_meant = |argv: &[OsString]| matches(words, &argv.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>());
        let matching: HashSet<Pid> = self.own.iter().filter(|(_, argv)| is_meant(argv)).map(|(pid, _)| *pid).collect();
        let parent_of = |pid: &Pid| self.parents.get(pid).copied().flatten();
        let has_matching_ancestor = |pid: &Pid| {
            // Bounded, since the table isn't one instant's and could show a circle.
            std::iter::successors(parent_of(pid), parent_of).take(self.parents.len()).any(|ancestor| matching.contains(&ancestor))
        };
        matching.iter().filter(|pid| !has_matching_ancestor(pid)).filter_map(|pid| i32::try_from(pid.as_u32()).ok()).collect()
    }
}

/// Whether an argument vector is what `match` describes (see the module's head).
pub fn matches<A: AsRef<[u8]>>(words: &[String], argv: &[A]) -> bool {
    let Some((program, others)) = words.split_first() else {
        return false;
    };
    let Some(rest) = after_program(program.as_bytes(), argv) else {
        return false;
    };
    others.iter().all(|word| {
        let word = word.as_bytes();
        rest.iter().any(|argument| {
            let argument = argument.as_ref();
            argument == word || word.starts_with(b"-") && argument.strip_prefix(word).is_some_and(|value| value.starts_with(b"="))
        })
    })
}

/// The arguments after the program's own name, if the program is `program`.
fn after_program<'a, A: AsRef<[u8]>>(program: &[u8], argv: &'a [A]) -> Option<&'a [A]> {
    let (first, rest) = argv.split_first()?;
    if is_named(program, first.as_ref()) {
        return Some(rest);
    }
    if !is_interpreter(first.as_ref()) {
        return None;
    }
    let options = rest.iter().take_while(|argument| is_plain_option(argument.as_ref())).count();
    let (script, arguments) = rest.get(options..)?.split_first()?;
    if script.as_ref() == b"-m" {
        let (module, arguments) = arguments.split_first()?;
        return (module.as_ref() == program).then_some(arguments);
    }
    is_named(program, script.as_ref()).then_some(arguments)
}

fn is_named(program: &[u8], argument: &[u8]) -> bool {
    if program.contains(&b'/') { argument == program } else { file_name(argument) == program }
}

pub(super) fn is_interpreter(argument: &[u8]) -> bool {
    let name = file_name(argument);
    // python3, python3.11, pypy3.10: the name and a version, nothing else.
    ["python", "pypy"].iter().any(|family| {
        name.strip_prefix(family.as_bytes()).is_some_and(|version| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
    }) || name == b"node"
        || name == b"ruby"
}

/// Options of Python that take no value, alone or run together.
fn is_plain_option(argument: &[u8]) -> bool {
    argument
        .strip_prefix(b"-")
        .is_some_and(|letters| !letters.is_empty() && letters.iter().all(|letter| b"bBdEiIOPqRsSuv".contains(letter)))
}

pub(super) fn file_name(argument: &[u8]) -> &[u8] {
    argument.rsplit(|byte| *byte == b'/').next().unwrap_or(argument)
}

/// The value of an option, as `--config FILE` or `--config=FILE`; the last one counts, as in click.
pub fn option<'a>(argv: &'a [Vec<u8>], names: &[&str]) -> Option<&'a OsStr> {
    let mut found = None;
    for (index, argument) in argv.iter().enumerate() {
        for name in names {
            let name = name.as_bytes();
            if argument == name {
                found = argv.get(index + 1).map(Vec::as_slice).or(found);
            } else if let Some(value) =
                argument.strip_prefix(name).filter(|_| name.starts_with(b"--")).and_then(|value| value.strip_prefix(b"="))
            {
                found = Some(value);
            }
        }
    }
    found.map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_litellm(argv: &[&str]) -> bool {
        matches(&["litellm".to_owned(), "--config".to_owned()], argv)
    }

    #[test]
    fn the_ways_litellm_is_run_match() {
        for argv in [
            &["litellm", "--config", "c.yaml"][..],
            &["/opt/venv/bin/litellm", "--config", "c.yaml"],
            &["/v/bin/python3", "/v/bin/litellm", "--config", "c.yaml", "--port", "8000"],
            &["python3.11", "litellm", "--port", "8000", "--config=c.yaml"],
            &["python", "-u", "/v/bin/litellm", "--config", "c"],
            &["python3", "-Bu", "-m", "litellm", "--config", "c"],
            &["/v/bin/pypy3.10", "/v/bin/litellm", "--config", "c"],
        ] {
            assert!(is_litellm(argv), "{argv:?}");
        }
    }

    #[test]
    fn nothing_else_does() {
        for argv in [
            &[][..],
            &["litellm"],
            &["litellm", "--configure", "x"],
            &["litellm", "--port", "8000"],
            &["litellm-proxy", "--config", "x"],
            &["vim", "litellm", "--config", "x"],
            &["tail", "-f", "litellm", "--config"],
            &["grep", "litellm --config"],
            &["bash", "-c", "litellm --config x"],
            &["sh", "litellm", "--config", "x"],
            &["python3", "-c", "litellm", "--config"],
            &["python3", "edit.py", "litellm", "--config"],
            &["python3", "-W", "litellm", "--config"],
            &["python3-config", "litellm", "--config"],
            &["pythonic", "litellm", "--config"],
            &["nohup", "litellm", "--config", "x"],
            &["/bin/litellm/python3", "x", "--config"],
            &["python3", "-m"],
            &["python3"],
            &["--config", "litellm"],
        ] {
            assert!(!is_litellm(argv), "{argv:?}");
        }
    }

    #[test]
    fn other_words_are_exact_and_a_path_is_whole() {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(matches(&words(&["/a/litellm"]), &["python3", "/a/litellm"]));
        assert!(!matches(&words(&["/a/litellm"]), &["python3", "/b/litellm"]));
        assert!(!matches(&words(&["litellm", "a"]), &["litellm", "a=b"]));
        assert!(matches(&words(&["litellm", "a"]), &["litellm", "b", "a"]));
        assert!(!matches(&[], &["litellm"]));
    }

    #[test]
    fn the_value_of_an_option() {
        let argv: Vec<Vec<u8>> = ["litellm", "-c", "a", "--config=b", "--port"].iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(option(&argv, &["--config", "-c"]), Some(OsStr::new("b")));
        assert_eq!(option(&argv, &["-c"]), Some(OsStr::new("a")));
        assert_eq!(option(&argv, &["--port"]), None);
    }
}
