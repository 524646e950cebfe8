//! Whether somebody has a file open for writing, on Linux.
//!
//! The kernel tells this through file leases alone, and no crate wraps `F_SETLEASE` safely. This is
//! one of the three places in credd with unsafe code (Cargo.toml); everywhere else it is denied.
#![expect(unsafe_code, reason = "fcntl(2) with F_SETLEASE has no safe wrapper; audited here, one call")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{F_RDLCK, F_SETLEASE, F_UNLCK, SIGURG, c_int};

/// In the kernel's `asm-generic/fcntl.h`; the libc crate has it for few targets.
const F_SETSIG: c_int = 10;

/// Whether anybody has the file open for writing. The descriptor must be open for reading alone.
///
/// Asked by taking a read lease, which is refused while there is a writer, and giving it back at
/// once. Who opens the file for writing in between waits for these few microseconds.
///
/// # Errors
/// It can't be told: the file is another user's, or its file system has no leases. On network file
/// systems, `Ok(true)` may mean no more than that the server granted no lease.
pub fn open_for_writing(file: impl AsFd) -> io::Result<bool> {
    let file = file.as_fd();
    // The kernel tells a lease's holder of a writer who waits, by SIGIO, which ends the process
    // unless it is told to use another signal. SIGURG is ignored unless somebody handles it.
    fcntl(file, F_SETSIG, SIGURG)?;
    match fcntl(file, F_SETLEASE, F_RDLCK) {
        Ok(()) => fcntl(file, F_SETLEASE, F_UNLCK).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

fn fcntl(file: impl AsFd, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as it is borrowed; the commands used take an
    // integer and touch no memory.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, argument) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
