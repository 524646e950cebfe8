//! `credd metrics`.

use std::io::{BufWriter, Write as _};

use super::noted::Noted;
use super::{Failure, http, offline};
use crate::paths::Paths;

/// Prints the daemon's metrics as they come; without one those of the last saved state, marked by `credd_up 0`.
pub fn run(paths: &Paths) -> Result<u8, Failure> {
    let mut out = Noted::new(BufWriter::new(std::io::stdout().lock()));
    let mut begun = false;
    let done = http::copy(&paths.socket, "/metrics", &mut |piece| {
        begun = true;
        out.write_all(piece)
    });
    let done = match done {
        Err(failure) if failure.code == 3 && !begun => offline::metrics(paths, &mut |piece| out.write_all(piece)),
        done => done,
    };
    let flushed = out.flush();
    match out.into_fault() {
        Some(fault) => Err(fault.into()),
        None => done.and_then(|()| flushed.map_err(Failure::from)).map(|()| 0),
    }
}
