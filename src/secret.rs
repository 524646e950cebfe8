//! A value that must not be seen.

use zeroize::Zeroizing;

/// The bytes of a secret: no `Debug`, no `Display`, no `Serialize`; wiped when dropped.
///
/// Secrets live in short-lived worker processes alone (see [`crate::worker`]); the daemon knows
/// [`crate::core::Fingerprint`]s.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of bytes that somebody else wipes.
    pub fn copy(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The value itself: name the reason where you call this.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
