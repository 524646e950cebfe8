//! Whether what is in a directory may have gone, or come back: for the daemon's own socket.

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use tokio::net::unix::pipe::Receiver;

/// What takes a name out of a directory, or gives it to something else, and the end of the directory itself. Not what is above
/// it, where other programs come and go all the time.
const GOING: WatchFlags = WatchFlags::DELETE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches one directory.
pub struct Presence {
    /// inotify. A pipe's receiver takes any readable descriptor, without unsafe code.
    ready: Option<Receiver>,
}

impl Presence {
    /// Watches `dir`. Where that can't be had, [`Self::stirred`] never comes.
    pub fn of(dir: &Path) -> Self {
        let watch = || -> io::Result<Receiver> {
            let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&descriptor, dir, GOING)?;
            Receiver::from_owned_fd_unchecked(descriptor)
        };
        Self { ready: watch().ok() }
    }

    /// Waits until something went or came. Cancel-safe.
    pub async fn stirred(&self) {
        let Some(ready) = &self.ready else { return std::future::pending().await };
        if ready.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = Reader::new(ready, &mut buffer);
        // What exactly happened is for a look to tell.
        while ready.try_io(|| Ok(reader.next().map(|_| ())?)).is_ok() {}
    }
}
