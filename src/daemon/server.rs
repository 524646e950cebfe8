//! HTTP/1.1 on the Unix socket. Everything a peer can do is bounded; nothing it does can hold up the
//! loop, which only ever answers from memory.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};

pub use super::answer::{Answer, Streamed};
pub use super::events::Followed;
use super::places::{Asking, MOST_FOLLOWERS, Place, Places, Stream};
use crate::core::{ConsumerName, Fingerprint, KeyName};
use crate::paths::too_long_for_a_socket;
use crate::protocol::{ApplyRequest, IssuedRequest, RenewRequest, RenewedRequest, SnoozeRequest, SnoozeUntil, VerifyRequest};
use crate::task;

/// Requests that wait for what takes long, at once: less than there are places, so that the others are free.
const MOST_WAITING: usize = 32;
/// Bytes of a request's body.
const LONGEST_BODY: usize = 64 * 1024;
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;
/// From a connection to a whole head, and from there to a whole body. Clients are on this machine, and
/// one that dawdles takes a place from others.
const SLOWEST_REQUEST: Duration = Duration::from_secs(3);

/// What a client asks, once its request was found well-formed.
#[derive(Debug)]
pub enum Ask {
    /// `GET /v1/status`.
    Status,
    /// `GET /metrics`.
    Metrics,
    /// The next piece of these.
    More(Box<Streamed>),
    /// `GET /v1/events?since=`.
    Events(Option<u64>),
    /// The next piece of that, once there is one.
    Next(Box<Followed>),
    /// `GET /v1/history?n=`.
    History(usize),
    /// `POST /v1/keys/{name}/issued`.
    Issued(KeyName, jiff::Timestamp),
    /// `POST /v1/keys/{name}/snooze`.
    Snooze(KeyName, SnoozeUntil),
    /// `POST /v1/keys/{name}/verify`.
    Verify(KeyName),
    /// `POST /v1/keys/{name}/renewed`.
    Renewed(KeyName, Fingerprint),
    /// `POST /v1/keys/{name}/renew`.
    Renew(KeyName),
    /// `POST /v1/consumers/{name}/apply`.
    Apply(ConsumerName, bool),
}

impl Ask {
    /// Whether it waits for the issuer or a restart.
    fn takes_long(&self) -> bool {
        matches!(self, Self::Verify(_) | Self::Renew(_) | Self::Apply(..))
    }
}

/// An ask, and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub ask: Ask,
    /// Takes the answer.
    pub answer: oneshot::Sender<Answer>,
}

/// Makes the socket, for this user alone. The caller holds the state directory's lock, so a socket
/// that is there and answers belongs to a daemon with another state directory; one that doesn't is
/// left over.
pub fn bind(path: &Path) -> Result<UnixListener, String> {
    if let Some(why) = too_long_for_a_socket(path) {
        return Err(why);
    }
    let said = |error: io::Error| format!("the socket {} can't be made: {error}", path.display());
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(said(error)),
        Ok(found) => {
            use std::os::unix::fs::FileTypeExt;
            if !found.file_type().is_socket() {
                return Err(format!("{} is not a socket; remove it, or name another path with --socket", path.display()));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(format!("another credd answers at {}; stop it, or name another path with --socket", path.display()));
            }
            std::fs::remove_file(path).map_err(said)?;
        }
    }
    // By the umask rather than by a chmod afterwards, which would follow what somebody put in its place.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(umask);
    listener.map_err(said)
}

/// Serves clients until the runtime ends.
pub async fn serve(listener: UnixListener, calls: UnboundedSender<Call>) {
    let own = rustix::process::geteuid().as_raw();
    let places = Rc::new(Places::default());
    let waiting = Rc::new(Semaphore::new(MOST_WAITING));
    // Given up for a client when descriptors are used up: `status` is to say what is wrong just then.
    let mut spare = File::open("/dev/null").ok();
    let mut is_refusing = false;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) if spare.take().is_some() => continue,
            Err(error) => {
                // Descriptors used up, most likely: not at once again.
                if !std::mem::replace(&mut is_refusing, true) {
                    tracing::warn!(%error, "connections can't be accepted");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        spare = spare.or_else(|| File::open("/dev/null").ok());
        is_refusing &= spare.is_none();
        // Peer credentials, besides the modes: a path may be reachable in ways that modes don't see. Root, too, has no
        // business here. Before anything else, so that nobody else takes a place.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
            continue;
        }
        let place = places.take().await;
        let desk = Desk { calls: calls.clone(), waiting: waiting.clone() };
        task::spawn_local(async move {
            tokio::select! {
                () = connection(stream, &place, desk) => {}
                () = place.leave() => {}
            }
        });
    }
}

/// Where requests go.
#[derive(Clone)]
struct Desk {
    calls: UnboundedSender<Call>,
    /// Room for those that take long.
    waiting: Rc<Semaphore>,
}

/// Serves one client, of whom the caller knows who it is, until it or the runtime ends: a task of a current-thread
/// runtime with its timer.
pub async fn serve_one(stream: impl Stream, calls: UnboundedSender<Call>) {
    let place = Rc::new(Places::default()).take().await;
    connection(stream, &place, Desk { calls, waiting: Rc::new(Semaphore::new(MOST_WAITING)) }).await;
}

