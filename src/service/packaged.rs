//! A unit that a package brought along.
//!
//! A unit of the user's own would stand before it, and wouldn't change with the package. So what the package can't know
//! is laid over it: the `PATH`, and the options.

use std::path::{Path, PathBuf};

use super::file::{self, Found};
use super::{InstallOptions, Manager, Result, ServiceError, UNIT};

/// Where packages put units, of all places in which a user's systemd looks (systemd.unit(5)).
pub const DIRECTORIES: [&str; 2] = ["/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];

/// The drop-in's file name: early, so that what `systemctl --user edit credd` writes has the last word.
const NAME: &str = "10-credd-install.conf";

/// The package's unit, where it starts this very program.
pub(super) fn unit(options: &InstallOptions) -> Option<PathBuf> {
    let starts_it = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let program = text.lines().find_map(|line| line.strip_prefix("ExecStart=")?.split(' ').next());
        program.is_some_and(|program| Path::new(program) == options.exe)
    };
    let here = options.manager == Manager::Systemd;
    options.packaged_in.iter().filter(|_| here).map(|dir| dir.join(UNIT)).find(starts_it)
}

/// The unit of one's own.
pub(super) fn own_unit(options: &InstallOptions) -> PathBuf {
    options.config_home.join("systemd/user").join(UNIT)
}

/// What is laid over the package's unit.
pub(super) fn drop_in(options: &InstallOptions) -> PathBuf {
    options.config_home.join("systemd/user").join(format!("{UNIT}.d")).join(NAME)
}

/// What an installation of the other kind left, and now is in the way: a unit of one's own, or a drop-in, which would be
/// laid over that.
pub(super) fn in_the_way(options: &InstallOptions) -> Result<Option<PathBuf>> {
    if options.manager != Manager::Systemd {
        return Ok(None);
    }
    let (own, drop_in) = (own_unit(options), drop_in(options));
    let path = if options.path() == own { drop_in } else { own };
    match file::look(&path)? {
        Found::Absent => Ok(None),
        Found::Ours(_) => Ok(Some(path)),
        Found::Foreign(_) if options.force => Ok(Some(path)),
        Found::Foreign(why) => Err(ServiceError::Foreign { path, why }),
    }
}

/// Removes the file, and a drop-in's directory where that is empty then.
pub(super) fn remove(path: &Path) -> Result<()> {
    file::remove(path)?;
    if let Some(dir) = path.parent().filter(|dir| dir.ends_with(format!("{UNIT}.d"))) {
        // The user's own drop-ins may be in it.
        let _ = std::fs::remove_dir(dir);
    }
    Ok(())
}

/// A name of the program that its next version has too: Homebrew and Nix keep each version in a folder of its own, which
/// goes with it, and a link to it on the `PATH`.
pub fn lasting_name(exe: PathBuf, path_env: &std::ffi::OsStr) -> PathBuf {
    let of_one_version = |path: &Path| path.starts_with("/nix/store") || path.components().any(|part| part.as_os_str() == "Cellar");
    let Some(name) = exe.file_name().filter(|_| of_one_version(&exe)) else { return exe };
    let links = std::env::split_paths(path_env).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
    let mut lasting = links.filter(|link| !of_one_version(link) && link.canonicalize().is_ok_and(|target| target == exe));
    lasting.next().unwrap_or(exe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_s_own_folder_is_not_named_where_a_link_leads_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (kept, bin) = (dir.join("Cellar/credd/0.1.0/bin"), dir.join("bin"));
        for folder in [&kept, &bin] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let exe = kept.join("credd");
        std::fs::write(&exe, "").unwrap();
        let path_env = std::env::join_paths([&kept, &bin]).unwrap();
        assert_eq!(lasting_name(exe.clone(), &path_env), exe);
        std::os::unix::fs::symlink(&exe, bin.join("credd")).unwrap();
        assert_eq!(lasting_name(exe, &path_env), bin.join("credd"));
        // Elsewhere a link is nobody's promise.
        let plain = dir.join("plain");
        std::fs::write(&plain, "").unwrap();
        std::os::unix::fs::symlink(&plain, bin.join("plain")).unwrap();
        assert_eq!(lasting_name(plain.clone(), &path_env), plain);
    }
}
