//! Files as the system has them: locks, careful reads, and which file systems tell nobody of changes that are
//! made elsewhere.
//!
//! On the last, inotify sees what this machine does alone, and a refused lease doesn't mean that
//! somebody writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// A file to be locked, made (mode 0600) where there is none; a link in its place, or in its directory's, isn't followed.
pub fn lock_file(path: &Path) -> io::Result<File> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let only_this = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | only_this, Mode::empty())?;
    Ok(File::from(rustix::fs::openat(dir, name, OFlags::RDWR | OFlags::CREATE | only_this, Mode::RUSR | Mode::WUSR)?))
}

/// As many bytes as the file had, no more and no fewer; `Err(None)` where that has changed.
pub fn read_exactly(file: &File, size: usize) -> Result<Zeroizing<Vec<u8>>, Option<io::Error>> {
    // One allocation: a buffer that grows leaves copies behind. One byte more than the file has
    // tells whether it grew.
    let mut bytes = Zeroizing::new(vec![0; size + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(None),
            Err(error) => return Err(Some(error)),
        }
    }
    if filled != size {
        return Err(None);
    }
    bytes.truncate(size);
    Ok(bytes)
}

/// The name of the remote (or otherwise silent) file system that a path is on; `None` for local ones.
///
/// An unknown type counts as local: a poll of every exotic local file system would be paid by all
/// its users for nothing.
#[cfg(target_os = "linux")]
pub fn silent(path: &Path) -> Option<&'static str> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "32 bits, in a field whose width and sign differ between architectures"
    )]
    let kind = rustix::fs::statfs(path).ok()?.f_type as u32;
    silent_magic(kind)
}

/// Elsewhere the caller polls anyway.
#[cfg(not(target_os = "linux"))]
pub fn silent(_: &Path) -> Option<&'static str> {
    None
}

/// By the number that statfs(2) gives.
#[cfg(target_os = "linux")]
fn silent_magic(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE or virtiofs",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x786f_4256 => "a VirtualBox share",
        0xbacb_acbc => "a VMware share",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x2003_0528 => "OrangeFS",
        0x1983_0326 => "BeeGFS",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_trusted() {
        // ext2/3/4, btrfs, xfs, zfs, tmpfs, overlayfs
        for kind in [0xef53, 0x9123_683e, 0x5846_5342, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630] {
            assert_eq!(silent_magic(kind), None, "{kind:#x}");
        }
        assert_eq!(silent_magic(0x6969), Some("NFS"));
        assert_eq!(silent_magic(0xff53_4d42), Some("SMB"));
        assert_eq!(silent(Path::new("/")), None);
        assert_eq!(silent(Path::new("/does/not/exist")), None);
    }
}
