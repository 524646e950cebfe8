//! The result in real shells: the new value exactly, and every other variable as before.

use std::fs;
use std::path::{Path, PathBuf};

use credd::envfile::{Answer, Reading, Style, read};
use credd::rewrite::{How, remove_dead};

use crate::generate::{self, Random};
use crate::set;
use crate::shells::{HOME, Outcome, State, source_all};

const TRACKED: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// New values: keys as they are issued, and what is hard to quote.
const VALUES: [&str; 9] = [
    "ABSKQmVkcm9ja0FQSUtleS1uZXc+/Zm9v==",
    "bedrock-api-key-YmVk.cm9j_aw-1",
    "it's \"b\" `c` $d \\e !f",
    "=x:=y:~z",
    "~/x",
    "# a;b&c|d(e)<f>",
    "$(touch pwned)`id`${HOME}",
    "\\",
    "''\\''!\"%*?[a]{b,c}^",
];

/// One file, before and after.
struct Case {
    variable: String,
    new: &'static str,
    before: Vec<u8>,
    after: Vec<u8>,
    how: How,
    derived: Vec<String>,
}

#[derive(Default)]
struct Counts {
    replaced: usize,
    appended: usize,
    refused: usize,
    wrong: Vec<String>,
}

fn corpus() -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/envcorpus");
    let text = fs::read_to_string(directory.join("expected.json")).unwrap();
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    entries.iter().map(|entry| fs::read(directory.join(entry["file"].as_str().unwrap())).unwrap()).collect()
}

/// Replaces a variable of `before` on the disk; `None` where that is refused, and then nothing may have changed.
fn rewritten(dir: &Path, before: &[u8], variable: &str, new: &'static str) -> Option<Case> {
    let path = dir.join("env");
    fs::write(&path, before).unwrap();
    let result = set(&path, variable, new);
    let after = fs::read(&path).unwrap();
    match result {
        Ok(done) => Some(Case { variable: variable.to_owned(), new, before: before.to_vec(), after, how: done.how, derived: done.derived }),
        Err(refusal) => {
            assert!(!refusal.message.is_empty() && !refusal.fix.is_empty());
            assert_eq!(after, before, "{}", refusal.message);
            None
        }
    }
}

/// The variables whose values must be kept: those that the reader claims something of.
fn certain(reading: &Reading) -> Vec<String> {
    let claimed = |name: &String| !matches!(reading.variable(name), Answer::Dynamic { .. } | Answer::Broken { .. });
    reading.names().into_iter().filter(claimed).collect()
}

/// What a shell finds wrong with a case.
fn wrong(case: &Case, before: &Outcome, after: &Outcome, names: &[&str]) -> Option<String> {
    let reading = read(&case.before, HOME.as_bytes());
    let expected = match (reading.style(), before.state(&case.variable)) {
        (_, State::Exported(_)) => State::Exported(case.new.into()),
        (Style::Shell, _) if case.how == How::Appended => State::Exported(case.new.into()),
        _ => State::Shell(case.new.into()),
    };
    if after.state(&case.variable) != expected {
        return Some(format!("{} isn't the new value", case.variable));
    }
    let kept = certain(&reading);
    let others = names.iter().filter(|name| **name != case.variable && kept.iter().any(|kept| kept == *name));
    for name in others {
        let same = before.state(name) == after.state(name);
        if !same && !case.derived.iter().any(|derived| derived == name) {
            return Some(format!("{name} changed"));
        }
    }
    // What children get, of all names.
    for (name, _) in reading.exports() {
        let text = String::from_utf8_lossy(&name);
        let may_change = *text == *case.variable || case.derived.iter().any(|derived| *derived == text);
        if !may_change && before.exported(&name) != after.exported(&name) {
            return Some(format!("the export of {text} changed"));
        }
    }
    None
}

fn judge(cases: &[Case], counts: &mut Counts) {
    let mut names: Vec<String> = cases.iter().flat_map(|case| certain(&read(&case.before, HOME.as_bytes()))).collect();
    names.extend(cases.iter().map(|case| case.variable.clone()));
    names.sort();
    names.dedup();
    // zsh would end with an error where one of its own is asked after in this way.
    names.retain(|name| name.len() > 1 || name.as_bytes()[0].is_ascii_alphabetic());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let originals: Vec<Vec<u8>> = cases.iter().map(|case| case.before.clone()).collect();
    let results: Vec<Vec<u8>> = cases.iter().map(|case| case.after.clone()).collect();
    let told = source_all(&originals, &names).into_iter().zip(source_all(&results, &names));
    for (case, (originals, results)) in cases.iter().zip(told) {
        match case.how {
            How::Appended => counts.appended += 1,
            _ => counts.replaced += 1,
        }
        for (shell, (before, after)) in ["bash", "zsh"].iter().zip(originals.iter().zip(&results)) {
            // A shell that didn't live to tell before needn't now (an environment that is too large).
            let error = match (before, after) {
                // A value may be too long for any program to be started with it.
                (Some(before), _) if before.exported(b"HOME").is_none() => None,
                (Some(before), Some(after)) => wrong(case, before, after, &names),
                (Some(_), None) => Some("it no longer gets to the end".to_owned()),
                (None, _) => None,
            };
            if let Some(error) = error {
                let file = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(1000).collect::<String>();
                let (before, after) = (file(&case.before), file(&case.after));
                counts.wrong.push(format!("{shell}, {} := {}: {error}\n{before}\n--- became\n{after}\n", case.variable, case.new));
            }
        }
    }
}

