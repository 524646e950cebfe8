//! A line in the `.gitignore` beside a file.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use atomic_write_file::AtomicWriteFile;

/// Nobody's is longer.
const MOST_BYTES: u64 = 1 << 20;

/// Adds the file to it, or to a new one. What stands there stays, and the last line that fits counts in git.
pub fn add(file: &Path) -> io::Result<()> {
    let (Some(dir), Some(name)) = (file.parent(), file.file_name()) else { return Err(ErrorKind::InvalidInput.into()) };
    let line = pattern(name.as_bytes()).ok_or_else(|| io::Error::other("no line of .gitignore can hold its name"))?;
    let path = dir.join(".gitignore");
    let mut text = match fs::symlink_metadata(&path) {
        // Git follows no link there.
        Ok(found) if !found.is_file() || found.len() > MOST_BYTES => return Err(io::Error::other(".gitignore is no plain file")),
        Ok(_) => fs::read(&path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(line);
    let mut new = AtomicWriteFile::open(&path)?;
    new.write_all(&text)?;
    new.commit()
}

/// A line for this very name in this very directory (gitignore(5)).
fn pattern(name: &[u8]) -> Option<Vec<u8>> {
    if name.contains(&b'\n') || name.contains(&b'\r') {
        return None;
    }
    let mut line = vec![b'/'];
    for byte in name {
        if b"\\*?[ ".contains(byte) {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_one_name() {
        assert_eq!(pattern(b".env").unwrap(), b"/.env\n");
        assert_eq!(pattern(b"!my *keys*").unwrap(), b"/!my\\ \\*keys\\*\n");
        assert_eq!(pattern(b"a\nb"), None);
    }
}
