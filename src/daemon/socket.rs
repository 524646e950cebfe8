//! The socket in its place: made, made again should somebody remove it, and removed at the end.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::server::{self, Call};
use crate::paths::private_dir;
use crate::task;
use crate::watcher::Presence;

/// From one try to make it again to the next, where nothing tells when that is of use.
const RETRY: SignedDuration = SignedDuration::from_secs(30);

/// The daemon's socket.
pub(super) struct Socket {
    path: PathBuf,
    calls: UnboundedSender<Call>,
    /// Device and inode of ours.
    id: Option<(u64, u64)>,
    serving: AbortHandle,
    presence: Presence,
    /// Since when it is gone and couldn't be made again.
    lost: Option<Lost>,
}

struct Lost {
    why: String,
    retry_at: Timestamp,
}

/// What became of the socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in its place, or known not to be.
    AsBefore,
    /// It was gone and is made again.
    MadeAgain,
    /// It is gone, and can't be made again for this reason.
    Lost(String),
}

impl Socket {
    /// Makes the socket and serves those who connect. The caller holds the state directory's lock.
    pub(super) fn make(path: &Path, calls: UnboundedSender<Call>) -> anyhow::Result<Self> {
        let dir = directory(path);
        make_directory(dir).with_context(|| format!("the socket's directory {} can't be made", dir.display()))?;
        let listener = server::bind(path).map_err(anyhow::Error::msg)?;
        let serving = task::spawn_local(server::serve(listener, calls.clone()));
        Ok(Self { path: path.into(), calls, id: file_id(path), serving, presence: Presence::of(dir), lost: None })
    }

    /// Waits until it may be gone.
    pub(super) async fn stirred(&self) {
        self.presence.stirred().await;
    }

    /// When it is to be looked after though nothing happens.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.lost.as_ref().map(|lost| lost.retry_at)
    }

    /// Makes it again if it is gone. What somebody put in its place is left, as at a start.
    pub(super) fn mind(&mut self, now: Timestamp) -> Fate {
        let found = file_id(&self.path);
        if found.is_some() && found == self.id {
            self.lost = None;
            return Fate::AsBefore;
        }
        let made = if found.is_some() { Err("something else is in its place".to_owned()) } else { self.make_again() };
        match made {
            Ok(()) => {
                self.lost = None;
                Fate::MadeAgain
            }
            Err(why) => {
                let is_known = self.lost.as_ref().is_some_and(|lost| lost.why == why);
                self.lost = Some(Lost { why: why.clone(), retry_at: now.checked_add(RETRY).unwrap_or(Timestamp::MAX) });
                if is_known { Fate::AsBefore } else { Fate::Lost(why) }
            }
        }
    }

    fn make_again(&mut self) -> Result<(), String> {
        let dir = directory(&self.path);
        make_directory(dir).map_err(|error| format!("its directory can't be made: {error}"))?;
        // Ahead of the socket, so that its end can't be missed.
        self.presence = Presence::of(dir);
        let listener = server::bind(&self.path)?;
        self.id = file_id(&self.path);
        // Whoever is being served by the old one goes on.
        self.serving.abort();
        self.serving = task::spawn_local(server::serve(listener, self.calls.clone()));
        Ok(())
    }

    /// Removes it: one that nobody listens on would have to be told from a live one. What was put in its place is another
    /// daemon's.
    pub(super) fn remove(&self) {
        if file_id(&self.path).is_some_and(|found| self.id == Some(found)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// What names a file for as long as it is there: its device and inode.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Ours alone where it is credd's own, untouched where the user named one.
fn make_directory(dir: &Path) -> io::Result<()> {
    if dir.file_name().is_some_and(|name| name == "credd") || !dir.exists() { private_dir(dir) } else { Ok(()) }
}
