//! The client's side of the socket: one request, one answer, no runtime.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use super::body::{Body, Head};
use super::events;
use super::noted::Noted;
use crate::paths::too_long_for_a_socket;
use crate::protocol::ErrorBody;

/// The daemon answers from memory; only what goes out into the world takes its time.
pub const LIMIT: Duration = Duration::from_secs(15);

/// An answer's body, as it comes.
pub type Document<'a> = serde_json::Deserializer<serde_json::de::IoRead<&'a mut dyn Read>>;

/// Bytes of an answer that are held. A reader clears all its room first, so more would cost each short answer.
const BUFFER: usize = 4 * 1024;

/// Asks for a document.
pub fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Failure> {
    ask(socket, path)?.answer()
}

/// Asks for a document that is taken in later: whoever asks has something to do meanwhile.
pub fn ask<'s>(socket: &'s Path, path: &str) -> Result<Asked<'s>, Failure> {
    Asked::new(socket, "GET", path, &[], Some(LIMIT))
}

/// Sends a document and takes the answer, within `limit` or when it is known.
pub fn post<T: DeserializeOwned>(socket: &Path, path: &str, body: &impl Serialize, limit: Option<Duration>) -> Result<T, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::failed(error.to_string()))?;
    Asked::new(socket, "POST", path, &body, limit)?.answer()
}

/// Asks for a document and hands it on as it comes. What `take` makes of a document that breaks off, or is
/// none, is an error of serde's, and told as a strange answer.
pub fn stream<T>(socket: &Path, path: &str, take: impl FnOnce(&mut Document<'_>) -> serde_json::Result<T>) -> Result<T, Failure> {
    ask(socket, path)?.taken(false, |body| {
        // serde_json reads byte by byte.
        let mut source = BufReader::with_capacity(BUFFER, body);
        let mut document = serde_json::Deserializer::from_reader(&mut source as &mut dyn Read);
        take(&mut document).and_then(|found| document.end().map(|()| found))
    })
}

/// Follows what happens, without an end: each event's kind and its document. An error says how it ended.
pub fn events(socket: &Path, take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Failure> {
    ask(socket, "/v1/events")?
        .taken(true, |body| events::read(&mut BufReader::with_capacity(4 * BUFFER, body), take).map_err(serde_json::Error::io))
}

/// Asks for a text and hands it on as it comes.
pub fn copy(socket: &Path, path: &str, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), Failure> {
    ask(socket, path)?.taken(false, |body| {
        let mut piece = [0; BUFFER];
        loop {
            match body.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => take(&piece[..count]).map_err(serde_json::Error::io)?,
                Err(error) => return Err(serde_json::Error::io(error)),
            }
        }
    })
}

/// Reads a document to its end first: three times as fast as reading it as it comes.
fn whole<T: DeserializeOwned>(body: &mut dyn Read) -> serde_json::Result<T> {
    let mut text = Vec::new();
    body.read_to_end(&mut text).map_err(serde_json::Error::io)?;
    serde_json::from_slice(&text)
}

/// A request that was sent.
pub struct Asked<'s> {
    socket: &'s Path,
    stream: UnixStream,
}

impl<'s> Asked<'s> {
    fn new(socket: &'s Path, method: &str, path: &str, body: &[u8], limit: Option<Duration>) -> Result<Self, Failure> {
        match send(socket, method, path, body, limit) {
            Ok(stream) => Ok(Self { socket, stream }),
            Err(error) => Err(unreachable(socket, &error)),
        }
    }

    /// The document that answers it.
    pub fn answer<T: DeserializeOwned>(self) -> Result<T, Failure> {
        self.taken(false, whole)
    }

    fn taken<T>(self, is_endless: bool, take: impl FnOnce(&mut dyn Read) -> serde_json::Result<T>) -> Result<T, Failure> {
        let socket = self.socket;
        let strange = || Failure { code: 3, message: format!("what answers at {} is not credd", socket.display()), hint: None };
        let not_read = |error: &io::Error| if error.kind() == io::ErrorKind::InvalidData { strange() } else { unreachable(socket, error) };
        let ended = || {
            let message = format!("the daemon at {} ended before it answered", socket.display());
            Failure { code: 3, message, hint: Some("see what became of it with: credd status".into()) }
        };
        let mut answer = BufReader::with_capacity(BUFFER, self.stream);
        let Some(head) = Head::read(&mut answer).map_err(|error| not_read(&error))? else { return Err(ended()) };
        if is_endless && head.code == 200 {
            answer.get_ref().set_read_timeout(None)?;
        }
        let mut body = Noted::new(Body::new(answer, &head));
        let found = if head.code == 200 { take(&mut body).map(Ok) } else { whole::<ErrorBody>(&mut body).map(|body| Err(body.error)) };
        match found {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                let code = match &*error.code {
                    "ending" => 3,
                    "bad-request" => 2,
                    code if code.starts_with("unknown-") => 2,
                    _ => 1,
                };
                Err(Failure { code, message: error.message, hint: Some(error.hint) })
            }
            Err(_) => Err(match body.into_fault() {
                Some(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => ended(),
                Some(fault) => not_read(&fault),
                None => strange(),
            }),
        }
    }
}

/// Sends a request.
fn send(socket: &Path, method: &str, path: &str, body: &[u8], limit: Option<Duration>) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request)?;
    Ok(stream)
}

/// Nobody answers: exit code 3.
fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    if let Some(message) = too_long_for_a_socket(socket) {
        return Failure { code: 3, message, hint: None };
    }
    if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) {
        let message = format!("the daemon at {} doesn't answer this user: {error}", socket.display());
        return Failure { code: 3, message, hint: Some("ask as the user whose daemon it is, or look at its log".into()) };
    }
    let message = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!("no daemon answers at {}", socket.display()),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("the daemon at {} doesn't answer", socket.display()),
        _ => format!("the daemon at {} can't be reached: {error}", socket.display()),
    };
    Failure { code: 3, message, hint: Some("start it with: credd install (or, in the foreground: credd run)".into()) }
}
