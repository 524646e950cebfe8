//! The program: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("launch") => credd::consumers::launch::launch(),
        Some("worker") => credd::worker::run(),
        _ => ExitCode::from(2),
    }
}
