//! Consumers: the processes that use the keys, and having them take up a new one.
//!
//! All of this runs in a short-lived worker (see [`crate::worker`]), the only place where secrets are
//! handled: [`inspect()`] looks, [`apply()`] acts, [`Provers`] has them prove a key, and [`launch::launch`] is
//! what a new process does first.
//!
//! A process is found by its exact arguments ([`find`]) and held by its identity from then on
//! ([`sys::Held`]); nothing is signalled by number.

mod apply;
mod command;
mod compose;
mod door;
mod envfile;
pub mod environment;
pub mod find;
mod handover;
mod http;
mod inspect;
mod keys_held;
pub mod launch;
mod launchd;
pub mod limits;
mod litellm;
mod lock;
pub mod lookup;
mod pid_file;
mod plain;
mod probe;
mod program;
mod prove;
mod ready;
pub mod review;
mod scrub;
mod start;
mod stop;
pub mod survey;
pub mod sys;
pub mod tracked;
mod unit;

pub use apply::apply;
pub use inspect::{inspect, inspect_with};
pub use lock::{await_idle, is_at_work, lock_path};
pub use probe::Provers;

/// A name as a part of a file's or a unit's: letters, digits, `-` and `.` stay, any other byte becomes `_`
/// and two hexadecimal digits, so that different names stay different.
pub fn file_safe(name: &str) -> String {
    use std::fmt::Write;
    let mut safe = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || (byte == b'.' && !safe.is_empty()) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "_{byte:02x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stay_apart_in_file_names() {
        assert_eq!(super::file_safe("litellm-2.b"), "litellm-2.b");
        assert_eq!(super::file_safe("../x y"), "_2e._2fx_20y");
        assert_ne!(super::file_safe("a_b"), super::file_safe("a/b"));
    }
}
