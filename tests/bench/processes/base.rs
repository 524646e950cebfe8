//! The base that credd's start is measured against: a runtime of one thread and a socket, nothing else.
//!
//! This program plays it itself, so that it is built like the rest.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

pub const COMMAND: &str = "--play-base";

/// Answers whoever connects, for ever.
pub fn serve(socket: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = UnixListener::bind(socket).unwrap();
        loop {
            // Whoever has gone again is no trouble.
            let _ = answer(&listener).await;
        }
    });
}

async fn answer(listener: &UnixListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    let _ = stream.read(&mut [0; 1024]).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await
}
