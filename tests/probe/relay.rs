//! A stand-in for a company's HTTP proxy: tunnels every `CONNECT` to one port of this machine.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::rig::serve;
use crate::support::http::read_message;

/// A first line, and `Proxy-Authorization`.
pub type Asked = (String, Option<String>);

/// A proxy and what was asked of it.
pub struct Relay {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Relay {
    /// Answers with this first line and headers; with 200, it tunnels to the port.
    pub fn to(port: u16, status: &'static str) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let address = serve(move |client| {
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let Ok(Some(request)) = read_message(&mut reader) else { return };
            log.lock().unwrap().push((request.start.clone(), request.header("proxy-authorization").map(str::to_owned)));
            let mut client = client;
            if write!(client, "HTTP/1.1 {status}\r\n\r\n").is_err() || !status.starts_with("200") {
                return;
            }
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut up, mut down) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || copy(&mut reader, &mut up));
            copy(&mut &server, &mut down);
        });
        Self { address: address.to_string(), asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn copy(from: &mut impl Read, to: &mut TcpStream) {
    let _ = io::copy(from, to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}
