//! The installation's random salt, with which fingerprints are keyed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::core::Fingerprint;

/// 256 random bits, made once per installation, so that fingerprints of two machines can't be linked
/// and one can't be checked against a guessed key without reading the state directory.
pub struct Salt(Zeroizing<[u8; 32]>);

impl Salt {
    /// Where the salt of a state directory is kept.
    pub fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("salt")
    }

    /// Reads the salt, making it first where there is none.
    ///
    /// A salt of the wrong length is an error and never replaced: with a new one, no key that was
    /// seen before would be known again.
    pub fn load_or_create(state_dir: &Path) -> io::Result<Self> {
        match Self::load(state_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(state_dir),
            other => other,
        }
    }

    /// Reads the salt of an installation that has one.
    pub fn load(state_dir: &Path) -> io::Result<Self> {
        let path = Self::path(state_dir);
        let mut file = File::open(&path)?;
        let mut bytes = Zeroizing::new([0; 32]);
        file.read_exact(bytes.as_mut()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{} is cut short: restore it from a backup, or move the state directory away to start anew", path.display()),
            )
        })?;
        Ok(Self(bytes))
    }

    /// One for a single comparison, which is kept nowhere.
    pub fn passing() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }

    fn create(state_dir: &Path) -> io::Result<Self> {
        let Self(bytes) = Self::passing()?;
        // Written beside and linked into place, so that a crash leaves no half salt behind and two
        // starting daemons agree on the first.
        let temporary = state_dir.join(format!("salt.{}", std::process::id()));
        let _ = std::fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes.as_ref())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&temporary, Self::path(state_dir));
        std::fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => File::open(state_dir)?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Self::load(state_dir);
            }
            Err(error) => return Err(error),
        }
        Ok(Self(bytes))
    }

    /// The fingerprint of a key's value.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_ref()).expect("any length");
        mac.update(value);
        let hash = mac.finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Fingerprint::new(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_keys_the_fingerprint() {
        let dir = tempfile::tempdir().unwrap();
        let salt = Salt::load_or_create(dir.path()).unwrap();
        let again = Salt::load_or_create(dir.path()).unwrap();
        assert_eq!(salt.fingerprint(b"key"), again.fingerprint(b"key"));
        assert_ne!(salt.fingerprint(b"key"), salt.fingerprint(b"yek"));
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Salt::load_or_create(elsewhere.path()).unwrap();
        assert_ne!(salt.fingerprint(b"key"), other.fingerprint(b"key"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_short_salt_is_reported_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(Salt::path(dir.path()), b"short").unwrap();
        assert!(Salt::load_or_create(dir.path()).is_err());
        assert_eq!(std::fs::read(Salt::path(dir.path())).unwrap(), b"short");
    }
}
