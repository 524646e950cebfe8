//! Where things are (contract, section 2).

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::{BaseDirs, ProjectDirs};

/// Places of one user's credd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The home directory.
    pub home: PathBuf,
    /// The configuration file, which need not exist.
    pub config: PathBuf,
    /// The user named it, so it must exist.
    pub config_named: bool,
    /// State, salt, history and lock.
    pub state_dir: PathBuf,
    /// The daemon's socket.
    pub socket: PathBuf,
}

/// Places that the user named on the command line or in the environment.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// `--config`, `CREDD_CONFIG`.
    pub config: Option<PathBuf>,
    /// `--state-dir`, `CREDD_STATE_DIR`.
    pub state_dir: Option<PathBuf>,
    /// `--socket`, `CREDD_SOCKET`.
    pub socket: Option<PathBuf>,
}

impl Paths {
    /// Works out the places; an error if there is no home directory.
    pub fn find(named: Named) -> Result<Self, String> {
        let missing = || "no home directory is known; set HOME".to_owned();
        let base = BaseDirs::new().ok_or_else(missing)?;
        let project = ProjectDirs::from("", "", "credd").ok_or_else(missing)?;
        let config_named = named.config.is_some();
        let config = named.config.unwrap_or_else(|| project.config_dir().join("config.toml"));
        let state_dir = named.state_dir.unwrap_or_else(|| match project.state_dir() {
            Some(dir) => dir.to_owned(),
            None => project.data_dir().join("state"),
        });
        let socket = named.socket.unwrap_or_else(|| match project.runtime_dir() {
            Some(dir) if dir.parent().is_some_and(Path::is_dir) => dir.join("credd.sock"),
            _ => state_dir.join("credd.sock"),
        });
        let home = base.home_dir().to_owned();
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Self { home, config: absolute(config), config_named, state_dir: absolute(state_dir), socket: absolute(socket) })
    }
}

/// Why this path can't be a socket's, if so: the kernel has room for so many bytes (unix(7)).
pub fn too_long_for_a_socket(path: &Path) -> Option<String> {
    const MOST: usize = if cfg!(target_os = "macos") { 103 } else { 107 };
    let length = path.as_os_str().len();
    (length > MOST).then(|| {
        format!(
            "the path of the socket {} is {length} bytes long, and the system takes {MOST}; name a shorter one with --socket",
            path.display()
        )
    })
}

/// Makes a directory for this user alone, or checks that an existing one is ours.
///
/// The last component is never a symlink that somebody planted: a symlink there is refused unless it
/// is our own.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let own = rustix::process::geteuid().as_raw();
    let found = fs::symlink_metadata(dir)?;
    let target = fs::metadata(dir)?;
    if found.uid() != own || target.uid() != own || !target.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is not a directory of yours; remove it, or name another place", dir.display()),
        ));
    }
    if target.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A path as people read it: `~` for their home.
pub fn tilde(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(below) if !below.as_os_str().is_empty() => format!("~/{}", below.display()),
        _ => path.display().to_string(),
    }
}

/// Text in which paths are as people read them.
pub fn tilde_in(text: &str, home: &Path) -> String {
    let home = home.display().to_string();
    let is_home = |at: usize| {
        let is_whole = text[at + home.len()..].starts_with('/');
        is_whole && !text[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-".contains(c))
    };
    let mut short = String::with_capacity(text.len());
    let mut told = 0;
    for (at, _) in text.match_indices(&home).filter(|(at, _)| home.len() > 1 && is_home(*at)) {
        short.push_str(&text[told..at]);
        short.push('~');
        told = at + home.len();
    }
    short + &text[told..]
}

/// A path as a shell reads it: `~` where nothing in it means more to the shell.
pub fn shell_word(path: &Path, home: &Path) -> String {
    let short = tilde(path, home);
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@%".contains(c);
    if short.strip_prefix('~').unwrap_or(&short).chars().all(plain) {
        short
    } else {
        format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_directory_is_ours_alone() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b");
        private_dir(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        private_dir(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        assert!(private_dir(&base.path().join("file")).is_err());
    }

    #[test]
    fn the_home_is_told_from_what_only_begins_like_it() {
        let text = "/home/u/a and (/home/u/b), not /home/user/c, /mnt/home/u/d or /home/u";
        assert_eq!(tilde_in(text, Path::new("/home/u")), "~/a and (~/b), not /home/user/c, /mnt/home/u/d or /home/u");
        assert_eq!(tilde_in("/etc/x", Path::new("/")), "/etc/x");
    }

    #[test]
    fn a_shell_reads_what_is_meant() {
        let home = Path::new("/home/u");
        for (path, word) in [
            ("/home/u/.backlog-toolkit-env", "~/.backlog-toolkit-env"),
            ("/home/u/my keys/$x", "'/home/u/my keys/$x'"),
            ("/srv/it's", "'/srv/it'\\''s'"),
            ("/srv/~x", "'/srv/~x'"),
        ] {
            assert_eq!(shell_word(Path::new(path), home), word);
        }
    }

    #[test]
    fn home_is_a_tilde() {
        assert_eq!(tilde(Path::new("/home/u/x"), Path::new("/home/u")), "~/x");
        assert_eq!(tilde(Path::new("/home/ux"), Path::new("/home/u")), "/home/ux");
        assert_eq!(tilde(Path::new("/home/u"), Path::new("/home/u")), "/home/u");
    }
}
