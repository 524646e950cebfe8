//! Giving a file the owner, mode and extended attributes of another: ACLs and the labels of `SELinux` are such.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;

use rustix::fs::{Gid, Mode, Stat, XattrFlags};
use rustix::io::Errno;

/// No attribute, and no list of them, is larger on Linux.
const LARGEST: usize = 64 << 10;

/// Who may do what besides owner, group and others.
const ACL: &CStr = c"system.posix_acl_access";

/// Makes `to` what `from` is, but for its contents and times.
///
/// The error says what can't be kept. Labels of the system's own (`security.…`, `trusted.…`, `com.apple.…`) are copied where that is
/// allowed; elsewhere the system's policy gives the new file its own.
pub(super) fn copy(from: &File, stat: &Stat, to: &File) -> Result<(), (&'static str, io::Error)> {
    let ours = rustix::fs::fstat(to).map_err(|errno| ("its group", errno.into()))?;
    if ours.st_uid != stat.st_uid {
        return Err(("its owner", io::ErrorKind::PermissionDenied.into()));
    }
    if ours.st_gid != stat.st_gid {
        rustix::fs::fchown(to, None, Some(Gid::from_raw(stat.st_gid))).map_err(|errno| ("its group", errno.into()))?;
    }
    let wanted = names(from).map_err(|errno| ("its extended attributes", errno.into()))?;
    // A directory's default ACL gives a new file one, which the mode below would bring to life.
    for name in names(to).unwrap_or_default() {
        if !wanted.contains(&name) && !is_system(&name) {
            let removed = rustix::fs::fremovexattr(to, &*name);
            if name.as_c_str() == ACL {
                removed.map_err(|errno| ("that it has no ACL", errno.into()))?;
            }
        }
    }
    for name in wanted {
        match copy_one(from, to, &name) {
            // It went in between: whoever removed it is noticed before the swap.
            Ok(()) | Err(Errno::NODATA) => {}
            Err(_) if is_system(&name) => {}
            Err(errno) => return Err(("its extended attributes or ACL", errno.into())),
        }
    }
    // Last: an ACL changes the mode as well, and a change of the group takes bits away.
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode)).map_err(|errno| ("its mode", errno.into()))
}

fn copy_one(from: &File, to: &File, name: &CStr) -> Result<(), Errno> {
    let mut value = vec![0; LARGEST];
    let length = rustix::fs::fgetxattr(from, name, &mut value[..])?;
    let value = value.get(..length).unwrap_or_default();
    // SELinux labels the new file rightly in most cases, and refuses to be told so by most programs.
    let mut has = vec![0; LARGEST];
    if rustix::fs::fgetxattr(to, name, &mut has[..]).is_ok_and(|length| has.get(..length) == Some(value)) {
        return Ok(());
    }
    rustix::fs::fsetxattr(to, name, value, XattrFlags::empty())
}

fn names(file: &File) -> Result<Vec<CString>, Errno> {
    let mut list = vec![0_u8; LARGEST];
    let length = match rustix::fs::flistxattr(file, &mut list[..]) {
        Err(Errno::NOTSUP) => 0,
        other => other?,
    };
    let list = list.get(..length).unwrap_or_default();
    Ok(list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).filter_map(|name| CString::new(name).ok()).collect())
}

fn is_system(name: &CStr) -> bool {
    [&b"security."[..], b"trusted.", b"com.apple."].iter().any(|prefix| name.to_bytes().starts_with(prefix))
}