async fn connection(stream: impl Stream, place: &Place, desk: Desk) {
    let asking = place.asking();
    let service = service_fn(move |request| {
        let (desk, asking) = (desk.clone(), asking.clone());
        async move { Ok::<_, Infallible>(answer(request, &desk, &asking).await.respond(&desk.calls)) }
    });
    // A client's faults are its own: nothing to log.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST_REQUEST)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(place.stream(stream)), service)
        .await;
}

async fn answer(request: Request<Incoming>, desk: &Desk, asking: &Asking) -> Answer {
    let ask = match route(request).await {
        Ok(ask) => ask,
        Err(answer) => return answer,
    };
    let _room = match (ask.takes_long(), desk.waiting.try_acquire()) {
        (true, Err(_)) => {
            return Answer::error(503, "busy", &format!("{MOST_WAITING} requests are waiting already"), "try again once they are answered");
        }
        (true, Ok(room)) => Some(room),
        (false, _) => None,
    };
    let follows = matches!(ask, Ask::Events(_));
    if follows && !asking.follow() {
        return Answer::error(503, "busy", &format!("{MOST_FOLLOWERS} clients follow already"), "end one of them, or ask for /v1/status");
    }
    let (answer, wait) = oneshot::channel();
    let ending = || Answer::error(503, "ending", "the daemon is ending", "try again in a moment");
    if desk.calls.send(Call { ask, answer }).is_err() {
        return ending();
    }
    asking.set(true);
    let answer = wait.await.unwrap_or_else(|_| ending());
    asking.set(false);
    if follows && !answer.is_events() {
        asking.unfollow();
    }
    answer
}

async fn route(request: Request<Incoming>) -> Result<Ask, Answer> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let get = request.method() == Method::GET;
    let post = request.method() == Method::POST;
    match parts[..] {
        ["v1", "status"] if get => Ok(Ask::Status),
        ["v1", "events"] if get => events(&request),
        ["metrics"] if get => Ok(Ask::Metrics),
        ["v1", "history"] if get => history(request.uri().query().unwrap_or_default()),
        ["v1", "keys", name, "issued"] if post => Ok(Ask::Issued(name.into(), json::<IssuedRequest>(request).await?.at)),
        ["v1", "keys", name, "snooze"] if post => Ok(Ask::Snooze(name.into(), json::<SnoozeRequest>(request).await?.until)),
        ["v1", "keys", name, "verify"] if post => {
            json::<VerifyRequest>(request).await?;
            Ok(Ask::Verify(name.into()))
        }
        ["v1", "keys", name, "renewed"] if post => Ok(Ask::Renewed(name.into(), json::<RenewedRequest>(request).await?.fingerprint)),
        ["v1", "keys", name, "renew"] if post => {
            json::<RenewRequest>(request).await?;
            Ok(Ask::Renew(name.into()))
        }
        ["v1", "consumers", name, "apply"] if post => Ok(Ask::Apply(name.into(), json::<ApplyRequest>(request).await?.force)),
        ["v1", "status" | "history" | "events"] | ["metrics"] => Err(Answer::method(&path, request.method().as_str(), "GET")),
        ["v1", "keys", _, "issued" | "snooze" | "verify" | "renew" | "renewed"] | ["v1", "consumers", _, "apply"] => {
            Err(Answer::method(&path, request.method().as_str(), "POST"))
        }
        _ => Err(Answer::error(404, "not-found", &format!("there is no {path}"), "start with /v1/status")),
    }
}

/// Resumes where the client says; browsers say so in a header of their own (HTML, section 9.2.4).
fn events(request: &Request<Incoming>) -> Result<Ask, Answer> {
    let since = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("since="));
    let header = || request.headers().get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let since = since.or_else(header).map(str::parse).transpose();
    since.map(Ask::Events).map_err(|_| Answer::error(400, "bad-request", "since is not the id of an event", "leave it out to have all"))
}

fn history(query: &str) -> Result<Ask, Answer> {
    let n = query.split('&').find_map(|pair| pair.strip_prefix("n=")).map_or(Ok(100), str::parse);
    n.map(Ask::History).map_err(|_| Answer::error(400, "bad-request", "n is not a number", "ask for /v1/history?n=100"))
}

/// The body as JSON; an empty one is an empty object.
async fn json<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Answer> {
    let bad = |message: String| Answer::error(400, "bad-request", &message, "send a JSON object with the fields of this request");
    let body = tokio::time::timeout(SLOWEST_REQUEST, Limited::new(request.into_body(), LONGEST_BODY).collect());
    let body = body.await.map_err(|_| bad("the body did not arrive in time".into()))?;
    let bytes = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("the body is longer than {LONGEST_BODY} bytes");
            return Answer::error(413, "too-large", &message, "send the fields of this request alone");
        }
        bad("the body is cut short".into())
    })?;
    let bytes = bytes.to_bytes();
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| bad(format!("the body doesn't fit: {error}")))
}
