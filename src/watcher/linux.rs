//! inotify: one instance, a watch for each directory on the way to a file and one for the file.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe::Receiver;

use super::paths::{End, Route};
use super::table::{Event, Table, Tie, Touched};

/// Everything that makes a name mean something else, and a change of the directory's own mode, but
/// not writes to the files in it: of those only the tracked ones matter, and these are watched
/// themselves. So a log file in `$HOME` wakes nobody.
const DIRECTORY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// Every write, through whatever name. Not opening or reading: a worker does both after a hint.
const FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DONT_FOLLOW);

/// Events taken at a time, so that a storm of them doesn't keep the loop from its other work.
const MOST_EVENTS: usize = 16_384;

/// Where events come from.
pub struct Source {
    descriptor: OwnedFd,
    /// The same descriptor, registered with the loop. A pipe's receiver takes any readable
    /// descriptor, without unsafe code.
    ready: Receiver,
    /// The table of mounts: a file system mounted over a directory brings no event in it.
    mounts: Option<Receiver>,
    table: Table,
    /// The home directory, free of symlinks. What is above it isn't watched, since other users' doings
    /// there (in `/tmp`, say) would wake us all the time: a home that is moved or deleted tells itself.
    home: Option<PathBuf>,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Source {
    /// Opens an inotify instance.
    pub fn open() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let ready = Receiver::from_owned_fd_unchecked(descriptor.try_clone()?)?;
        // Without /proc, mounts go unseen: rarer than anything worth giving up for.
        let mounts = std::fs::File::open("/proc/self/mountinfo").ok();
        let mounts = mounts.and_then(|file| Receiver::from_owned_fd_unchecked(file.into()).ok());
        let home = std::env::var_os("HOME").and_then(|home| std::fs::canonicalize(home).ok());
        Ok(Self {
            descriptor,
            ready,
            mounts,
            table: Table::default(),
            home,
            buffer: vec![MaybeUninit::uninit(); 16 * 1024].into_boxed_slice(),
        })
    }

    /// Watches a file's way instead of what was watched for it. Tells whether every change of it
    /// will be seen; an error means that no watch can be had for want of room.
    pub fn follow(&mut self, file: usize, route: &Route) -> io::Result<bool> {
        let mut ties = Vec::with_capacity(route.steps.len() + 1);
        let mut covered = true;
        // The directory that the step before could not be watched for.
        let mut owed: Option<PathBuf> = None;
        for (at, step) in route.steps.iter().enumerate() {
            let child = step.directory.join(&step.name);
            let next = route.steps.get(at + 1).is_some_and(|next| next.directory == child);
            let above_home = self.home.as_ref().is_some_and(|home| home.starts_with(&child));
            let left_out = next && above_home;
            let watch = if left_out { None } else { self.watch(&step.directory, DIRECTORY)? };
            // A name in a directory that can't be watched: nobody tells when it is given to
            // another. A directory of that name tells itself when it is moved or deleted.
            covered &= owed.is_none_or(|owed| (watch.is_some() || left_out) && owed == step.directory);
            owed = match watch {
                Some(watch) => {
                    let name = Some(step.name.as_os_str().into());
                    ties.push(Tie { watch, name });
                    None
                }
                None => Some(child),
            };
        }
        covered &= owed.is_none();
        if let End::File(path, _) = &route.end
            && let Some(watch) = self.watch(path, FILE)?
        {
            // Where this fails for want of permission, there is nothing to read either, and a
            // change of mode is told by the directory.
            ties.push(Tie { watch, name: None });
        }
        for needless in self.table.tie(file, ties) {
            self.give_up(needless);
        }
        Ok(covered)
    }

    /// Watches nothing for files whose number isn't below this.
    pub fn keep(&mut self, files: usize) {
        for file in self.table.files() {
            if file >= files {
                for needless in self.table.tie(file, Vec::new()) {
                    self.give_up(needless);
                }
            }
        }
    }

    /// `None` where this one can't be watched; adding a watch anew is cheap and changes nothing.
    fn watch(&self, path: &Path, flags: WatchFlags) -> io::Result<Option<i32>> {
        match inotify::add_watch(&self.descriptor, path, flags) {
            Ok(watch) => Ok(Some(watch)),
            Err(error @ (Errno::NOSPC | Errno::NOMEM | Errno::MFILE | Errno::NFILE)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn give_up(&self, watch: i32) {
        // It may have ended by itself, its event not read yet.
        let _ = inotify::remove_watch(&self.descriptor, watch);
    }

    /// How many watches are held.
    pub fn watches(&self) -> usize {
        self.table.len()
    }

    /// Waits until there is something to [`Source::take`]. Cancel-safe.
    pub async fn ready(&self) -> io::Result<()> {
        let mounts = async {
            match &self.mounts {
                Some(mounts) => mounts.readable().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.ready.readable() => ready,
            ready = mounts => ready,
        }
    }

    /// Takes what happened.
    pub fn take(&mut self) -> io::Result<Touched> {
        let mut touched = Touched::default();
        if let Some(mounts) = &self.mounts {
            // It is readable for good; what matters is that the kernel said so once more. Saying
            // "would block" has the loop wait for the next time.
            let _ = mounts.try_io(|| -> io::Result<()> {
                touched.perhaps = true;
                Err(io::ErrorKind::WouldBlock.into())
            });
        }
        let mut reader = Reader::new(&self.descriptor, &mut self.buffer);
        for _ in 0..MOST_EVENTS {
            // Through `try_io`, so that an empty queue is known to the loop.
            let event = self.ready.try_io(|| {
                let event = reader.next()?;
                let name = event.file_name().map(|name| name.to_bytes().to_owned());
                Ok(meaning(event.wd(), event.events(), name.as_deref()))
            });
            match event {
                Ok(event) => self.table.take(&event, &mut touched),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(touched)
    }
}

/// What the kernel's flags come down to.
fn meaning(watch: i32, flags: ReadFlags, name: Option<&[u8]>) -> Event {
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        Event::Overflow
    } else if flags.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
        Event::Gone(watch)
    } else {
        match name {
            Some(name) => Event::Name(watch, OsString::from(OsStr::from_bytes(name))),
            None => Event::Itself(watch),
        }
    }
}

/// Why watching failed, and what helps.
pub fn advice(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            "all of the user's inotify instances (or open files) are taken; raise fs.inotify.max_user_instances with sysctl".to_owned()
        }
        Some(Errno::NOSPC) => "all of the user's inotify watches are taken; raise fs.inotify.max_user_watches with sysctl".to_owned(),
        _ => format!("inotify doesn't work here ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_down_to_few_events() {
        let table = [
            (ReadFlags::CREATE, Some("a"), Event::Name(1, "a".into())),
            (ReadFlags::MOVED_TO | ReadFlags::ISDIR, Some("a"), Event::Name(1, "a".into())),
            (ReadFlags::MODIFY, None, Event::Itself(1)),
            (ReadFlags::DELETE_SELF, None, Event::Itself(1)),
            (ReadFlags::IGNORED, None, Event::Gone(1)),
            (ReadFlags::UNMOUNT, None, Event::Gone(1)),
            (ReadFlags::QUEUE_OVERFLOW, None, Event::Overflow),
        ];
        for (flags, name, event) in table {
            assert_eq!(meaning(1, flags, name.map(str::as_bytes)), event, "{flags:?}");
        }
    }

    #[test]
    fn reading_is_no_event() {
        let reading = WatchFlags::ACCESS | WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE;
        assert!(!(DIRECTORY | FILE).intersects(reading));
        assert!(!DIRECTORY.intersects(WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE));
    }
}
