//! Real shells, to compare with: many files a process, each sourced in a subshell of its own.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// HOME of the sourced files; it doesn't exist, so that nothing is found or written there.
pub const HOME: &str = "/home/u";

/// What a shell has for a variable.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    Unset,
    /// Known to the shell alone.
    Shell(Vec<u8>),
    Exported(Vec<u8>),
}

/// What a shell had after a file.
pub struct Outcome {
    variables: HashMap<String, Vec<u8>>,
    environment: HashMap<Vec<u8>, Vec<u8>>,
}

impl Outcome {
    /// The state of one of the names that were asked for.
    pub fn state(&self, name: &str) -> State {
        match (self.environment.get(name.as_bytes()), self.variables.get(name)) {
            (Some(value), _) => State::Exported(value.clone()),
            (None, Some(value)) => State::Shell(value.clone()),
            (None, None) => State::Unset,
        }
    }

    pub fn exported(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.environment.get(name)
    }
}

/// The shell script that sources every file of a list.
fn driver(names: &[&str]) -> String {
    let variables: String = names.iter().map(|name| format!("builtin printf '%s\\0' \"{name}=${{{name}+=}}${{{name}-}}\"\n")).collect();
    format!(
        "__credd_dump() {{
set +e; set +u; set +x; set +v
# Not from a subshell of the file's own: zsh lets some of them run the trap.
case ${{BASH_SUBSHELL-}}${{ZSH_SUBSHELL-}} in 1) ;; *) return ;; esac
{{ {variables} builtin printf '\\0'; /usr/bin/env -0; }} >| \"$__credd_out\"
}}
while IFS= read -r __credd_file; do
__credd_out=\"$__credd_file.$1\"
( trap __credd_dump EXIT; shift; ulimit -t 2; ulimit -c 0; ulimit -f 4096; . \"$__credd_file\" ) </dev/null >/dev/null 2>&1
done <list
"
    )
}

/// The shell's path: the sourced files get a PATH without any program.
fn find(shell: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(shell)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{shell} isn't there to compare with"))
}

/// Starts a shell on the files `0`, `1`, … in `directory`.
fn start(shell: &str, directory: &Path, names: &[&str]) -> Child {
    let script = directory.join(format!("driver.{shell}"));
    fs::write(&script, driver(names)).expect("write the driver");
    let mut command = Command::new(find(shell));
    if shell == "zsh" {
        command.arg("-f");
    }
    let program = format!("{}/driver.{shell}", directory.display());
    command.arg(program).arg(shell).current_dir(directory);
    command.env_clear().env("HOME", HOME).env("PATH", "/nonexistent").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("start a shell")
}

fn wait(mut child: Child) {
    for _ in 0..12_000 {
        if child.try_wait().expect("wait for the shell").is_some() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    child.kill().expect("end the shell");
    panic!("a shell hangs");
}

/// Reads a dump; `None` where a value with a NUL byte makes it ambiguous.
fn parse(dump: &[u8], names: &[&str]) -> Option<Outcome> {
    let mut outcome = Outcome { variables: HashMap::new(), environment: HashMap::new() };
    let mut fields = dump.split(|byte| *byte == 0);
    for name in names {
        let value = fields.next()?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        if let Some(value) = value.strip_prefix(b"=") {
            outcome.variables.insert((*name).to_owned(), value.to_vec());
        }
    }
    if !fields.next()?.is_empty() {
        return None;
    }
    for field in fields.filter(|field| !field.is_empty()) {
        let equals = field.iter().position(|byte| *byte == b'=')?;
        outcome.environment.insert(field[..equals].to_vec(), field[equals + 1..].to_vec());
    }
    Some(outcome)
}

/// Sources each of `files` in bash and in zsh. `None` where a shell didn't live to tell.
pub fn source_all(files: &[Vec<u8>], names: &[&str]) -> Vec<[Option<Outcome>; 2]> {
    let directory = tempfile::tempdir().expect("make a directory");
    let mut list = String::new();
    for (index, file) in files.iter().enumerate() {
        let path = directory.path().join(index.to_string());
        fs::write(&path, file).expect("write a file");
        list.push_str(&format!("{}\n", path.display()));
    }
    fs::write(directory.path().join("list"), list).expect("write the list");
    let children = ["bash", "zsh"].map(|shell| start(shell, directory.path(), names));
    children.into_iter().for_each(wait);
    let outcome = |index: usize, shell: &str| {
        let dump = fs::read(directory.path().join(format!("{index}.{shell}"))).ok()?;
        parse(&dump, names)
    };
    (0..files.len()).map(|index| [outcome(index, "bash"), outcome(index, "zsh")]).collect()
}
