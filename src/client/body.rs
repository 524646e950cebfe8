//! The framing of an answer: its head, and a body of known length, in chunks, or up to the end.

use std::io::{self, BufRead, Read};

/// Bytes of a head, or of a chunk's first line, at most.
const LONGEST: usize = 16 * 1024;
/// Headers of an answer, at most.
const MOST_HEADERS: usize = 16;

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub code: u16,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of this chunk are left.
    Chunks(u64),
    /// The last chunk was read.
    Ended,
    /// Up to the end of the connection.
    ToEnd,
}

impl Head {
    /// Reads a head; `None` if the connection ends instead.
    pub fn read(source: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut text = Vec::new();
        loop {
            let before = text.len();
            line(source, &mut text)?;
            match text.len() - before {
                0 if before == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if text.len() > LONGEST => return Err(strange()),
                _ if matches!(&text[before..], b"\n" | b"\r\n") => break,
                _ => {}
            }
        }
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(_)) = head.parse(&text) else { return Err(strange()) };
        let value = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
        let framing = match (value("transfer-encoding"), value("content-length")) {
            (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunks(0),
            (Some(_), _) => return Err(strange()),
            (None, Some(length)) => {
                Framing::Length(std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()).ok_or_else(strange)?)
            }
            (None, None) => Framing::ToEnd,
        };
        Ok(Some(Self { code: head.code.unwrap_or_default(), framing }))
    }
}

/// A body without its framing. One that breaks off is an error.
pub struct Body<R> {
    source: R,
    framing: Framing,
    /// The first chunk is to come.
    at_start: bool,
}

impl<R: BufRead> Body<R> {
    /// What follows `head`.
    pub fn new(source: R, head: &Head) -> Self {
        Self { source, framing: head.framing, at_start: true }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        if !std::mem::take(&mut self.at_start) {
            // The end of the one before.
            line(&mut self.source, &mut text)?;
            if !matches!(&*text, b"\n" | b"\r\n") {
                return Err(if text.is_empty() { io::ErrorKind::UnexpectedEof.into() } else { strange() });
            }
            text.clear();
        }
        line(&mut self.source, &mut text)?;
        self.framing = match httparse::parse_chunk_size(&text) {
            // What may follow it concerns nobody.
            Ok(httparse::Status::Complete((_, 0))) => Framing::Ended,
            Ok(httparse::Status::Complete((_, size))) => Framing::Chunks(size),
            Ok(httparse::Status::Partial) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(_) => return Err(strange()),
        };
        Ok(())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.framing == Framing::Chunks(0) {
            self.next_chunk()?;
        }
        let left = match self.framing {
            Framing::Ended | Framing::Length(0) => return Ok(0),
            Framing::ToEnd => return self.source.read(buffer),
            Framing::Length(left) | Framing::Chunks(left) => left,
        };
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.source.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let left = left - u64::try_from(count).unwrap_or_default();
        self.framing = if matches!(self.framing, Framing::Length(_)) { Framing::Length(left) } else { Framing::Chunks(left) };
        Ok(count)
    }
}

/// Reads up to the end of a line.
fn line(source: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<()> {
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    source.by_ref().take(most).read_until(b'\n', text).map(|_| ())
}

fn strange() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(answer: &str, capacity: usize) -> io::Result<(u16, String)> {
        let mut source = BufReader::with_capacity(capacity, answer.as_bytes());
        let head = Head::read(&mut source)?.ok_or(io::ErrorKind::NotFound)?;
        let mut text = String::new();
        Body::new(source, &head).read_to_string(&mut text)?;
        Ok((head.code, text))
    }

    #[test]
    fn a_body_is_framed_in_three_ways() {
        let whole = [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome text and more",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsome \r\n4;x=y\r\ntext\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nsome text",
        ];
        for answer in whole {
            for capacity in [1, 3, 4096] {
                assert_eq!(read(answer, capacity).unwrap(), (200, "some text".into()), "{answer:?}");
            }
        }
        assert_eq!(read("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", 64).unwrap(), (409, String::new()));
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsome \r\n4\r\ntext\r\n0\r\n";
        let last = answer.len() - "\r\n".len();
        for end in 0..last {
            assert!(read(&answer[..end], 4096).is_err(), "{end}");
        }
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", 64).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read("", 64).unwrap_err().kind(), io::ErrorKind::NotFound);
        for nonsense in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"] {
            assert_eq!(read(nonsense, 64).unwrap_err().kind(), io::ErrorKind::InvalidData, "{nonsense:?}");
        }
    }
}
