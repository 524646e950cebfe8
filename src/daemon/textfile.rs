//! The metrics as a text file for `node_exporter` (`metrics.textfile`), kept current.
//!
//! It is written a moment after something happened, if that changed the text, and by no clock of its own: there are
//! no ages in it. It can be read by everybody, unlike all else that credd writes, since `node_exporter` runs as
//! another user, and there is no secret in it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;
use jiff::{SignedDuration, Timestamp};

use super::run::Daemon;
use crate::clock;
use crate::protocol::{Problem, Severity};
use crate::view::{Metrics, Viewpoint, problem};

/// From something that happened to the writing: it rarely comes alone.
const SETTLE: SignedDuration = SignedDuration::from_secs(1);
/// What a file of ours begins with.
const BEGINNING: &[u8] = b"# HELP credd_";

/// Device, number and time of the last change of a file.
type Identity = (u64, u64, i64, i64);

/// What was written last, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Textfile {
    due: Option<Timestamp>,
    /// The file that was written last: where, which one, and a hash of its text.
    written: Option<(PathBuf, Identity, u64)>,
    /// Why it can't be written.
    trouble: Option<String>,
}

impl Textfile {
    /// A daemon starts, and says so in the file soon.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self { due: Some(now + SETTLE), ..Self::default() }
    }

    /// When it is to be looked at.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.due
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        let why = self.trouble.as_ref()?;
        let fix = "let credd write there, or name another file (metrics.textfile)".into();
        Some(problem("metrics-unwritten", Severity::Warning, format!("the metrics for node_exporter can't be written: {why}"), fix))
    }

    /// Whether the file is still there that was written last.
    fn is_there(&self) -> bool {
        self.written.as_ref().is_some_and(|(path, file, _)| fs::symlink_metadata(path).is_ok_and(|found| identity(&found) == *file))
    }
}

impl Daemon {
    /// Something happened: has the file written once that has settled, or writes it where that time has come.
    pub(super) fn mind_textfile(&mut self, clock_set: bool) {
        if self.config.metrics.textfile.is_none() && self.textfile.written.is_none() {
            self.textfile = Textfile::default();
            return;
        }
        let now = clock::now();
        match self.textfile.due {
            Some(due) if due <= now || clock_set => self.write_textfile(true),
            Some(_) => {}
            None => self.textfile.due = Some(now + SETTLE),
        }
    }

    /// The daemon ends: whoever reads the file from now on is to know.
    pub(super) fn leave_textfile(&mut self) {
        self.write_textfile(false);
    }

    fn write_textfile(&mut self, live: bool) {
        self.textfile.due = None;
        let wanted = self.config.metrics.textfile.clone();
        if wanted.as_ref() != self.textfile.written.as_ref().map(|(path, ..)| path)
            && self.textfile.is_there()
            && let Some((old, ..)) = self.textfile.written.take()
        {
            // Nobody would ever mend what it says. One that is not there any more, or not ours, is left alone.
            let _ = fs::remove_file(old);
        }
        let Some(path) = wanted else {
            self.textfile = Textfile::default();
            return;
        };
        // It isn't to stand in the file that mends it.
        let trouble = self.textfile.trouble.take();
        let mut hasher = DefaultHasher::new();
        // To a hash, which doesn't fail.
        let _ = self.each_piece(live, &mut |piece| {
            hasher.write(piece);
            Ok(())
        });
        let hash = hasher.finish();
        let is_as_before = self.textfile.written.as_ref().is_some_and(|(_, _, before)| *before == hash);
        if is_as_before && trouble.is_none() && self.textfile.is_there() {
            return;
        }
        match put(&path, |file| self.each_piece(live, &mut |piece| file.write_all(piece))) {
            Ok(file) => {
                self.textfile.written = Some((path, file, hash));
                if trouble.is_some() {
                    self.tell("metrics-written", "the metrics for node_exporter can be written again".into());
                }
            }
            Err(error) => {
                let why = format!("{}: {error}", path.display());
                if trouble.is_none() {
                    self.tell("metrics-unwritten", format!("the metrics for node_exporter can't be written: {why}"));
                }
                self.textfile.trouble = Some(why);
            }
        }
    }

    /// Makes the text, which of ten thousand keys has megabytes, a piece at a time.
    fn each_piece(&self, live: bool, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let at = self.viewpoint(&self.config);
        let at = Viewpoint { daemon: at.daemon.filter(|_| live), ..at };
        let host = sysinfo::System::host_name().unwrap_or_default();
        let user = std::env::var("USER").unwrap_or_else(|_| rustix::process::geteuid().as_raw().to_string());
        let mut metrics = Metrics::textfile(&self.machine, &[("host", &host), ("user", &user)]);
        while !metrics.is_done() {
            take(&metrics.write(&self.machine, &at)?)?;
        }
        Ok(())
    }
}

/// Replaces the file at once, whatever links stand in its place. Returns which one it is.
///
/// Until then it has a name that `node_exporter` passes over: it reads what ends in `.prom`.
fn put(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Identity> {
    refuse_others(path)?;
    let mut file = AtomicWriteFile::options().preserve_mode(false).preserve_owner(false).mode(0o600).open(path)?;
    write(file.as_file_mut())?;
    // Whatever the umask is, and it is 077: for everybody to read.
    file.set_permissions(Permissions::from_mode(0o644))?;
    let found = identity(&file.metadata()?);
    file.commit()?;
    Ok(found)
}

/// What a slip of the configuration names is not overwritten.
fn refuse_others(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() > 0 => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut beginning = Vec::new();
    OpenOptions::new().read(true).custom_flags(no_follow).open(path)?.take(BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    if beginning == BEGINNING { Ok(()) } else { Err(io::Error::other("the file is not one of credd's")) }
}

/// Which file it is: numbers of files that are gone are given to new ones.
fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino(), found.mtime(), found.mtime_nsec())
}
