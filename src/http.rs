//! What requests that carry a secret have in common, whomever they ask.

use std::io::{self, Read};

use ureq::Body;
use ureq::http::{HeaderValue, Response};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// As much of an answer as is needed to tell what it means; the rest is never read.
const LONGEST_BODY: usize = 64 << 10;

/// A bearer token's `Authorization`, which nothing prints; `None` for a value that no header can hold.
///
/// The header's own copy isn't wiped: ureq wants it as it is. Only short-lived workers make one.
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    let header = Zeroizing::new([b"Bearer ", token.expose()].concat());
    let mut header = HeaderValue::from_bytes(&header).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// The beginning of an answer's body, and why there is no more of it, if it broke off; it may quote secrets,
/// so it is never shown.
pub fn beginning(response: &mut Response<Body>) -> (Zeroizing<Vec<u8>>, Option<io::Error>) {
    // One allocation: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; LONGEST_BODY]);
    let mut body = response.body_mut().as_reader();
    let mut filled = 0;
    let mut broken = None;
    while filled < bytes.len() {
        match body.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // What came before may say enough.
                broken = Some(error);
                break;
            }
        }
    }
    bytes.truncate(filled);
    (bytes, broken)
}
