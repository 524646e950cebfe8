//! Who is connected, and who goes when there is no room.
//!
//! A place belongs to whoever is being answered. One that keeps the daemon waiting (with half a request, or by taking
//! nothing of its answer) has to leave as soon as somebody else comes, the one that did so longest first. So no number of
//! such clients keeps anybody else from being answered at once.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::clock;

/// Connections served at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 64;
/// Of them, so many may follow what happens; the others are for those who ask.
pub(super) const MOST_FOLLOWERS: usize = 16;
/// A follower that takes nothing for so long has to go where others come. Not before: it may be a terminal that somebody
/// has halted.
const SLOWEST_FOLLOWER: Duration = Duration::from_secs(30);
/// A client that takes nothing of its answer for so long gets no more of it. A person reads in a pager meanwhile; and it
/// has to go sooner where others come. Armed only while something is to be taken: it wakes no daemon at rest.
const SLOWEST_READER: Duration = Duration::from_mins(5);

/// All connections.
#[derive(Default)]
pub(super) struct Places {
    seats: RefCell<Vec<Rc<Seat>>>,
    changed: Notify,
}

#[derive(Default)]
struct Seat {
    /// Since when its client is waited for; `None` while it is being answered, and before it was looked at.
    waits_since: Cell<Option<Instant>>,
    is_asking: Cell<bool>,
    /// Its answer has no end. What is waited for is that it takes what there is, not that it asks again.
    follows: Cell<bool>,
    leave: Notify,
}

impl Seat {
    /// Since when its client has kept the daemon waiting, where that is long enough to send it away.
    fn in_the_way_since(&self) -> Option<Instant> {
        let since = self.waits_since.get()?;
        let keeps = self.follows.get() && clock::monotonic().saturating_duration_since(since) < SLOWEST_FOLLOWER;
        (!keeps).then_some(since)
    }
}

/// A connection's place, given back when dropped.
pub(super) struct Place {
    places: Rc<Places>,
    seat: Rc<Seat>,
}

impl Places {
    /// A place; where there is none, that of the client that has kept the daemon waiting longest.
    pub(super) async fn take(self: &Rc<Self>) -> Place {
        while self.seats.borrow().len() >= MOST_CONNECTIONS {
            if !self.send_one_away() {
                self.changed.notified().await;
            }
        }
        let seat = Rc::new(Seat::default());
        self.seats.borrow_mut().push(seat.clone());
        Place { places: self.clone(), seat }
    }

    fn send_one_away(&self) -> bool {
        self.send_away(|_| true)
    }

    fn send_away(&self, those: impl Fn(&Seat) -> bool) -> bool {
        let mut seats = self.seats.borrow_mut();
        let waiting = seats.iter().enumerate().filter(|(_, seat)| those(seat));
        let waiting = waiting.filter_map(|(at, seat)| Some((seat.in_the_way_since()?, at)));
        let Some((_, at)) = waiting.min() else { return false };
        seats.swap_remove(at).leave.notify_one();
        true
    }
}

impl Place {
    /// Comes back when the connection has to go.
    pub(super) fn leave(&self) -> impl Future<Output = ()> + use<> {
        let seat = self.seat.clone();
        async move { seat.leave.notified().await }
    }

    /// The stream of this connection, which tells whether its client is waited for.
    pub(super) fn stream<S: Stream>(&self, stream: S) -> Attended<S> {
        Attended { stream, place: self.asking(), patience: SLOWEST_READER, stalled: None }
    }

    /// To say when a request was understood and when it was answered.
    pub(super) fn asking(&self) -> Asking {
        Asking { places: self.places.clone(), seat: self.seat.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.seats.borrow_mut().retain(|seat| !Rc::ptr_eq(seat, &self.seat));
        self.places.changed.notify_one();
    }
}

/// What a connection says of itself.
#[derive(Clone)]
pub(super) struct Asking {
    places: Rc<Places>,
    seat: Rc<Seat>,
}

impl Asking {
    /// Whether it is the daemon now that is waited for.
    pub(super) fn set(&self, is_asking: bool) {
        self.seat.is_asking.set(is_asking);
        self.seat.waits_since.set(None);
    }

    /// Whether its client may follow what happens from now on.
    pub(super) fn follow(&self) -> bool {
        let count = self.places.seats.borrow().iter().filter(|seat| seat.follows.get()).count();
        if count >= MOST_FOLLOWERS && !self.places.send_away(|seat| seat.follows.get()) {
            return false;
        }
        self.seat.follows.set(true);
        true
    }

