//! What building costs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::CREDD;
use super::arguments::Wanted;
use super::process::megabytes;
use super::support::run;

pub fn measure(_: &Wanted) -> String {
    let target = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    run(cargo().args(["build", "--release", "--locked", "--quiet", "--bin", "credd", "--target-dir"]).arg(target.path()));
    let took = begun.elapsed().as_secs_f64();
    let size = fs::metadata(target.path().join("release/credd")).unwrap().len();
    let said = run(cargo().args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]));
    let crates: BTreeSet<&str> = said.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let names: BTreeSet<&str> = crates.iter().filter_map(|one| one.split(' ').next()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "| `cargo build --release` from nothing | Program | Crates | In several versions |\n| --- | --- | --- | --- |\n\
         | {took:.0} s on {cores} cores | {} | {} | {} |\n",
        megabytes(size),
        crates.len(),
        crates.len() - names.len(),
    )
}

/// Puts the program in place that users build. `cargo bench` has built one with what its own crates want of shared
/// ones.
pub fn program() {
    run(cargo().args(["build", "--release", "--locked", "--quiet", "--bin", "credd"]));
    let copy = Path::new(CREDD).with_extension("copy");
    lay_down(Path::new(CREDD), &copy);
    fs::rename(copy, CREDD).unwrap();
}

/// Copies a program, so that it lies in the page cache as an installed one does: what a linker writes lies there in single
/// pages, of which few are mapped at once, and `credd status` takes a tenth longer of it.
pub fn lay_down(program: &Path, copy: &Path) {
    fs::copy(program, copy).unwrap();
}

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells this program of itself would be news to build scripts, and everything built anew.
    let told = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("CARGO_"));
    for name in told.filter(|name| name != "CARGO_HOME" && name != "CARGO_TARGET_DIR") {
        command.env_remove(name);
    }
    command
}
