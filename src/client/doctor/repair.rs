//! What `--fix` can do: repairs that change no key and lose nothing that counts.

use std::fs::File;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags};

use super::ignore;
use crate::client::terminal::clean;
use crate::paths::tilde;
use crate::rewrite;

/// A repair, to be asked about first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Let nobody else read a file.
    Close {
        /// The file itself, behind all links.
        path: PathBuf,
    },
    /// Have git ignore a file.
    Ignore {
        /// The file itself, behind all links.
        path: PathBuf,
    },
    /// Remove assignments that don't count.
    RemoveDead {
        /// The env file.
        path: PathBuf,
        /// Of this variable.
        variable: String,
        /// The lines that they stand on.
        lines: Vec<usize>,
    },
}

impl Repair {
    /// The question, to be answered with yes or no.
    pub fn question(&self, home: &std::path::Path) -> String {
        clean(&match self {
            Self::Close { path } => format!("Let nobody but you read {}?", tilde(path, home)),
            Self::Ignore { path } => format!("Put {} into the .gitignore beside it?", tilde(path, home)),
            Self::RemoveDead { path, variable, lines } => {
                let path = tilde(path, home);
                match lines.as_slice() {
                    [line] => format!("Remove the assignment of {variable} on line {line} of {path}, which doesn't count?"),
                    lines => {
                        let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
                        format!("Remove the assignments of {variable} on lines {} of {path}, which don't count?", lines.join(", "))
                    }
                }
            }
        })
    }

    /// Carries it out: what was done, or why it wasn't and what to do instead.
    pub fn carry_out(&self, home: &std::path::Path) -> Result<String, String> {
        match self {
            Self::Close { path } => {
                let shown = clean(&tilde(path, home));
                close(path).map_err(|error| clean(&format!("{shown} was left as it is: {error}")))?;
                Ok(format!("{shown} can be read by you alone now"))
            }
            Self::Ignore { path } => {
                let shown = clean(&tilde(path, home));
                ignore::add(path).map_err(|error| clean(&format!("{shown} is ignored no more than before: {error}")))?;
                Ok(format!("{shown} is in the .gitignore beside it now"))
            }
            Self::RemoveDead { path, variable, .. } => {
                let shown = tilde(path, home);
                let refused =
                    |refusal: rewrite::Refusal| clean(&format!("{shown} was left as it is: {}; {}", refusal.message, refusal.fix));
                let lines = rewrite::remove_dead(path, variable, home).map_err(refused)?;
                let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
                let what = match lines.len() {
                    0 => "nothing was left to remove from".to_owned(),
                    1 => format!("line {} was removed from", lines[0]),
                    _ => format!("lines {} were removed from", lines.join(", ")),
                };
                Ok(clean(&format!("{what} {shown}")))
            }
        }
    }
}

/// chmod 600, of a regular file of ours alone: the path may have become anything since it was looked at.
fn close(path: &std::path::Path) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(std::io::Error::other("it is not a file of yours"));
    }
    Ok(rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_symlink_that_took_a_file_s_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(close(&link).is_err());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        close(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn questions_name_the_place() {
        let repair = |lines: &[usize]| Repair::RemoveDead { path: "/home/u/x".into(), variable: "K".into(), lines: lines.into() };
        let home = Path::new("/home/u");
        assert_eq!(repair(&[3]).question(home), "Remove the assignment of K on line 3 of ~/x, which doesn't count?");
        assert_eq!(repair(&[1, 3]).question(home), "Remove the assignments of K on lines 1, 3 of ~/x, which don't count?");
    }
}