fn told(what: &str, counts: &Counts) {
    let Counts { replaced, appended, refused, wrong } = counts;
    eprintln!("{what}: {replaced} replaced, {appended} appended, {refused} refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("-----\n"));
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn long() -> bool {
    std::env::var("CREDD_LONG").is_ok_and(|long| long == "1")
}

#[test]
fn the_corpus_with_new_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut counts = Counts::default();
    let files = corpus();
    let mut cases = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let values = if long() { VALUES.to_vec() } else { [0, 4].map(|turn| VALUES[(index + turn) % VALUES.len()]).to_vec() };
        for new in values {
            match rewritten(dir.path(), file, TRACKED, new) {
                Some(case) => cases.push(case),
                None => counts.refused += 1,
            }
        }
    }
    for batch in cases.chunks(200) {
        judge(batch, &mut counts);
    }
    told("corpus", &counts);
    assert!(counts.replaced > counts.refused, "too much is refused");
}

#[test]
fn generated_files_with_new_values() {
    let files = number("CREDD_FILES").unwrap_or(if long() { 30_000 } else { 900 });
    let seed = number("CREDD_SEED").unwrap_or(1);
    let dir = tempfile::tempdir().unwrap();
    let sources = corpus();
    let mut counts = Counts::default();
    for batch in 0..files.div_ceil(300) {
        let mut random = Random::new((seed as u64).wrapping_mul(7_000_003).wrapping_add(batch as u64));
        let mut cases = Vec::new();
        for index in 0..300 {
            let (file, variable) = if index % 4 == 0 {
                (generate::mutation(&mut random, &sources), TRACKED)
            } else {
                (generate::file(&mut random), generate::NAMES[random.below(3)])
            };
            match rewritten(dir.path(), &file, variable, VALUES[random.below(VALUES.len())]) {
                Some(case) => cases.push(case),
                None => counts.refused += 1,
            }
        }
        judge(&cases, &mut counts);
    }
    told("generated", &counts);
}

#[test]
fn dead_lines_are_missed_by_no_shell() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("env");
    let mut random = Random::new(3);
    let sources = corpus();
    let (mut originals, mut results) = (Vec::new(), Vec::new());
    for index in 0..if long() { 6000 } else { 700 } {
        let variable = generate::NAMES[random.below(3)];
        let file = if index < sources.len() {
            [b"AWS_BEARER_TOKEN_BEDROCK=dead\n", &sources[index][..]].concat()
        } else {
            [
                &generate::file(&mut random)[..],
                b"\n",
                format!("{variable}=a\nexport {variable}=b # dead\n").as_bytes(),
                &generate::file(&mut random),
            ]
            .concat()
        };
        let variable = if index < sources.len() { TRACKED } else { variable };
        fs::write(&path, &file).unwrap();
        let gone = remove_dead(&path, variable, Path::new(HOME)).unwrap();
        let after = fs::read(&path).unwrap();
        assert_eq!(gone.is_empty(), after == file);
        if !gone.is_empty() {
            originals.push(file);
            results.push(after);
        }
    }
    let names: Vec<&str> = generate::NAMES.into_iter().chain([TRACKED]).collect();
    let told = source_all(&originals, &names).into_iter().zip(source_all(&results, &names));
    for ((file, left), (one, two)) in originals.iter().zip(&results).zip(told) {
        let kept = certain(&read(file, HOME.as_bytes()));
        for (one, two) in one.iter().zip(&two) {
            let Some(one) = one else { continue };
            let two = two.as_ref().expect("it still gets to the end");
            for name in names.iter().filter(|name| kept.iter().any(|kept| kept == *name)) {
                let (file, left) = (String::from_utf8_lossy(file), String::from_utf8_lossy(left));
                assert!(one.state(name) == two.state(name), "{name} changed:\n{file}\n--- became\n{left}");
            }
        }
    }
    eprintln!("dead lines: {} files of which some went", originals.len());
    assert!(originals.len() > 100);
}
