//! Waiting for a daemon to come.

use std::path::Path;
use std::time::Duration;

#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(target_os = "linux")]
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Where nothing tells: macOS, where kqueue(2) has no wrapper here and the `notify` crate a thread of its own, for what
/// somebody looks at meanwhile; and where inotify has no room.
const LOOK: Duration = Duration::from_secs(2);

/// Tells when something comes on the way to a socket.
#[cfg(target_os = "linux")]
pub(super) struct Arrival(Option<OwnedFd>);

#[cfg(target_os = "linux")]
impl Arrival {
    /// Watches the socket's directory, or what there is of the way to it.
    pub(super) fn at(socket: &Path) -> Self {
        let kinds = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        let watch = || {
            let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
            socket.ancestors().skip(1).find(|dir| inotify::add_watch(&descriptor, *dir, kinds).is_ok())?;
            Some(descriptor)
        };
        Self(watch())
    }

    /// Waits until something came, for so long at most.
    pub(super) fn wait(&self, limit: Option<Duration>) {
        let Some(descriptor) = &self.0 else { return std::thread::sleep(LOOK) };
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut watched = [PollFd::new(descriptor, PollFlags::IN)];
        while poll(&mut watched, limit.as_ref()) == Err(rustix::io::Errno::INTR) {}
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = Reader::new(descriptor, &mut buffer);
        while reader.next().is_ok() {}
    }
}

/// Tells nothing.
#[cfg(not(target_os = "linux"))]
pub(super) struct Arrival;

#[cfg(not(target_os = "linux"))]
impl Arrival {
    /// Of a socket.
    pub(super) fn at(_: &Path) -> Self {
        Self
    }

    /// Waits until it is worth another look.
    pub(super) fn wait(&self, _: Option<Duration>) {
        std::thread::sleep(LOOK);
    }
}
