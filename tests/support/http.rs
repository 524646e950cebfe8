//! As much of HTTP/1.1 as the stand-ins and their clients need: whole bodies with a Content-Length,
//! or chunks, or up to the end of the connection.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A port that nobody listens on, below those that the kernel hands out: a server that takes its time to
/// start would lose one of those to any passing connection.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run side by side begin far from each other.
    let begin = std::process::id().wrapping_mul(101);
    (0..COUNT)
        .find_map(|_| {
            let offset = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            let port = u16::try_from(FIRST + offset).ok()?;
            TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
        })
        .expect("a free port")
}

/// A request or an answer: its first line, its headers in lower case, its body.
#[derive(Debug, Clone)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The status of an answer; 0 where the first line has none.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one message; `None` at the end of the connection.
pub fn read_message(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut start = String::new();
    if from.read_line(&mut start)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut message = Message { start: start.trim_end().to_owned(), headers, body: Vec::new() };
    message.body = if message.header("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        read_chunks(from)?
    } else if let Some(length) = message.header("content-length").and_then(|v| v.parse().ok()) {
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        body
    } else if message.start.starts_with("HTTP/") {
        let mut body = Vec::new();
        from.read_to_end(&mut body)?;
        body
    } else {
        Vec::new()
    };
    Ok(Some(message))
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2]; // with its line end
        from.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Sends one request to a port of this machine on a connection of its own and reads the answer.
pub fn request(
    port: u16,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&serde_json::Value>,
    timeout: Duration,
) -> io::Result<Message> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(timeout))?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    let authorization = bearer.map(|b| format!("Authorization: Bearer {b}\r\n")).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    read_message(&mut BufReader::new(stream))?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"))
}
