//! Server-sent events as they come (HTML, section 9.2): as much of them as the daemon sends.

use std::io::{self, BufRead};

/// Reads events up to the end, and hands on the kind and the data of each.
pub fn read(source: &mut dyn BufRead, take: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
    let (mut kind, mut data) = (Vec::new(), Vec::new());
    let mut line = Vec::new();
    loop {
        line.clear();
        if source.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            if !data.is_empty() {
                take(&kind, &data);
            }
            kind.clear();
            // A document of ten thousand keys is not kept until the next.
            data = Vec::new();
        } else if let Some(value) = text.strip_prefix(b"data: ") {
            data.extend_from_slice(value);
        } else if let Some(value) = text.strip_prefix(b"event: ") {
            kind = value.to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let text = b"id: 1\nevent: status\ndata: {\"a\":1}\n\n: a comment\n\nid: 2\r\nevent: history\r\ndata: {}\r\n\r\nevent: status\ndata: {\"cut";
        let mut all = Vec::new();
        read(&mut &text[..], &mut |kind, data| all.push([kind, data].map(|part| String::from_utf8(part.to_vec()).unwrap()))).unwrap();
        assert_eq!(all, [["status", "{\"a\":1}"], ["history", "{}"]]);
    }
}
