//! The one place that knows the reader of env files. STAND-IN until branch `env` is merged: literal
//! `export NAME=value` and `unset NAME` lines alone.

use std::path::Path;

use crate::secret::Secret;

/// What sourcing a file would certainly do to an environment.
pub(super) struct Sourced {
    /// Variables exported with a value that can be told.
    pub(super) exports: Vec<(Vec<u8>, Secret)>,
    /// Variables removed.
    pub(super) unsets: Vec<Vec<u8>>,
}

/// Reads a file's bytes.
pub(super) fn source(bytes: &[u8], _home: &Path) -> Sourced {
    let mut found = Sourced { exports: Vec::new(), unsets: Vec::new() };
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"unset ") {
            found.exports.retain(|(known, _)| known != name);
            found.unsets.push(name.to_vec());
        } else if let Some(rest) = line.strip_prefix(b"export ")
            && let Some(at) = rest.iter().position(|byte| *byte == b'=')
        {
            let value = rest[at + 1..].strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(&rest[at + 1..]);
            found.exports.retain(|(known, _)| known != &rest[..at]);
            found.exports.push((rest[..at].to_vec(), Secret::new(value.to_vec())));
        }
    }
    found
}

/// The value that a file certainly gives a variable, exported or not.
pub(super) fn value(bytes: &[u8], home: &Path, variable: &str) -> Option<Secret> {
    source(bytes, home).exports.into_iter().find_map(|(name, value)| (name == variable.as_bytes()).then_some(value))
}
