//! The files that are offered, as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::run;
use crate::{VERSION, dist, is_long, made, ours, program};

/// All files in a folder, by their paths within it.
fn files(dir: &Path) -> BTreeSet<String> {
    run(Command::new("find").arg(dir).args(["-type", "f", "-printf", "%P\\n"])).lines().map(str::to_owned).collect()
}

#[test]
fn every_file_has_its_checksum() {
    let said = run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(dist()));
    let mut checked: BTreeSet<_> = said.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect();
    checked.insert("SHA256SUMS".to_owned());
    assert_eq!(checked, files(dist()));
    let sorts = ["deb", "rpm", "tar.gz", "cdx.json", "credd.rb", "PKGBUILD", ".SRCINFO", "default.nix", "Cargo.lock"];
    for sort in sorts {
        assert!(checked.iter().any(|name| name.ends_with(sort)), "no {sort}: {checked:?}");
    }
    // What the recipes name is the sources' own.
    let sums = fs::read_to_string(dist().join("SHA256SUMS")).unwrap();
    let sources = format!("  credd-{VERSION}.tar.gz");
    let sum = sums.lines().find_map(|line| line.strip_suffix(&sources)).unwrap();
    for recipe in ["homebrew/credd.rb", "aur/PKGBUILD", "aur/.SRCINFO", "nix/default.nix"] {
        let text = fs::read_to_string(dist().join(recipe)).unwrap();
        assert_eq!(text.matches(sum).count(), 1, "{recipe}: {text}");
        assert!(!text.contains("@CREDD_") && text.contains(VERSION), "{recipe}: {text}");
    }
}

#[test]
fn the_sources_are_the_commit_s() {
    let dir = tempfile::tempdir().unwrap();
    run(Command::new("tar").arg("xzf").arg(made(&format!("credd-{VERSION}.tar"), ".gz")).arg("-C").arg(dir.path()));
    let tracked = run(ours("/usr/bin/git").args(["ls-tree", "-r", "-z", "--name-only", "HEAD"]));
    let tracked: BTreeSet<_> = tracked.split_terminator('\0').map(str::to_owned).collect();
    assert_eq!(files(&dir.path().join(format!("credd-{VERSION}"))), tracked);
}

/// Each is unpacked, and its program asked for its version with nothing else at hand.
#[test]
fn a_program_comes_with_its_manual_completions_and_unit() {
    let bundles: &[&str] = if is_long() { &["-gnu.tar.gz", "-musl.tar.gz"] } else { &["-gnu.tar.gz"] };
    for end in bundles {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("tar").arg("xzf").arg(made("credd-", end)).args(["--strip-components=1", "-C"]).arg(dir.path()));
        let there = files(dir.path());
        let wanted = ["LICENSE", "THIRD-PARTY", "README.md", "credd.service", "man/credd.1", "completions/_credd"];
        assert!(wanted.iter().all(|name| there.contains(*name)), "{there:?}");
        let mut program = Command::new(dir.path().join("credd"));
        assert_eq!(run(program.arg("--version").env_clear()), format!("credd {VERSION}\n"));
        if end.contains("musl") {
            let file = run(Command::new("readelf").args(["--dynamic", "--program-headers"]).arg(dir.path().join("credd")));
            assert!(!file.contains("(NEEDED)") && !file.contains("interpreter"), "{file}");
        }
    }
}

#[test]
fn packages_are_the_same_bytes_whoever_makes_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec packaging/packages \"$0\" \"$1\""]).arg(program()).arg(dir.path());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("CREDD_MAINTAINER").env_remove("CREDD_HOMEPAGE");
    command.envs([("TZ", "Pacific/Chatham"), ("LANG", "tr_TR.UTF-8"), ("USER", "somebody")]);
    if !is_long() {
        command.env("CREDD_TRIAL", "yes");
    }
    let said = run(&mut command);
    assert_eq!(said.lines().count(), 2, "{said}");
    for path in said.lines().map(Path::new) {
        let first = dist().join(path.file_name().unwrap());
        assert!(fs::read(path).unwrap() == fs::read(&first).unwrap(), "they differ: {} (diffoscope says in what)", first.display());
    }
}
