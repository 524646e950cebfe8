//! The environment of a unit: where its variables come from, and the drop-in that gives it ours.
//!
//! A unit can't be given a key as a property (`SetUnitProperties`, `systemctl set-environment`): every
//! process of the user could read it there. So it gets a file of mode 0600, which a drop-in names.
//! `EnvironmentFile=` overrides `Environment=`, and of several files a later one wins (systemd.exec(5)).

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use directories::BaseDirs;
use zeroize::Zeroizing;

use super::environment_file::{self, parse};
use crate::consumers::environment::read_file;
use crate::consumers::sys::Bus;
use crate::paths::private_dir;
use crate::secret::Secret;
use crate::service::DropIn;

/// Variables and their values.
type Variables = Vec<(Vec<u8>, Secret)>;

/// What there is of ours for a unit.
pub(super) struct Laid {
    /// The drop-in's text.
    text: String,
    /// The contents of the file that it names; none where that is gone.
    variables: Option<Secret>,
}

/// A unit's environment, to be changed and put back.
pub(super) struct Refresh<'a> {
    bus: &'a Bus,
    unit: &'a str,
    drop_in: DropIn,
    /// What was there before.
    before: Option<Laid>,
}

impl<'a> Refresh<'a> {
    /// Looks at what there is of ours. The error says what is in the way.
    pub(super) fn of(bus: &'a Bus, unit: &'a str) -> Result<Self, String> {
        let base = BaseDirs::new().ok_or("no home directory is known")?;
        let drop_in = DropIn::of(unit, base.config_dir(), base.data_local_dir());
        let before = match drop_in.read().map_err(|error| error.to_string())? {
            Some(text) => Some(Laid { text, variables: read_file(&drop_in.environment).ok() }),
            None => None,
        };
        Ok(Self { bus, unit, drop_in, before })
    }

    /// Whether there is something of ours.
    pub(super) fn is_laid(&self) -> bool {
        self.before.is_some()
    }

    /// The variables that our file held before.
    pub(super) fn laid_before(&self) -> Variables {
        self.before.iter().filter_map(|laid| laid.variables.as_ref()).flat_map(|bytes| parse(bytes.expose())).collect()
    }

    /// What systemd gives the unit, the last of a name counting: with what we laid over it or without.
    pub(super) fn given(&self, with_ours: bool) -> Result<Variables, String> {
        let mut all: Variables = Vec::new();
        for entry in self.bus.environment(self.unit)? {
            if let Some((name, value)) = Zeroizing::new(entry).split_once('=') {
                all.push((name.into(), Secret::new(value.into())));
            }
        }
        for path in self.bus.environment_files(self.unit)? {
            if with_ours || path != self.drop_in.environment {
                // Missing, or a pattern: then it gives nothing that could be told.
                all.extend(read_file(&path).map(|bytes| parse(bytes.expose())).unwrap_or_default());
            }
        }
        Ok(all)
    }

    /// Lays variables over the unit, or nothing; the unit has them from its next start on. The error says
    /// why that can't be.
    pub(super) fn lay<'v>(&self, variables: Option<impl Iterator<Item = (&'v [u8], &'v [u8])> + Clone>) -> Result<(), String> {
        let laid = match variables {
            None => None,
            Some(variables) => {
                let head = format!("# Written by credd for {}: the keys of your env files.\n", self.unit);
                let text = self.drop_in.text().map_err(|error| error.to_string())?;
                Some(Laid { text, variables: Some(environment_file::render(&head, variables)) })
            }
        };
        self.put(laid.as_ref())
    }

    /// Puts back what was there before.
    pub(super) fn put_back(&self) -> Result<(), String> {
        self.put(self.before.as_ref())
    }

    /// Where the unit gets its keys from now, for people.
    pub(super) fn told(&self) -> String {
        format!("{} gives {} its keys", self.drop_in.path.display(), self.unit)
    }

    fn put(&self, laid: Option<&Laid>) -> Result<(), String> {
        match laid {
            None => self.drop_in.remove().map_err(|error| error.to_string())?,
            Some(laid) => {
                let path = &self.drop_in.environment;
                // First the file: a drop-in without it would leave the unit without a key.
                laid.variables
                    .as_ref()
                    .map_or(Ok(()), |bytes| write(path, bytes.expose()))
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                self.drop_in.write(&laid.text).map_err(|error| error.to_string())?;
            }
        }
        self.bus.reload()
    }
}

/// The last value of a name.
pub(super) fn value<'v>(variables: &'v Variables, name: &[u8]) -> Option<&'v [u8]> {
    variables.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.expose())
}

/// Whole or not at all, for this user alone; a symlink in its place is replaced, not followed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        private_dir(dir)?;
    }
    let mut file = AtomicWriteFile::open(path)?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.commit()
}