    /// It doesn't follow after all.
    pub(super) fn unfollow(&self) {
        self.seat.follows.set(false);
    }

    /// Nothing comes from it.
    fn says_nothing(&self) {
        if !self.seat.follows.get() {
            self.waits();
        }
    }

    fn waits(&self) {
        if !self.seat.is_asking.get() && self.seat.waits_since.get().is_none() {
            self.seat.waits_since.set(Some(clock::monotonic()));
            self.places.changed.notify_one();
        }
    }

    fn goes_on(&self) {
        self.seat.waits_since.set(None);
    }
}

/// What a client can be on the other end of.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A client's stream.
pub(super) struct Attended<S> {
    stream: S,
    place: Asking,
    patience: Duration,
    /// When it will have taken nothing for too long.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Attended<S> {
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            self.place.goes_on();
            return written;
        }
        self.place.waits();
        if self.place.seat.follows.get() {
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Stream> AsyncRead for Attended<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_pending() {
            self.place.says_nothing();
        } else if !self.place.seat.follows.get() {
            self.place.goes_on();
        }
        read
    }
}

impl<S: Stream> AsyncWrite for Attended<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn who_takes_nothing_for_long_gets_no_more() {
        const PATIENCE: Duration = Duration::from_millis(50);
        runtime().block_on(async {
            let place = Rc::new(Places::default()).take().await;
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut attended = Attended { patience: PATIENCE, ..place.stream(ours) };
            let endless = vec![0; 1 << 20];
            // One that takes a little now and then goes on.
            let slow = async {
                let mut taken = vec![0; 256 * 1024];
                for _ in 0..4 {
                    tokio::time::sleep(PATIENCE / 2).await;
                    theirs.read_exact(&mut taken).await.unwrap();
                }
            };
            let (written, ()) = tokio::join!(attended.write_all(&endless), slow);
            written.unwrap();
            let error = attended.write_all(&endless).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn who_has_kept_us_waiting_longest_goes_first() {
        runtime().block_on(async {
            let places = Rc::new(Places::default());
            let mut all = Vec::new();
            for _ in 0..MOST_CONNECTIONS {
                all.push(places.take().await);
            }
            let soon = |future| tokio::time::timeout(Duration::from_millis(20), future);
            // Nobody was looked at yet, or is being answered: nobody has to go.
            assert!(soon(places.take()).await.is_err());
            all[7].asking().waits();
            all[3].asking().waits();
            all[7].asking().set(true);
            let one = soon(places.take()).await.unwrap();
            tokio::time::timeout(Duration::from_secs(1), all[3].leave()).await.unwrap();
            assert!(soon(places.take()).await.is_err());
            // Whoever follows is waited for only while it takes nothing.
            assert!(all[5].asking().follow());
            all[5].asking().says_nothing();
            assert!(soon(places.take()).await.is_err());
            all[5].asking().waits();
            assert!(soon(places.take()).await.is_err());
            all[5].seat.waits_since.set(clock::monotonic().checked_sub(SLOWEST_FOLLOWER));
            let two = soon(places.take()).await.unwrap();
            tokio::time::timeout(Duration::from_secs(1), all[5].leave()).await.unwrap();
            drop(two);
            let three = soon(places.take()).await.unwrap();
            assert!(soon(places.take()).await.is_err());
            drop(three);
            // Whoever leaves makes room.
            drop(one);
            assert!(soon(places.take()).await.is_ok());
        });
    }

    #[test]
    fn few_follow_and_one_that_takes_nothing_for_long_makes_room() {
        runtime().block_on(async {
            let places = Rc::new(Places::default());
            let mut all = Vec::new();
            for _ in 0..MOST_FOLLOWERS + 2 {
                all.push(places.take().await);
            }
            let (late, followers) = all.split_last().unwrap();
            let (latest, followers) = followers.split_last().unwrap();
            assert!(followers.iter().all(|place| place.asking().follow()));
            assert!(!late.asking().follow());
            followers[3].asking().waits();
            assert!(!late.asking().follow());
            followers[3].seat.waits_since.set(clock::monotonic().checked_sub(SLOWEST_FOLLOWER));
            assert!(late.asking().follow());
            tokio::time::timeout(Duration::from_secs(1), followers[3].leave()).await.unwrap();
            assert!(!latest.asking().follow());
            late.asking().unfollow();
            assert!(latest.asking().follow());
        });
    }
}
