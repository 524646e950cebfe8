//! The process that talks to Bedrock, and to nobody else.
//!
//! TLS, HTTP and JSON of a stranger are taken apart by a child of the worker that has given up all rights but that
//! ([`crate::confine`]): it can't read the user's files, write any, or start a program. It gets the keys one by one,
//! over a pipe.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use super::{request, route};
use crate::core::ProbeVerdict;
use crate::secret::Secret;

/// The first line it says; then a [`Finding`] a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// What it could not give up, in words for people.
    pub(super) lacks: Option<String>,
}

/// What it is asked, as a line; after that comes the key, as it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    /// For how long it may ask.
    pub(super) most: Duration,
    /// Of the key, in bytes.
    pub(super) length: usize,
}

/// Asks the endpoint with this URL after keys, until there are no more. Gives up all other rights before the first.
pub fn talk(base: &str, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    let way = way(base);
    let ports = way.as_ref().map_or(&[][..], |way| &way.ports);
    say(output, &Greeting { lacks: confine(ports) })?;
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let Question { most, length } = serde_json::from_slice(line.as_bytes())?;
        let mut key = vec![0; length];
        input.read_exact(&mut key)?;
        let key = Secret::new(key);
        let finding = match &way {
            Ok(way) => request::ask(&way.agent, &way.endpoint, &key, most),
            Err(finding) => finding.clone(),
        };
        say(output, &finding)?;
        line.clear();
    }
    Ok(())
}

struct Way {
    endpoint: Endpoint,
    agent: Agent,
    ports: Vec<u16>,
}

/// What is wrong with the settings is found here, and files that they name are read.
fn way(base: &str) -> Result<Way, Finding> {
    let environment = |name: &str| std::env::var(name).ok();
    let endpoint = Endpoint::choose(Some(base), "", environment).map_err(|why| Finding::new(ProbeVerdict::Unknown, Retry::Useless, why))?;
    let (agent, ports) = route::agent(&endpoint, environment)?;
    Ok(Way { endpoint, agent, ports })
}

#[cfg(target_os = "linux")]
fn confine(ports: &[u16]) -> Option<String> {
    crate::confine::to_talk(ports)
}

#[cfg(not(target_os = "linux"))]
fn confine(_: &[u16]) -> Option<String> {
    None
}

fn say(output: &mut dyn Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
