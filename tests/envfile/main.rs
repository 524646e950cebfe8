//! The env-file reader against real shells: whatever it claims, bash and zsh must both have.
//!
//! `CREDD_LONG=1` checks 50,000 generated files instead of 2,000 (`CREDD_FILES` says how many), `CREDD_SEED` chooses
//! them, and `CREDD_KEEP` names a directory for those that the reader got wrong.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a test helper may fail loudly, and is no hot path"
)]

mod fragments;
mod generate;
mod shells;

use base64::Engine;
use credd::envfile::{Answer, Reading, Style, read};
use generate::Random;
use serde_json::Value;
use shells::{HOME, Outcome, State, source_all};
use std::fs;
use std::path::PathBuf;

const TRACKED: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// How many of the corpus's files are answered exactly; it only ever grows. The others can't be
/// known without running them, differ between bash and zsh, are broken where the variable stands, or aren't followed.
const EXACT: usize = 177;

struct Case {
    file: String,
    source: Vec<u8>,
    expected: Value,
}

fn corpus() -> Vec<Case> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/envcorpus");
    let text = fs::read_to_string(directory.join("expected.json")).expect("read expected.json");
    let entries: Vec<Value> = serde_json::from_str(&text).expect("parse expected.json");
    entries
        .into_iter()
        .map(|expected| {
            let file = expected["file"].as_str().expect("a file").to_owned();
            let source = fs::read(directory.join(&file)).expect("read a file of the corpus");
            Case { file, source, expected }
        })
        .collect()
}

/// What expected.json has for the tracked variable in `shell`.
fn expected(case: &Case, shell: &str) -> State {
    let tracked = &case.expected[shell]["tracked"];
    let value = || {
        let text = tracked[1].as_str().expect("a value");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    match tracked[0].as_str() {
        Some("exported") => State::Exported(value()),
        Some("shell") => State::Shell(value()),
        _ => State::Unset,
    }
}

/// Whether `state` is what the answer claims; `None` where nothing is claimed.
fn holds(answer: &Answer, state: &State) -> Option<bool> {
    match answer {
        Answer::Static { value, exported: true, .. } => Some(matches!(state, State::Exported(has) if has == value)),
        Answer::Static { value, exported: false, .. } => Some(matches!(state, State::Shell(has) if has == value)),
        // zsh gives a variable that is exported without a value an empty one.
        Answer::Unset { .. } => Some(match state {
            State::Unset => true,
            State::Shell(value) | State::Exported(value) => value.is_empty(),
        }),
        Answer::Inherited { .. } | Answer::Dynamic { .. } | Answer::Broken { .. } => None,
    }
}

#[test]
fn claims_on_the_corpus_are_what_the_shells_had() {
    let (mut exact, mut wrong) = (0, Vec::new());
    let cases = corpus();
    for case in &cases {
        let answer = read(&case.source, HOME.as_bytes()).variable(TRACKED);
        let states = ["bash", "zsh"].map(|shell| holds(&answer, &expected(case, shell)));
        match states {
            [Some(true), Some(true)] => exact += 1,
            [None, None] => {}
            _ => wrong.push(&case.file),
        }
        if case.expected["static"] == false && matches!(answer, Answer::Static { .. }) {
            wrong.push(&case.file);
        }
    }
    assert!(wrong.is_empty(), "wrong: {wrong:?}");
    assert!(exact >= EXACT, "only {exact} of {} are exact", cases.len());
}

#[test]
fn the_shells_of_this_machine_still_agree_with_the_corpus() {
    let cases = corpus();
    let sources: Vec<Vec<u8>> = cases.iter().map(|case| case.source.clone()).collect();
    let outcomes = source_all(&sources, &[TRACKED]);
    let mut differing = Vec::new();
    // A value that no program can be started with, one where the shell ends before it tells, and two with NUL bytes.
    let untold = ["143_layout_long_200k.env", "213_expand_error_unset.env", "053_quote_ansi_c_hex_trail.env", "384_broken_nul_middle.env"];
    for (case, outcome) in cases.iter().zip(&outcomes) {
        if case.expected["static"] == false || case.expected["env_deps"].as_array().is_some_and(|on| !on.is_empty()) {
            continue; // what these end up with depends on the machine
        }
        if untold.contains(&&case.file[..]) {
            continue;
        }
        for (shell, outcome) in ["bash", "zsh"].iter().zip(outcome) {
            let same = outcome.as_ref().is_some_and(|outcome| outcome.state(TRACKED) == expected(case, shell));
            if !same {
                differing.push(format!("{} in {shell}", case.file));
            }
        }
    }
    assert!(differing.is_empty(), "{differing:?}");
}

/// What the reader gets wrong about a file, if anything.
fn check(reading: &Reading, outcomes: &[Option<Outcome>; 2], names: &[&str]) -> (usize, Option<String>) {
    let mut claims = 0;
    for (shell, outcome) in ["bash", "zsh"].iter().zip(outcomes) {
        let Some(outcome) = outcome else {
            continue;
        };
        for name in names {
            match holds(&reading.variable(name), &outcome.state(name)) {
                Some(true) => claims += 1,
                Some(false) => return (claims, Some(format!("{name} in {shell}"))),
                None => {}
            }
        }
        let plain = reading.style() == Style::Plain;
        for (name, value) in reading.exports() {
            if !plain && outcome.exported(&name) != Some(&value) {
                return (claims, Some(format!("an export of {} in {shell}", String::from_utf8_lossy(&name))));
            }
        }
        for name in reading.unsets() {
            if outcome.exported(&name).is_some() {
                return (claims, Some(format!("an unset of {} in {shell}", String::from_utf8_lossy(&name))));
            }
        }
    }
    (claims, None)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn claims_on_generated_files_are_what_the_shells_have() {
    const BATCH: usize = 250;
    let long = std::env::var("CREDD_LONG").is_ok_and(|long| long == "1");
    let seed = number("CREDD_SEED").unwrap_or(1);
    let files = usize::try_from(number("CREDD_FILES").unwrap_or(if long { 50_000 } else { 2_000 })).expect("a number");
    let sources: Vec<Vec<u8>> = corpus().into_iter().map(|case| case.source).collect();
    let names: Vec<&str> = generate::NAMES.into_iter().chain([TRACKED]).collect();
    let mut wrong = Vec::new();
    let (mut claims, mut statics) = (0, 0);
    for batch in 0..files.div_ceil(BATCH) {
        let batch_seed = seed.wrapping_mul(1_000_003).wrapping_add(batch as u64);
        let mut random = Random::new(batch_seed);
        let batch: Vec<Vec<u8>> = (0..BATCH)
            .map(|index| if index % 4 == 0 { generate::mutation(&mut random, &sources) } else { generate::file(&mut random) })
            .collect();
        for (file, outcome) in batch.iter().zip(source_all(&batch, &names)) {
            let reading = read(file, HOME.as_bytes());
            statics += names.iter().filter(|name| matches!(reading.variable(name), Answer::Static { .. })).count();
            let (held, error) = check(&reading, &outcome, &names);
            claims += held;
            if let Some(error) = error {
                if let Some(directory) = std::env::var_os("CREDD_KEEP") {
                    let kept = PathBuf::from(directory).join(format!("{seed}-{}.env", wrong.len()));
                    fs::write(kept, file).expect("keep a file");
                }
                wrong.push(format!("seed {seed}, wrong about {error}:\n{}\n", String::from_utf8_lossy(file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {files} files: \n{}", wrong.len(), wrong[..wrong.len().min(12)].join("-----\n"));
    assert!(statics * 3 > files, "only {statics} values claimed ({claims} claims held) on {files} files");
}
