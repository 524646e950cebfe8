//! Requests to LiteLLM: plain HTTP, on its own machine, never through a proxy.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use zeroize::Zeroizing;

use crate::http;
use crate::secret::Secret;

/// An answer, with as much of its body as is needed to tell what it means.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// As much of it as tells what it means; may quote secrets, so it is never shown.
    pub body: Zeroizing<Vec<u8>>,
}

/// Requests to one server.
pub struct Line {
    agent: Agent,
    /// It leads to one process, past everything that may stand before that.
    is_direct: bool,
}

impl Line {
    /// Each request gets this long.
    pub fn new(patience: Duration) -> Self {
        Self { agent: config(patience).new_agent(), is_direct: false }
    }

    /// The same, with connections made like this.
    pub fn through(dial: impl Fn(SocketAddr) -> io::Result<TcpStream> + Send + Sync + 'static, patience: Duration) -> Self {
        let agent = Agent::with_parts(config(patience), Dialer(Box::new(dial)), DefaultResolver::default());
        Self { agent, is_direct: true }
    }

    /// Whether it leads to one process, and nowhere else.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// GET, for no longer than told; the status. The error says why there was no answer.
    pub fn get(&self, url: &str, patience: Duration) -> Result<u16, String> {
        let request = self.agent.get(url).config().timeout_global(Some(patience)).build();
        let response = request.call().map_err(|error| error.to_string())?;
        Ok(response.status().as_u16())
    }

    /// POST of a JSON body with a bearer token. The error says why there was no answer.
    pub fn post(&self, url: &str, token: Option<&Secret>, body: &Value) -> Result<Answer, String> {
        let mut request = self.agent.post(url);
        // One with a newline in it is no header; LiteLLM then says that it got none.
        if let Some(header) = token.and_then(http::bearer) {
            request = request.header("Authorization", header);
        }
        let request = request.header("Content-Type", "application/json");
        let mut response = request.send(&body.to_string()).map_err(|error| error.to_string())?;
        let (body, _) = http::beginning(&mut response);
        Ok(Answer { status: response.status().as_u16(), body })
    }
}

fn config(patience: Duration) -> Config {
    Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0).timeout_global(Some(patience)).build()
}

struct Dialer(Box<dyn Fn(SocketAddr) -> io::Result<TcpStream> + Send + Sync>);

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

impl Connector for Dialer {
    type Out = Dialed;

    fn connect(&self, details: &ConnectionDetails, _before: Option<()>) -> Result<Option<Dialed>, ureq::Error> {
        let Some(address) = details.addrs.first() else { return Err(ureq::Error::HostNotFound) };
        let stream = (self.0)(*address)?;
        let limit = details.config.timeouts().global;
        stream.set_read_timeout(limit)?;
        stream.set_write_timeout(limit)?;
        Ok(Some(Dialed { stream, buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()) }))
    }
}

/// A connection for one request.
#[derive(Debug)]
struct Dialed {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for Dialed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _timeout: NextTimeout) -> Result<(), ureq::Error> {
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, _timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let count = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}
