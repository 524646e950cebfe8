//! That what comes from others is there for a reason.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]

use std::collections::BTreeSet;

const MANIFEST: &str = include_str!("../Cargo.toml");
const DENY: &str = include_str!("../deny.toml");

/// The lines below a heading that fits, up to the next one.
fn lines_below(text: &'static str, fits: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        if line.starts_with('[') {
            inside = fits(line);
            return false;
        }
        inside
    });
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Whether a line says why it is there, in words.
fn has_reason(line: &str) -> bool {
    line.split_once(" # ").is_some_and(|(_, reason)| reason.trim().len() > 5) || line.contains("reason = \"")
}

#[test]
fn every_dependency_has_its_reason() {
    let lines = lines_below(MANIFEST, |heading| heading.ends_with("dependencies]"));
    let listed: BTreeSet<_> = lines.iter().filter_map(|line| line.split(" = ").next()).collect();
    let manifest: toml::Table = MANIFEST.parse().unwrap();
    let of = |table: &toml::Table| -> Vec<String> {
        let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
        let found = sections.iter().filter_map(|section| table.get(*section)?.as_table());
        found.flat_map(|section| section.keys().cloned()).collect()
    };
    let mut there = of(&manifest);
    let targets = manifest["target"].as_table().unwrap();
    there.extend(targets.values().flat_map(|target| of(target.as_table().unwrap())));
    // Each has a line of its own, so that none escapes the look below.
    assert_eq!(listed, there.iter().map(String::as_str).collect());
    let without: Vec<_> = lines.iter().filter(|line| !has_reason(line)).collect();
    assert!(without.is_empty(), "no reason beside: {without:#?}");
}

/// cargo-deny holds the list; this, that somebody has looked at what each of them does.
#[test]
fn every_build_script_and_exception_has_its_reason() {
    let lines = lines_below(DENY, |heading| heading == "[bans]" || heading == "[bans.build]");
    let entries: Vec<_> = lines.iter().filter(|line| line.starts_with("    ")).collect();
    let deny: toml::Table = DENY.parse().unwrap();
    let bans = &deny["bans"];
    let there = [&bans["skip"], &bans["deny"], &bans["build"]["allow-build-scripts"]];
    assert_eq!(entries.len(), there.iter().map(|list| list.as_array().unwrap().len()).sum::<usize>());
    let without: Vec<_> = entries.iter().filter(|line| !has_reason(line)).collect();
    assert!(without.is_empty(), "no reason beside: {without:#?}");
}
