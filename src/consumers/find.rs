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

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::lookup::Lookup;
use super::sys::Held;

/// [`Lookup::find`] with a look of its own: every top-level process of this user that matches, oldest first.
pub fn find(words: &[String]) -> io::Result<Vec<Held>> {
    Lookup::new([words]).find(words)
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

/// What a process may be called by: each `first` that its argument vector can match is among these.
pub(super) fn called<A: AsRef<[u8]>>(argv: &[A]) -> impl Iterator<Item = &[u8]> {
    let program = argv.first().map(AsRef::as_ref);
    let script = script(argv).map(|script| script.name);
    program.into_iter().chain(script).flat_map(|argument| {
        let name = file_name(argument);
        std::iter::once(argument).chain((name.len() < argument.len()).then_some(name))
    })
}

/// The arguments after the program's own name, if the program is `program`.
fn after_program<'a, A: AsRef<[u8]>>(program: &[u8], argv: &'a [A]) -> Option<&'a [A]> {
    let (first, rest) = argv.split_first()?;
    if is_named(program, first.as_ref()) {
        return Some(rest);
    }
    let script = script(argv)?;
    let is_it = if script.is_module { script.name == program } else { is_named(program, script.name) };
    is_it.then_some(script.arguments)
}

/// What an interpreter runs.
struct Script<'a, A> {
    name: &'a [u8],
    /// It is a module, not a file.
    is_module: bool,
    arguments: &'a [A],
}

fn script<A: AsRef<[u8]>>(argv: &[A]) -> Option<Script<'_, A>> {
    let (first, rest) = argv.split_first()?;
    if !is_interpreter(first.as_ref()) {
        return None;
    }
    let options = rest.iter().take_while(|argument| is_plain_option(argument.as_ref())).count();
    let (script, arguments) = rest.get(options..)?.split_first()?;
    if script.as_ref() == b"-m" {
        let (module, arguments) = arguments.split_first()?;
        return Some(Script { name: module.as_ref(), is_module: true, arguments });
    }
    Some(Script { name: script.as_ref(), is_module: false, arguments })
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
            assert!(called(argv).any(|name| name == b"litellm"), "{argv:?}");
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
        assert!(called(&["python3", "/a/litellm"]).any(|name| name == b"/a/litellm"));
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
