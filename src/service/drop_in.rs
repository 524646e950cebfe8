//! What credd lays over a unit of the user's: a drop-in (systemd.unit(5)) that names a file of environment
//! variables (`EnvironmentFile=`, systemd.exec(5)).

use std::fs;
use std::path::{Path, PathBuf};

use super::file::{self, Found};
use super::{Result, ServiceError};

/// The drop-in's file name. Drop-ins count in the order of their names, and a later `EnvironmentFile=`
/// wins: a user who wants the last word has room after it.
const NAME: &str = "50-credd.conf";

/// A unit's drop-in of ours and the file of variables that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropIn {
    /// The drop-in.
    pub path: PathBuf,
    /// The file of variables. It holds keys: not in `UNIT.d`, which people keep under version control, and
    /// not in the state, which holds no secret.
    pub environment: PathBuf,
}

impl DropIn {
    /// Of a unit, by its full name.
    pub fn of(unit: &str, config_home: &Path, data_home: &Path) -> Self {
        // Escaped names of units have backslashes, which would mean something where the file is named.
        let file = unit.replace('\\', "%5C");
        Self {
            path: config_home.join("systemd/user").join(format!("{unit}.d")).join(NAME),
            environment: data_home.join("credd/units").join(format!("{file}.env")),
        }
    }

    /// What the drop-in is to say.
    pub fn text(&self) -> Result<String> {
        // The whole rest of the line is the path, in which wildcards and specifiers mean something.
        let unfit = || ServiceError::UnfitPath { path: self.environment.clone() };
        let name = self.environment.to_str().ok_or_else(unfit)?;
        if super::has_control(name) || name.contains(['*', '?', '[', '{', '\\']) || name.trim() != name {
            return Err(unfit());
        }
        Ok(format!(
            "# {}, which gives this unit the keys in your env files: the unit doesn't read\n\
             # them by itself. Written again at a key's change; `credd uninstall` removes it.\n\
             [Service]\n\
             EnvironmentFile=-{}\n",
            file::MARKER,
            name.replace('%', "%%"),
        ))
    }

    /// What the drop-in says now; `None` where there is none. The error is also of one that isn't ours.
    pub fn read(&self) -> Result<Option<String>> {
        match file::look(&self.path)? {
            Found::Absent => Ok(None),
            Found::Ours(text) => Ok(Some(text)),
            Found::Foreign(why) => Err(ServiceError::ForeignDropIn { path: self.path.clone(), why }),
        }
    }

    /// Writes the drop-in.
    pub fn write(&self, text: &str) -> Result<()> {
        file::write(&self.path, text)
    }

    /// Removes the drop-in, its directory where that is empty then, and the file of variables.
    pub fn remove(&self) -> Result<()> {
        file::remove(&self.path)?;
        if let Some(dir) = self.path.parent() {
            // Others' drop-ins may be in it.
            let _ = fs::remove_dir(dir);
        }
        file::remove(&self.environment)
    }

    /// All that are ours, in the order of their names.
    pub(super) fn all(config_home: &Path) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let entries = fs::read_dir(config_home.join("systemd/user")).into_iter().flatten();
        let ours = entries.filter_map(|entry| {
            let path = entry.ok()?.path().join(NAME);
            let Ok(Found::Ours(text)) = file::look(&path) else {
                return None;
            };
            let named = text.lines().find_map(|line| line.strip_prefix("EnvironmentFile=-"))?;
            Some(Self { path, environment: named.replace("%%", "%").into() })
        });
        for one in ours {
            all.insert(all.partition_point(|other| other.path < one.path), one);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_found_again_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (config, data) = (dir.path().join("c"), dir.path().join("100%/d"));
        let drop_in = DropIn::of("litellm@a\\x2db.service", &config, &data);
        assert_eq!(drop_in.read().unwrap(), None);
        drop_in.write(&drop_in.text().unwrap()).unwrap();
        fs::create_dir_all(drop_in.environment.parent().unwrap()).unwrap();
        fs::write(&drop_in.environment, "K=v\n").unwrap();
        assert!(drop_in.read().unwrap().unwrap().contains("/100%%/d/credd/units/litellm@a%%5Cx2db.service.env\n"));
        let foreign = DropIn::of("other.service", &config, &data);
        fs::create_dir_all(foreign.path.parent().unwrap()).unwrap();
        fs::write(&foreign.path, "[Service]\nEnvironmentFile=-/x\n").unwrap();
        assert!(foreign.read().unwrap_err().to_string().contains("50-credd.conf was not written by credd"));
        assert_eq!(DropIn::all(&config), std::slice::from_ref(&drop_in));
        drop_in.remove().unwrap();
        assert!(!drop_in.path.parent().unwrap().exists() && !drop_in.environment.exists());
        assert!(foreign.path.exists());
    }

    #[test]
    fn a_path_that_would_mean_another_is_refused() {
        for home in ["/a*", "/a\nb", "/[x]", "/a\\b"] {
            assert!(DropIn::of("x.service", Path::new("/c"), Path::new(home)).text().is_err(), "{home:?}");
        }
    }
}
