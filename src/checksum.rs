//! Which bytes are the same as before: torn and flipped lines of the state, short names for long paths.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// The checksum of zlib and PNG (RFC 1952, section 8), by a table of 1 KB: of larger ones most would be read from disk once,
/// for lines that are shorter.
static CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Tells damage, not deceit.
pub fn crc32(bytes: &[u8]) -> u32 {
    CRC32.checksum(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_what_every_state_was_written_with() {
        for bytes in [&b""[..], b"123456789", &[0xff; 1000]] {
            assert_eq!(super::crc32(bytes), crc32fast::hash(bytes));
        }
    }
}
