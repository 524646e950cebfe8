//! Which process listens where.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;

use super::{Held, procfs};

/// A listening socket in a process's network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whether it is one of the processes asked after that has it open.
    pub own: bool,
}

/// All TCP sockets that listen in the first process's network namespace, and whether one of these
/// processes holds them. `None` where that can't be told.
pub fn listeners(tree: &[&Held]) -> Option<Vec<Listener>> {
    let first = tree.first()?;
    let mut all = procfs::listening(&table(first, "tcp")?);
    // Without IPv6 there is no such file.
    all.extend(table(first, "tcp6").map(|text| procfs::listening(&text)).unwrap_or_default());
    let own: HashSet<u64> = tree.iter().flat_map(|process| sockets(process)).map(|(_, inode)| inode).collect();
    Some(all.into_iter().map(|one| Listener { address: one.address, own: own.contains(&one.inode) }).collect())
}

/// Whether somebody listens on one of these ports in a process's network namespace; `None` where that can't be
/// told.
pub fn is_anybody_on(process: &Held, ports: &[u16]) -> Option<bool> {
    let tables = [Some(table(process, "tcp")?), table(process, "tcp6")];
    Some(tables.iter().flatten().flat_map(|text| procfs::listening(text)).any(|one| ports.contains(&one.address.port())))
}

/// A descriptor of a listening socket.
pub(super) struct Listening<'a> {
    pub(super) holder: &'a Held,
    pub(super) number: i32,
    pub(super) port: u16,
}

/// The sockets by which processes listen on one of these ports, each once.
pub(super) fn listening_descriptors<'a>(tree: &[&'a Held], ports: &[u16]) -> Vec<Listening<'a>> {
    let Some(first) = tree.first() else { return Vec::new() };
    let mut open: HashMap<u64, u16> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|name| table(first, name))
        .flat_map(|text| procfs::listening(&text))
        .map(|one| (one.inode, one.address.port()))
        .filter(|(_, port)| ports.contains(port))
        .collect();
    let mut found = Vec::new();
    for holder in tree {
        for (number, inode) in sockets(holder) {
            found.extend(open.remove(&inode).map(|port| Listening { holder, number, port }));
        }
    }
    found
}

/// Whether a process sees the same network as this one.
pub fn shares_network(process: &Held) -> bool {
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    network("self").is_some_and(|own| network(&process.pid().to_string()) == Some(own))
}

/// Where others listen on one of these ports, in the network that this process sees; `known` are left out.
pub fn squatted(ports: &[u16], known: &[SocketAddr]) -> Option<SocketAddr> {
    let own = Held::open(i32::try_from(std::process::id()).ok()?).ok()?;
    let all = listeners(&[&own])?;
    all.into_iter().map(|one| one.address).find(|address| ports.contains(&address.port()) && !known.contains(address))
}

/// Who listens on a port, if that is a process that may be looked into.
pub fn listener_of(port: u16) -> Option<Held> {
    let all: Vec<Held> = procfs::all().into_iter().filter_map(|stat| Held::open(stat.pid).ok()).collect();
    let pid = listening_descriptors(&all.iter().collect::<Vec<_>>(), &[port]).first()?.holder.pid();
    all.into_iter().find(|process| process.pid() == pid)
}

/// How many connections to a local port nobody has accepted yet.
pub(super) fn waiting(port: u16) -> u32 {
    let tables = ["tcp", "tcp6"].iter().filter_map(|name| fs::read_to_string(format!("/proc/self/net/{name}")).ok());
    tables.flat_map(|text| procfs::listening(&text)).filter(|one| one.address.port() == port).map(|one| one.waiting).sum()
}

fn table(process: &Held, name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{}/net/{name}", process.pid())).ok()
}

/// Descriptors and inodes of a process's sockets.
fn sockets(process: &Held) -> Vec<(i32, u64)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", process.pid())) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, inode))
        })
        .collect()
}
