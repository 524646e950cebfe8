//! The direction of the arrows (ARCHITECTURE.md): who may know whom.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of this crate that it may name.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("ask", &["clock"]),
    ("bounded", &["clock"]),
    ("checksum", &[]),
    ("clock", &[]),
    ("confine", &[]),
    ("core", &[]),
    ("envfile", &[]),
    ("filesystem", &[]),
    ("git", &["ask", "clock"]),
    ("hardening", &[]),
    ("lease", &[]),
    ("log", &["plain"]),
    ("paths", &[]),
    ("plain", &[]),
    ("residence", &[]),
    ("secret", &[]),
    ("service", &[]),
    ("task", &[]),
    ("zone", &[]),
    ("cron", &["core", "zone"]),
    ("keys", &["core"]),
    ("protocol", &["core"]),
    ("salt", &["core"]),
    ("store", &["checksum", "core"]),
    ("config", &["core", "cron"]),
    ("desktop", &["clock", "plain", "task"]),
    ("watcher", &["clock", "filesystem"]),
    ("view", &["config", "core", "paths", "protocol"]),
    ("http", &["secret"]),
    (
        "consumers",
        &[
            "bounded",
            "clock",
            "config",
            "core",
            "envfile",
            "filesystem",
            "hardening",
            "http",
            "paths",
            "salt",
            "secret",
            "service",
            "worker",
        ],
    ),
    ("rewrite", &["envfile", "filesystem", "lease", "paths", "secret"]),
    ("aws", &["bounded", "clock", "core", "secret"]),
    ("renewal", &["aws", "clock", "consumers", "core", "filesystem", "keys", "probe", "rewrite", "salt", "secret", "worker"]),
    ("probe", &["clock", "confine", "consumers", "core", "http", "salt", "secret", "worker"]),
    (
        "worker",
        &[
            "config",
            "consumers",
            "core",
            "envfile",
            "filesystem",
            "git",
            "hardening",
            "keys",
            "lease",
            "log",
            "probe",
            "renewal",
            "salt",
            "secret",
        ],
    ),
    (
        "daemon",
        &[
            "clock",
            "config",
            "core",
            "cron",
            "desktop",
            "hardening",
            "paths",
            "protocol",
            "residence",
            "salt",
            "store",
            "task",
            "view",
            "watcher",
            "worker",
            "zone",
        ],
    ),
    (
        "client",
        &[
            "ask",
            "checksum",
            "clock",
            "config",
            "consumers",
            "core",
            "cron",
            "desktop",
            "envfile",
            "git",
            "hardening",
            "keys",
            "log",
            "paths",
            "plain",
            "probe",
            "protocol",
            "renewal",
            "rewrite",
            "salt",
            "secret",
            "service",
            "store",
            "view",
            "worker",
            "zone",
        ],
    ),
    ("cli", &["client", "consumers", "daemon", "log", "paths", "plain", "worker"]),
];

/// What the core may know of the world: no I/O, no clock, no async.
const CORE_CRATES: &[&str] = &["jiff", "serde"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The module of a file below `src`, and its text without comments and tests.
fn modules() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("test"))
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap();
            let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            (first.trim_end_matches(".rs").to_owned(), below.to_owned(), code)
        })
        .filter(|(module, ..)| module != "lib" && module != "main")
        .collect()
}

/// The words that follow `prefix` in `code`, also in `{a, b}` groups.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split(prefix).skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && depth == 0 && (c.is_alphabetic() || c == '_') => {
                        names.insert(word(&group[at..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.insert(word(rest));
        }
    }
    names.remove("");
    names
}

#[test]
fn modules_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    for (module, file, code) in modules() {
        let Some((_, may)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("src/{} is in no module of this test's table", file.display()));
            continue;
        };
        for known in named_after(&code, "crate::") {
            let is_module = MAY_KNOW.iter().any(|(name, _)| *name == known);
            if is_module && known != module && !may.contains(&known.as_str()) {
                wrong.push(format!("src/{}: {module} must not know {known}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    for (module, file, code) in modules() {
        if module != "core" {
            continue;
        }
        for krate in named_after(&code, "\nuse ") {
            let fine = ["std", "super", "crate", "self"].contains(&krate.as_str()) || CORE_CRATES.contains(&krate.as_str());
            assert!(fine, "src/{}: the core must not use {krate}", file.display());
        }
        for impure in [
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::env",
            "std::io",
            "SystemTime",
            "Instant",
            "async ",
            "Mutex",
            "::now()",
        ] {
            assert!(!code.contains(impure), "src/{}: the core must not use {impure}", file.display());
        }
    }
}

#[test]
fn the_table_has_every_module_and_no_other() {
    let listed: BTreeSet<_> = MAY_KNOW.iter().map(|(name, _)| (*name).to_owned()).collect();
    let there: BTreeSet<_> = modules().into_iter().map(|(module, ..)| module).collect();
    assert_eq!(listed, there);
}

#[test]
fn names_are_found_in_groups() {
    let names = named_after("use crate::{a, b::{c, d}, e};\ncrate::f::g()", "crate::");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "e", "f"]);
}
