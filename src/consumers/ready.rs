//! Waiting until a consumer serves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::find::{file_name, option};
use super::http::Line;
use super::sys::{self, Held, Listener};
use crate::clock;
use crate::core::order;

/// Where a consumer is expected to answer.
pub struct Place {
    /// `url` of the configuration, if it is one that can be asked (no TLS here).
    url: Option<String>,
    /// Ports it listened on before; empty where that isn't known.
    ports: Vec<u16>,
    /// Port of its command line, or LiteLLM's usual one here.
    fallback: u16,
    /// The port it has, where the system doesn't tell.
    likely: Option<u16>,
    /// Where others listened on its ports beside it, at addresses of their own; `None` where that can't be seen.
    neighbours: Option<Vec<SocketAddr>>,
}

/// How the wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited {
    /// It listens and answers; its base URL, without a slash at the end.
    Ready(String),
    /// The process ended.
    Died,
    /// Another process has the port.
    Taken(u16),
    /// Not in the time given.
    TimedOut,
}

/// Between two looks at the sockets: cheap, and nothing tells of a new listener.
const LOOK: Duration = Duration::from_millis(100);
/// For one request for a sign of life.
const ANSWER: Duration = Duration::from_secs(5);

impl Place {
    /// Where a running consumer serves; its successor is expected in the same place.
    pub fn of(process: &Held, argv: &[Vec<u8>], url: Option<&str>) -> Self {
        let own = own_addresses(process);
        let others = |all: Vec<Listener>| all.iter().filter(|one| !one.own).map(|one| one.address).collect();
        let fallback = option(argv, &["--port"]).and_then(|port| port.to_str()?.parse().ok()).unwrap_or(8000);
        Self {
            likely: own.is_none().then_some(fallback),
            url: url.filter(|url| url.starts_with("http://")).map(|url| url.trim_end_matches('/').to_owned()),
            ports: own.iter().flatten().map(SocketAddr::port).collect(),
            fallback,
            neighbours: all_listeners(process).map(others).filter(|_| sys::shares_network(process)),
        }
    }

    /// Where a process is to be asked that listens where it is expected.
    pub fn base_of(&self, process: &Held) -> Option<String> {
        own_addresses(process)?.iter().find(|address| self.ports.contains(&address.port())).map(base_url)
    }

    /// The ports it has, each once.
    pub fn ports(&self) -> Vec<u16> {
        order::each_once(self.ports.iter().copied().chain(self.likely))
    }

    /// The port that somebody took who wasn't there before.
    pub fn squatted(&self) -> Option<u16> {
        sys::squatted(&self.ports(), self.neighbours.as_ref()?).map(|address| address.port())
    }

    /// The same after `process` tried to serve: it doesn't listen there itself.
    pub fn lost_by(&self, process: &Held) -> Option<u16> {
        let own = own_addresses(process).unwrap_or_default();
        let serves = own.iter().any(|address| self.ports().contains(&address.port()));
        if serves { None } else { self.squatted() }
    }

    /// Waits until the process, or one below it, listens where its predecessor did and answers.
    ///
    /// That it answers wouldn't do: something else may have taken the port.
    pub fn wait(&self, process: &Held, patience: Duration, line: &Line) -> Waited {
        let end = clock::monotonic() + patience;
        loop {
            match self.look(process, line) {
                Some(Waited::Ready(base)) => return Waited::Ready(base),
                Some(other) => return other,
                None => {}
            }
            let left = end.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return Waited::TimedOut;
            }
            if process.gone_within(LOOK.min(left)) {
                return Waited::Died;
            }
        }
    }

    fn look(&self, process: &Held, line: &Line) -> Option<Waited> {
        // Most looks find nobody there, and this is the cheapest of questions.
        if !self.ports.is_empty() && sys::is_anybody_on(process, &self.ports) == Some(false) {
            return None;
        }
        let Some(all) = all_listeners(process) else {
            // No such knowledge on this system: it has to answer, that is all.
            let base = self.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{}", self.fallback));
            return answers(line, &base).then_some(Waited::Ready(base));
        };
        let own: Vec<SocketAddr> = all.iter().filter(|one| one.own).map(|one| one.address).collect();
        let expected = |address: &&SocketAddr| self.ports.is_empty() || self.ports.contains(&address.port());
        if let Some(taken) = self.taken(&own, &all) {
            return Some(Waited::Taken(taken));
        }
        let mut here = own.iter().filter(expected);
        // What stands before it would answer for its predecessor.
        if let Some(url) = self.url.as_ref().filter(|_| !line.is_direct()) {
            return (here.next().is_some() && answers(line, url)).then(|| Waited::Ready(url.clone()));
        }
        here.map(base_url).find(|base| answers(line, base)).map(Waited::Ready)
    }

    /// It listens, though not where it did, and somebody else does.
    fn taken(&self, own: &[SocketAddr], all: &[Listener]) -> Option<u16> {
        let is_elsewhere = !own.is_empty() && !self.ports.is_empty() && own.iter().all(|address| !self.ports.contains(&address.port()));
        let mut others = all.iter().filter(|one| !one.own).map(|one| one.address.port());
        is_elsewhere.then(|| others.find(|port| self.ports.contains(port)))?
    }
}

