//! What is to be held.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::support::run;

/// More than this share above what was written down is a failure.
const SLACK: f64 = 0.1;
const HEAD: &str = "# What credd costs, whatever the machine. A test fails where something costs a tenth more.\n\
                    # Written by: CREDD_COSTS=write cargo test --test cost\n\n";

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Costs {
    /// What the instructions were counted with; others count others.
    rustc: String,
    /// Everywhere the same.
    counts: BTreeMap<String, u64>,
    /// Of one compiler.
    instructions: BTreeMap<String, u64>,
}

/// What is to be done with what is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compare where that is possible.
    Ordinary,
    /// Compare everything.
    Check,
    /// Take it as what is to be held.
    Write,
}

impl Mode {
    pub fn now() -> Self {
        match std::env::var("CREDD_COSTS").as_deref() {
            Err(_) | Ok("") => Self::Ordinary,
            Ok("check") => Self::Check,
            Ok("write") => Self::Write,
            Ok(other) => panic!("CREDD_COSTS is check or write, not {other}"),
        }
    }
}

/// Tests run side by side, and share the file.
static FILE: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/costs.toml")
}

fn read() -> Costs {
    fs::read_to_string(path()).map(|text| toml::from_str(&text).unwrap()).unwrap_or_default()
}

fn change(change: impl FnOnce(&mut Costs)) {
    let _one = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut costs = read();
    change(&mut costs);
    fs::write(path(), format!("{HEAD}{}", toml::to_string(&costs).unwrap())).unwrap();
}

/// Holds a count to what was written down.
pub fn hold(name: &str, measured: u64) {
    if Mode::now() == Mode::Write {
        change(|costs| {
            costs.counts.insert(name.to_owned(), measured);
        });
    } else {
        compare(name, measured, read().counts.get(name).copied());
    }
}

/// The same with instructions, which are compared where the same compiler made the program.
pub fn hold_instructions(name: &str, measured: u64) {
    let rustc = rustc();
    if Mode::now() == Mode::Write {
        change(|costs| {
            // Those of another compiler are no measure of this one's.
            if costs.rustc != rustc {
                costs.rustc = rustc;
                costs.instructions.clear();
            }
            costs.instructions.insert(name.to_owned(), measured);
        });
        return;
    }
    let costs = read();
    if costs.rustc == rustc {
        compare(name, measured, costs.instructions.get(name).copied());
    } else {
        eprintln!("not compared: {name}: {measured} instructions by {rustc}; those written down are by {}", costs.rustc);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a tenth is meant, not a last digit")]
fn compare(name: &str, measured: u64, held: Option<u64>) {
    let held = held.unwrap_or_else(|| panic!("{name}: {measured} was never written down: CREDD_COSTS=write cargo test --test cost"));
    let (is, was) = (measured as f64, held as f64);
    assert!(
        is <= was * (1.0 + SLACK),
        "{name}: {measured}, which was {held}; if it is worth that: CREDD_COSTS=write cargo test --test cost"
    );
    if is < was * (1.0 - SLACK) {
        eprintln!("{name}: {measured}, which was {held}; to keep that: CREDD_COSTS=write cargo test --test cost");
    }
}

/// Version and target of the compiler.
fn rustc() -> String {
    let said = run(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"));
    let after = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    format!("{} for {}", after("release: "), after("host: "))
}

#[test]
fn a_tenth_more_is_too_much() {
    compare("a cost", 110, Some(100));
    compare("a cost", 0, Some(0));
    compare("a cost", 1, Some(100));
    for (measured, held) in [(111, Some(100)), (1, Some(0)), (1, None)] {
        let compared = std::panic::catch_unwind(|| compare("a cost", measured, held));
        assert!(compared.is_err(), "{measured}, {held:?}");
    }
}
