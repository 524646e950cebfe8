//! The program: see the library's documentation.
//!
//! Where the C library hands the arguments to whoever asks (glibc does, musl doesn't), it is entered without the start-up of
//! Rust's library. That one reads `/proc/self/maps` and makes a second stack, for a message when the first overflows: a
//! fourteenth of what `credd status` takes. The kernel ends the process there without it as well.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), no_main)]

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    credd::cli::main().into()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod start {
    use std::ffi::{c_char, c_int};
    use std::fs::File;
    use std::os::fd::{AsRawFd as _, IntoRawFd as _};

    /// What the C library calls.
    #[expect(unsafe_code, reason = "a symbol's name; there is one main, since `no_main` keeps Rust from making its own")]
    #[unsafe(no_mangle)]
    extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
        // The two things that Rust's start-up does and this program relies on: a reader that goes away is an error to
        // write to, not the end; and nothing that is opened later takes the place of a standard stream that was closed.
        #[expect(unsafe_code, reason = "signal(2) has no safe wrapper")]
        // SAFETY: a signal that is ignored runs no code, and there is one thread.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
        while let Ok(file) = File::options().read(true).write(true).open("/dev/null") {
            if file.as_raw_fd() > 2 {
                break;
            }
            let _ = file.into_raw_fd();
        }
        credd::cli::main().into()
    }
}
