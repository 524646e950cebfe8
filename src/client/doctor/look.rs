//! Reading a file that may be anything.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use zeroize::Zeroizing;

/// A larger one is not written by hand.
const MOST_BYTES: usize = 1 << 20;

/// A regular file of a sensible size, wiped when dropped; `None` for all others. Nothing else is ever opened: opening
/// a pipe or a device may wait, or do something.
pub fn read(path: &Path) -> Option<(Zeroizing<Vec<u8>>, Stat)> {
    size(&rustix::fs::stat(path).ok()?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let stat = rustix::fs::fstat(&file).ok()?;
    // One allocation: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; size(&stat)?]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(filled);
    Some((bytes, stat))
}

fn size(stat: &Stat) -> Option<usize> {
    let size = usize::try_from(stat.st_size).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && size <= MOST_BYTES).then_some(size)
}
