//! Which file to execute so that a new process looks like the old one.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::find::{file_name, is_interpreter};

/// A file to execute and the arguments (with `argv[0]`) to give it.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The file; a relative path is meant from the process's working directory.
    pub file: PathBuf,
    /// All arguments, the program's own name first.
    pub argv: Vec<OsString>,
}

/// The kernel keeps the first 15 bytes of a program's name (`TASK_COMM_LEN`, with its NUL).
const COMM_LENGTH: usize = 15;

/// What to execute to get the same arguments and the same name in the process table.
///
/// A script that was executed itself (its process has the script's name, its first argument is the
/// interpreter of its first line) is executed again: the kernel then puts the interpreter in front as
/// before. Else it is what `argv[0]` leads to, if that is the program that runs (so that a virtual
/// environment's `python3` is found by its own path), or was when it was replaced by an upgrade; else the
/// program that runs.
pub fn to_start(argv: &[Vec<u8>], exe: &Path, comm: &[u8], dir: &Path, path: Option<&[u8]>) -> Program {
    let words = |from: usize| argv.iter().skip(from).map(|word| OsString::from_vec(word.clone()));
    if let [interpreter, script, ..] = argv
        && is_interpreter(interpreter)
        && let name = file_name(script)
        && comm == &name[..name.len().min(COMM_LENGTH)]
        && script.contains(&b'/')
        && names_interpreter(&dir.join(OsStr::from_bytes(script)), interpreter)
    {
        // By the very path it had: that is what becomes the interpreter's argument.
        return Program { file: OsStr::from_bytes(script).into(), argv: words(1).collect() };
    }
    let named = argv.first().and_then(|name| look_up(name, dir, path));
    let same = |file: &PathBuf| match (fs::canonicalize(file), fs::canonicalize(exe)) {
        (Ok(named), Ok(running)) => named == running,
        (Ok(_), Err(_)) => true,
        _ => false,
    };
    Program { file: named.filter(same).unwrap_or_else(|| exe.to_owned()), argv: words(0).collect() }
}

/// Whether a script can be executed and its first line is this interpreter alone.
fn names_interpreter(script: &Path, interpreter: &[u8]) -> bool {
    let mut head = Vec::new();
    is_executable(script)
        && fs::File::open(script).is_ok_and(|file| file.take(512).read_to_end(&mut head).is_ok())
        && head
            .strip_prefix(b"#!")
            .and_then(|rest| rest.split(|byte| *byte == b'\n').next())
            .is_some_and(|line| line.trim_ascii() == interpreter)
}

/// The file that a program's name leads to, as for execvp(3): by its path, or along `PATH`.
pub fn look_up(name: &[u8], dir: &Path, path: Option<&[u8]>) -> Option<PathBuf> {
    let name = OsStr::from_bytes(name);
    if name.as_bytes().contains(&b'/') {
        return Some(dir.join(name)).filter(|file| is_executable(file));
    }
    std::env::split_paths(OsStr::from_bytes(path?)).map(|entry| dir.join(entry).join(name)).find(|file| is_executable(file))
}

/// Whether a file is there and may be executed by somebody.
pub fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn executable(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn argv(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_script_is_executed_as_the_script_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("litellm");
        executable(&script, "#!/v/bin/python3\nprint()\n");
        let args = argv(&["/v/bin/python3", script.to_str().unwrap(), "--config", ""]);
        let exe = Path::new("/usr/bin/python3.11");
        let found = to_start(&args, exe, b"litellm", dir.path(), None);
        assert_eq!(found.file, script);
        assert_eq!(found.argv, [script.as_os_str(), "--config".as_ref(), "".as_ref()]);
        // Started as `python3 litellm`: the interpreter it is.
        let found = to_start(&args, exe, b"python3", dir.path(), None);
        assert_eq!((found.file.as_path(), found.argv.len()), (exe, 4));
        // Another first line by now.
        executable(&script, "#!/usr/bin/env python3\n");
        assert_eq!(to_start(&args, exe, b"litellm", dir.path(), None).file, exe);
    }

    #[test]
    fn a_virtual_environments_python_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("python3.11");
        executable(&real, "");
        symlink(&real, dir.path().join("python3")).unwrap();
        let link = dir.path().join("python3");
        let exe = fs::canonicalize(&real).unwrap();
        let by_path = argv(&[link.to_str().unwrap(), "x"]);
        assert_eq!(to_start(&by_path, &exe, b"python3", dir.path(), None).file, link);
        let by_name = argv(&["python3", "x"]);
        let path = dir.path().as_os_str().as_bytes();
        assert_eq!(to_start(&by_name, &exe, b"python3", Path::new("/"), Some(path)).file, link);
        assert_eq!(to_start(&by_name, &exe, b"python3", Path::new("/"), None).file, exe);
        assert_eq!(to_start(&argv(&["fake", "x"]), &exe, b"x", dir.path(), Some(path)).file, exe);
        // Replaced by an upgrade: whatever stands there now.
        let gone = dir.path().join("gone");
        assert_eq!(to_start(&by_path, &gone, b"python3", dir.path(), None).file, link);
    }
}