fn all_listeners(process: &Held) -> Option<Vec<Listener>> {
    let below = sys::descendants(process);
    let tree: Vec<&Held> = std::iter::once(process).chain(&below).collect();
    sys::listeners(&tree)
}

/// Where a process listens itself, or where those below it do if it leaves all to them. What a child of one that
/// listens is at (Prisma's engine, at random) is no matter.
pub(super) fn own_addresses(process: &Held) -> Option<Vec<SocketAddr>> {
    let own = |all: Vec<Listener>| all.iter().filter(|one| one.own).map(|one| one.address).collect::<Vec<_>>();
    let itself = own(sys::listeners(&[process])?);
    if itself.is_empty() { all_listeners(process).map(own) } else { Some(itself) }
}

/// Who has a port, in words.
pub(super) fn who_has(port: u16) -> String {
    let named = |process: &Held| {
        let argv = process.argv().ok()?;
        let name = String::from_utf8_lossy(file_name(argv.first()?)).into_owned();
        Some(format!("process {} ({name}) has its port {port}", process.pid()))
    };
    sys::listener_of(port).as_ref().and_then(named).unwrap_or_else(|| format!("another process has its port {port}"))
}

/// Whether a server gives a sign of life.
pub(super) fn answers(line: &Line, base: &str) -> bool {
    line.get(&format!("{base}/health/liveliness"), ANSWER).is_ok_and(|status| status < 500)
}

/// A URL for a listening address; "any" is asked at loopback.
fn base_url(address: &SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_is_asked_at_loopback() {
        let url = |text: &str| base_url(&text.parse().unwrap());
        assert_eq!(url("0.0.0.0:4000"), "http://127.0.0.1:4000");
        assert_eq!(url("[::]:4000"), "http://[::1]:4000");
        assert_eq!(url("10.0.0.1:80"), "http://10.0.0.1:80");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_took_a_port_is_named() {
        let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = squatter.local_addr().unwrap();
        let port = address.port();
        let place = |neighbours| Place { url: None, ports: vec![port], fallback: port, likely: None, neighbours };
        assert_eq!(place(Some(vec![])).squatted(), Some(port));
        assert_eq!(place(Some(vec![address])).squatted(), None, "it was there before");
        assert_eq!(place(None).squatted(), None, "another network");
        let own = Held::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert_eq!(place(Some(vec![])).lost_by(&own), None, "it has the port itself");
        let said = who_has(port);
        assert!(said.starts_with(&format!("process {} (", own.pid())) && said.ends_with(&format!(") has its port {port}")), "{said}");
        drop(squatter);
        assert_eq!(who_has(port), format!("another process has its port {port}"));
    }

    #[test]
    fn a_port_taken_by_another_is_told_from_one_not_yet_open() {
        let place = Place { url: None, ports: vec![8000], fallback: 8000, likely: None, neighbours: None };
        let listener = |port: u16, own| Listener { address: ([127, 0, 0, 1], port).into(), own };
        let taken = |all: &[Listener]| {
            let own: Vec<_> = all.iter().filter(|one| one.own).map(|one| one.address).collect();
            place.taken(&own, all)
        };
        assert_eq!(taken(&[listener(8000, false)]), None);
        assert_eq!(taken(&[listener(8000, true)]), None);
        assert_eq!(taken(&[listener(8000, false), listener(54321, true)]), Some(8000));
        assert_eq!(taken(&[listener(54321, true)]), None);
    }
}
