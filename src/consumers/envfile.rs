//! The one place that knows the reader of env files.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::envfile::{Answer, Reading, read};
use crate::secret::Secret;

/// An env file that was read.
pub(super) struct EnvFile(Reading);

impl EnvFile {
    /// Reads a file's bytes; `~` in them is `home`.
    pub(super) fn read(bytes: &[u8], home: &Path) -> Self {
        Self(read(bytes, home.as_os_str().as_bytes()))
    }

    /// The value that it certainly gives a variable, exported or not.
    pub(super) fn value(&self, variable: &str) -> Option<Secret> {
        match self.0.variable(variable) {
            Answer::Static { value, .. } => Some(Secret::new(value)),
            _ => None,
        }
    }

    /// The same; an error where only running the file could tell.
    pub(super) fn certain(&self, variable: &str) -> io::Result<Option<Secret>> {
        match self.0.variable(variable) {
            Answer::Static { value, .. } => Ok(Some(Secret::new(value)).filter(|value| !value.expose().is_empty())),
            Answer::Unset { .. } => Ok(None),
            Answer::Inherited { .. } | Answer::Dynamic { .. } | Answer::Broken { .. } => {
                Err(io::Error::other(format!("only running it could tell the value of {variable}")))
            }
        }
    }

    /// Variables that a child would certainly get, with their values.
    pub(super) fn exports(&self) -> impl Iterator<Item = (Vec<u8>, Secret)> {
        self.0.exports().into_iter().map(|(name, value)| (name, Secret::new(value)))
    }

    /// Variables that a child would certainly not have.
    pub(super) fn unsets(&self) -> Vec<Vec<u8>> {
        self.0.unsets()
    }
}
