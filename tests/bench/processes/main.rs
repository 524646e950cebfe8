//! What credd costs as whole processes, beside what others cost on the same machine in the same run.
//!
//! ```sh
//! tests/setup && tests/setup --only bench
//! cargo bench --bench processes                        # CREDD_LONG=1: ten quiet minutes, 500 of each piece of work, a build
//! cargo bench --bench processes -- --only idle,status --write   # into the README
//! ```
//!
//! As root: the daemon lets nobody else look at its memory and its writes, not even its own user.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that can't be run says why by a panic")]
#![allow(clippy::print_stdout, reason = "its tables")]
#![allow(clippy::disallowed_methods, reason = "it times real programs")]

mod arguments;
mod base;
mod build;
mod edits;
mod idle;
mod log;
mod lookup;
mod peers;
mod process;
#[path = "../readme.rs"]
mod readme;
mod scale;
#[path = "../spread.rs"]
mod spread;
mod stand_in;
mod start;
mod status;
#[path = "../../support/mod.rs"]
mod support;
mod work;

use arguments::Wanted;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// A table, and the mark of its place in the README.
struct Part {
    name: &'static str,
    measure: fn(&Wanted) -> String,
    /// It takes minutes of both cores.
    long: bool,
}

const PARTS: [Part; 8] = [
    Part { name: "idle", measure: idle::measure, long: false },
    Part { name: "work", measure: work::measure, long: false },
    Part { name: "status", measure: status::measure, long: false },
    Part { name: "start", measure: start::measure, long: false },
    Part { name: "edit", measure: edits::measure, long: false },
    Part { name: "scale", measure: scale::measure, long: false },
    Part { name: "lookup", measure: lookup::measure, long: false },
    Part { name: "build", measure: build::measure, long: true },
];

fn main() {
    // The parts that this program plays beside the measured ones.
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(base::COMMAND) => return base::serve(&arguments.next().unwrap()),
        Some(stand_in::COMMAND) => return stand_in::serve(&arguments.collect::<Vec<_>>()),
        _ => {}
    }
    let Some(wanted) = Wanted::of_arguments(&PARTS.each_ref().map(|part| part.name)) else { return };
    build::program();
    for part in PARTS.iter().filter(|part| wanted.wants(part.name, part.long)) {
        let table = (part.measure)(&wanted);
        println!("\n{table}");
        if wanted.write {
            readme::write(&format!("cost-{}", part.name), &table);
        }
    }
}
