//! Where news come from: a thread that follows the daemon, and waits for it while there is none.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::Notify;

use super::arrival::Arrival;
use crate::client::{Failure, http};

/// Before one that was lost is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// A socket has its name a moment before it is listened on: as often, and so long, is it tried then.
const TRIES: usize = 25;
const TRY: Duration = Duration::from_millis(20);
/// Somebody is there and doesn't answer: nothing tells when that is over.
const STUCK: Duration = Duration::from_secs(30);

/// What there is to be told.
pub(super) enum Said {
    /// The daemon's document.
    Status(Vec<u8>),
    /// There is no daemon, for this reason.
    Offline(Failure),
    /// Nothing more will come.
    End(Failure),
    /// Nobody reads what is written.
    Unread,
}

/// The latest of it, until it is taken.
#[derive(Default)]
pub(super) struct News {
    latest: Mutex<Option<Said>>,
    told: Notify,
}

impl News {
    fn tell(&self, said: Said) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        self.told.notify_one();
    }

    /// Waits for news. Cancel-safe.
    pub(super) async fn come(&self) -> Said {
        loop {
            let said = self.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(said) = said {
                return said;
            }
            self.told.notified().await;
        }
    }
}

/// Begins to follow the daemon at `socket`.
pub(super) fn start(socket: &Path, news: &Arc<News>) -> io::Result<()> {
    let (socket, source) = (PathBuf::from(socket), Arc::clone(news));
    thread::Builder::new().name("events".into()).spawn(move || follow(&socket, &source))?;
    let reader = Arc::clone(news);
    thread::Builder::new().name("reader".into()).spawn(move || {
        if is_left_by_its_reader() {
            reader.tell(Said::Unread);
        }
    })?;
    Ok(())
}

fn follow(socket: &Path, news: &News) {
    let mut known: Option<Failure> = None;
    loop {
        // Before asking, so that nobody comes unseen.
        let arrival = Arrival::at(socket);
        let mut begun = false;
        let done = http::events(socket, &mut |kind, document| {
            begun = true;
            if kind == b"status" {
                news.tell(Said::Status(document.to_vec()));
            }
        });
        if begun {
            known = None;
            // It may have ended, or only this connection.
            thread::sleep(PAUSE);
            continue;
        }
        let failure = match done {
            Err(failure) if failure.code == 3 => failure,
            Err(failure) => return news.tell(Said::End(failure)),
            Ok(()) => return news.tell(Said::End(Failure::failed("the daemon ends what should have no end"))),
        };
        if known.as_ref() != Some(&failure) {
            news.tell(Said::Offline(failure.clone()));
            known = Some(failure);
        }
        arrival.wait(UnixStream::connect(socket).is_ok().then_some(STUCK));
        for _ in 0..TRIES {
            if !socket.exists() || UnixStream::connect(socket).is_ok() {
                break;
            }
            thread::sleep(TRY);
        }
    }
}

/// Waits until whoever reads standard output has gone; `false` where that can't be told.
fn is_left_by_its_reader() -> bool {
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    loop {
        match poll(&mut watched, None) {
            Err(rustix::io::Errno::INTR) => {}
            done => return done.is_ok() && watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
        }
    }
}
