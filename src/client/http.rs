//! The client's side of the socket: one request, one answer, no runtime.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::paths::too_long_for_a_socket;
use crate::protocol::ErrorBody;

/// The daemon answers from memory; only what goes out into the world takes its time.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Asks for a document.
pub fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Failure> {
    call(socket, "GET", path, &[], Some(LIMIT))?.read()
}

/// Sends a document and takes the answer, within `limit` or when it is known.
pub fn post<T: DeserializeOwned>(socket: &Path, path: &str, body: &impl Serialize, limit: Option<Duration>) -> Result<T, Failure> {
    post_for(socket, path, body, limit)?.read()
}

/// The same for an answer that is read as more than one type: `#[serde(flatten)]` builds in a second JSON reader.
pub fn post_for<'a>(socket: &'a Path, path: &str, body: &impl Serialize, limit: Option<Duration>) -> Result<Document<'a>, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::failed(error.to_string()))?;
    call(socket, "POST", path, &body, limit)
}

/// An answer's JSON.
pub struct Document<'a> {
    socket: &'a Path,
    answer: Vec<u8>,
    head: usize,
}

impl Document<'_> {
    /// As a document of this type; what it doesn't know of is left out.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.answer[self.head..]).map_err(|_| strange(self.socket))
    }
}

fn strange(socket: &Path) -> Failure {
    Failure { code: 3, message: format!("what answers at {} is not credd", socket.display()), hint: None }
}

fn call<'a>(socket: &'a Path, method: &str, path: &str, body: &[u8], limit: Option<Duration>) -> Result<Document<'a>, Failure> {
    let answer = exchange(socket, method, path, body, limit).map_err(|error| unreachable(socket, &error))?;
    if answer.is_empty() {
        let message = format!("the daemon at {} ended before it answered", socket.display());
        return Err(Failure { code: 3, message, hint: Some("see what became of it with: credd status".into()) });
    }
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(&answer) else { return Err(strange(socket)) };
    let is_ok = head.code == Some(200);
    let document = Document { socket, head: length, answer };
    if is_ok {
        return Ok(document);
    }
    let error = document.read::<ErrorBody>()?.error;
    let code = if error.code.starts_with("unknown-") || error.code == "bad-request" { 2 } else { 1 };
    Err(Failure { code, message: error.message, hint: Some(error.hint) })
}

fn exchange(socket: &Path, method: &str, path: &str, body: &[u8], limit: Option<Duration>) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request)?;
    // Room for the usual answer, lest it is read in ever larger pieces.
    let mut answer = Vec::with_capacity(16 * 1024);
    stream.read_to_end(&mut answer)?;
    Ok(answer)
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
