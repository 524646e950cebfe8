//! Real shells, to compare with. Only files that do nothing are run ([`plain`]), and these where they could do nothing:
//! as nobody, without a network, without a sight of other processes, for a second at most.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::plain::{NAMES, is_harmless};
use credd::envfile::{Answer, Reading};

/// HOME of the files that are run; it doesn't exist.
pub const HOME: &str = "/home/u";

/// One file of so many is run, where not all are to be: starting a shell takes longer than reading hundreds.
const SAMPLED: u32 = 64;
/// Set for all to be run.
const ALL: &str = "CREDD_FUZZ_SHELLS";

/// What a shell has for a variable.
#[derive(Debug, PartialEq, Eq)]
struct Has {
    value: Vec<u8>,
    exported: bool,
}

/// Compares what `reading` claims with what bash and zsh have, if `file` is one that is compared: that depends on its
/// contents alone, so that a failure can be repeated.
pub fn compare(file: &[u8], reading: &Reading) {
    static EVERY: OnceLock<u32> = OnceLock::new();
    let every = *EVERY.get_or_init(|| if std::env::var_os(ALL).is_some() { 1 } else { SAMPLED });
    if crc32fast::hash(file).is_multiple_of(every) && is_harmless(file) {
        for shell in shells() {
            compare_with(shell, file, reading);
        }
    }
}

fn compare_with(shell: &str, file: &[u8], reading: &Reading) {
    let has = run(shell, file).unwrap_or_else(|| panic!("{shell} doesn't live to tell what it has"));
    for name in NAMES {
        let has = has.get(name);
        match reading.variable(name) {
            Answer::Static { value, exported, .. } => {
                assert!(has == Some(&Has { value, exported }), "{shell} has another {name} than the reader claims");
            }
            // zsh gives a variable that is exported without a value an empty one.
            Answer::Unset { .. } => assert!(has.is_none_or(|has| has.value.is_empty()), "{shell} has a {name} that the reader denies"),
            Answer::Inherited { .. } | Answer::Dynamic { .. } | Answer::Broken { .. } => {}
        }
    }
}

/// The shells that can be run here, with all that keeps them in; told once.
fn shells() -> &'static [&'static str] {
    static SHELLS: OnceLock<Vec<&str>> = OnceLock::new();
    SHELLS.get_or_init(|| {
        let works = |shell: &&str| run(shell, b"export KEY=x\n").is_some_and(|has| has.contains_key("KEY"));
        let found: Vec<_> = ["bash", "zsh"].into_iter().filter(works).collect();
        eprintln!("compared with: {found:?} (as nobody, in namespaces of their own)");
        found
    })
}

/// What a shell has after `file`; `None` where it didn't tell.
fn run(shell: &str, file: &[u8]) -> Option<HashMap<&'static str, Has>> {
    // The file is read whole before the first of it is run. Which are exported is told by `env`: a builtin of each
    // shell would be one more thing to read.
    let tell: String = NAMES.iter().map(|name| format!("builtin printf '%s\\0' \"${{{name}+=}}${{{name}-}}\"\n")).collect();
    let script = format!("ulimit -t 1\nulimit -c 0\nulimit -f 0\n. \"$1\" 2>/dev/null\n{tell}/usr/bin/env -0\n");
    let mut readable = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile().ok()?;
    readable.write_all(file).ok()?;
    let alone = ["--net", "--pid", "--fork", "--kill-child"];
    let mut command = Command::new("unshare");
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        command.args(alone).args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
    } else {
        command.arg("--user").args(alone);
    }
    command.arg(shell).args(if shell == "zsh" { ["-f", "-c"] } else { ["--norc", "-c"] }).arg(script).arg(shell).arg(readable.path());
    command.env_clear().env("HOME", HOME).env("LC_ALL", "C.UTF-8").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let told = output.status.success().then_some(output.stdout)?;
    let mut fields = told.split(|byte| *byte == 0);
    let values: Vec<_> = NAMES.iter().map(|name| Some((*name, fields.next()?))).collect::<Option<_>>()?;
    let environment: Vec<_> = fields.collect();
    let is_exported =
        |name: &str| environment.iter().any(|line| line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")));
    let set = values.into_iter().filter_map(|(name, field)| {
        let value = field.strip_prefix(b"=")?.to_vec();
        Some((name, Has { value, exported: is_exported(name) }))
    });
    Some(set.collect())
}
