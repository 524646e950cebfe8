//! Keeping a pid file true: the user's stop script reads it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;

/// Writes a consumer's new main pid. Of several processes of a consumer, each with its own restart, the
/// file belongs to the one whose old pid it holds, else to the first.
pub(super) fn update(path: &Path, old: i32, new: i32, is_first: bool) -> io::Result<()> {
    let known = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if known != Some(old) && !is_first {
        return Ok(());
    }
    // Renamed into place: never half a number, and a planted symlink is replaced, not followed.
    let mut file = AtomicWriteFile::open(path)?;
    writeln!(file, "{new}")?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belongs_to_the_process_it_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let read = || fs::read_to_string(&path).unwrap();
        update(&path, 1, 10, true).unwrap();
        assert_eq!(read(), "10\n");
        update(&path, 2, 20, false).unwrap();
        assert_eq!(read(), "10\n");
        update(&path, 10, 30, false).unwrap();
        assert_eq!(read(), "30\n");
    }
}
