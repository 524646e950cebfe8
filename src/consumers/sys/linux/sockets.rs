//! Which process listens where.

use std::collections::HashSet;
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
    let table = |name: &str| fs::read_to_string(format!("/proc/{}/net/{name}", first.pid()));
    let mut all = procfs::listening(&table("tcp").ok()?);
    // Without IPv6 there is no such file.
    all.extend(table("tcp6").map(|text| procfs::listening(&text)).unwrap_or_default());
    let own: HashSet<u64> = tree.iter().flat_map(|process| socket_inodes(process)).collect();
    Some(all.into_iter().map(|(inode, address)| Listener { address, own: own.contains(&inode) }).collect())
}

fn socket_inodes(process: &Held) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", process.pid())) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}
