//! What a tracked file gives now, for a program that is about to run or a shell that already does.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::Stat;
use zeroize::Zeroizing;

use super::environment::Changes;
use crate::clock;
use crate::config::KeyConfig;
use crate::core::FileBody;
use crate::envfile::{Answer, read};
use crate::paths::tilde;
use crate::secret::Secret;
use crate::worker::read::whole;

/// A change counts once a file has been quiet for so long (contract, section 6).
const QUIET: Duration = Duration::from_millis(250);
/// And is looked for so often meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a file gives nothing.
#[derive(Debug)]
pub enum Trouble {
    /// Somebody is still at work on it.
    Busy(String),
    /// It can't be read, or a key in it can't be told: a sentence with the place, and the next step, if it isn't in it.
    Told(String, Option<String>),
}

/// What one env file lays over an environment: all that it exports, and these keys of it, each of which it must certainly
/// give a value. A file that is being changed is waited for, at most for `patience`.
pub fn changes(path: &Path, keys: &[&KeyConfig], home: &Path, patience: Duration) -> Result<Changes, Trouble> {
    let place = tilde(path, home);
    let bytes = quiet(path, patience).map_err(|body| match body {
        FileBody::Missing => told(format!("{place} doesn't exist"), keys),
        FileBody::Unreadable(why) => Trouble::Told(why, None),
        FileBody::Busy | FileBody::Read(_) => Trouble::Busy(format!("{place} is being written to")),
    })?;
    let reading = read(&bytes, home.as_os_str().as_bytes());
    let mut all = Changes::default();
    for (name, value) in reading.exports() {
        all.set(name, Secret::new(value));
    }
    for name in reading.unsets() {
        all.unset(name);
    }
    for key in keys {
        let variable = &key.variable;
        let (line, why) = match reading.variable(variable) {
            Answer::Static { value, line, .. } if value.is_empty() => {
                return Err(told(format!("{place}:{line} assigns {variable} the empty value"), &[key]));
            }
            Answer::Static { value, .. } => {
                all.set(variable.as_bytes().to_vec(), Secret::new(value));
                continue;
            }
            Answer::Unset { hint } => {
                let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
                return Err(told(format!("{place} gives {variable} no value{hint}"), &[key]));
            }
            Answer::Inherited { depends_on, line } => {
                (line, format!("its value depends on {}, which the shell may inherit", depends_on.join(", ")))
            }
            Answer::Dynamic { reason, line } => (line, format!("only running the file could tell its value: {reason}")),
            Answer::Broken { reason, line } => (line, format!("a shell would stop reading here: {reason}")),
        };
        let message = format!("{place}:{line} leaves {variable} open: {why}");
        return Err(Trouble::Told(message, Some(format!("mend line {line}, or write: export {variable}='…'"))));
    }
    Ok(all)
}

/// What is missing can be put there.
fn told(message: String, keys: &[&KeyConfig]) -> Trouble {
    Trouble::Told(message, keys.first().map(|key| format!("put the key there with: credd renew {}", key.name)))
}

/// A file once it has been quiet.
fn quiet(path: &Path, patience: Duration) -> Result<Zeroizing<Vec<u8>>, FileBody> {
    let begun = clock::monotonic();
    loop {
        let seen = match whole(path) {
            Ok((bytes, stat)) if is_quiet(&stat) => return Ok(bytes),
            Ok(_) => FileBody::Busy,
            Err(other) => other,
        };
        if seen != FileBody::Busy || begun.elapsed() >= patience {
            return Err(seen);
        }
        sleep(PAUSE);
    }
}

/// Its last change is a while ago, or, as the clock has it, yet to come.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "widths differ between systems")]
fn is_quiet(stat: &Stat) -> bool {
    let nanoseconds = i128::from(stat.st_mtime) * 1_000_000_000 + i128::try_from(stat.st_mtime_nsec).unwrap_or_default();
    !(0..QUIET.as_nanos().cast_signed()).contains(&(clock::now().as_nanosecond() - nanoseconds))
}
