//! Letting a new process listen on a port beside the one that has it, and choosing who gets a connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{ipv6_v6only, set_ipv6_v6only, set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use socket2::{SockFilter, SockRef};

use super::sockets::{listening_descriptors, waiting};
use super::{Held, Traced};
use crate::clock;
use crate::consumers::door::Unshared;

/// Two listeners on one port: the old process's, and the new one's. Until the user of this says otherwise,
/// the old one gets all connections but those made by [`Shared::dial`].
///
/// `SO_REUSEPORT` (socket(7)) is meant to be set before bind(2), but counts whenever the next socket is
/// bound or begins to listen (`inet_csk_get_port`, `inet_hash` in Linux): set on the old socket late and on
/// the new one in time, both listen. A classic BPF program chooses between them (`SO_ATTACH_REUSEPORT_CBPF`,
/// socket(7)): by their order, the old one being first.
#[derive(Debug)]
pub struct Shared {
    /// While it may be needed: as long as it is open here, the kernel has it listen, whatever its owner does.
    old: Option<OwnedFd>,
    new: OwnedFd,
    port: u16,
    is_switched: AtomicBool,
}

/// What a connection that was made for the old process, and not taken yet, is given.
const TAKEN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);
/// Within this, who has connected has sent a request. uvicorn closes connections without one when it stops.
const ASKED: Duration = Duration::from_millis(50);

impl Shared {
    /// Of the one listener on `ports` that `old` has and the new process that stands before bind(2); it
    /// listens when this returns. That can't be where there is more than one listener, or another process's
    /// descriptors are out of reach.
    pub fn of(old: &[&Held], ports: &[u16], new: &Held, traced: &Traced) -> Result<Self, Unshared> {
        let (shared, placeholder) = Self::bound(old, ports, new, traced.socket()).map_err(|_| Unshared::Held)?;
        match traced.let_listen(new) {
            Ok(true) => {}
            Ok(false) => return Err(Unshared::Died),
            Err(_) => return Err(Unshared::LetIn),
        }
        drop(placeholder);
        Ok(shared)
    }

    /// Ready for the new one to listen. Together with a listener of our own that is to be closed once it does:
    /// the kernel makes the group when a second one listens, and takes a program for a group alone. Ours is there
    /// for the microseconds between the two, so that no caller meets a new process that wasn't tried yet.
    fn bound(old: &[&Held], ports: &[u16], new: &Held, number: i32) -> io::Result<(Self, OwnedFd)> {
        let listeners = listening_descriptors(old, ports);
        let [listener] = listeners.as_slice() else {
            return Err(io::Error::other(format!("it has {} listeners", listeners.len())));
        };
        let copy = |process: &Held, number: i32| pidfd_getfd(process, number, PidfdGetfdFlags::empty());
        let (old, new) = (copy(listener.holder, listener.number)?, copy(new, number)?);
        let shared = Self { old: Some(old), new, port: listener.port, is_switched: AtomicBool::new(false) };
        let old = shared.old.as_ref().ok_or(io::ErrorKind::NotFound)?;
        set_socket_reuseport(old, true)?;
        set_socket_reuseport(&shared.new, true)?;
        let address = getsockname(old)?;
        let placeholder = socket_with(address.address_family(), SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        if address.address_family() == AddressFamily::INET6 {
            set_ipv6_v6only(&placeholder, ipv6_v6only(old)?)?;
        }
        // Connections that ended lately keep the port from one that doesn't allow for them.
        set_socket_reuseaddr(&placeholder, true)?;
        set_socket_reuseport(&placeholder, true)?;
        bind(&placeholder, &address)?;
        // Who comes to it before the program is there would be reset when it closes. So it hears nobody: the first packet is
        // dropped (SO_ATTACH_FILTER, socket(7)), and sent again a second later, to the old one.
        SockRef::from(&placeholder).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
        listen(&placeholder, 0)?;
        attach(&placeholder, &mut [ret(OLD)])?;
        Ok((shared, placeholder))
    }

    /// Connects to the new process.
    pub fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let (family, any): (_, IpAddr) = match address {
            SocketAddr::V4(_) => (AddressFamily::INET, Ipv4Addr::UNSPECIFIED.into()),
            SocketAddr::V6(_) => (AddressFamily::INET6, Ipv6Addr::UNSPECIFIED.into()),
        };
        let own = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&own, &SocketAddr::new(any, 0))?;
        let own_address = SocketAddr::try_from(getsockname(&own)?)?;
        self.steer(Some(own_address.port()))?;
        connect(&own, &address)?;
        Ok(own.into())
    }

    /// Has the new process get all connections from now on, and the old one take those that it has got.
    pub fn switch(&self) -> io::Result<()> {
        self.steer(None)?;
        self.is_switched.store(true, Ordering::Relaxed);
        let end = clock::monotonic() + TAKEN;
        // Those not taken yet would be reset when it closes its listener.
        while waiting(self.port) > 0 && clock::monotonic() < end {
            thread::sleep(LOOK);
        }
        thread::sleep(ASKED);
        Ok(())
    }

    /// All connections go to the new process, or those from this port alone.
    fn steer(&self, from: Option<u16>) -> io::Result<()> {
        match from {
            Some(port) => attach(&self.new, &mut from_port(port)),
            None => attach(&self.new, &mut [ret(NEW)]),
        }
    }
}

impl Drop for Shared {
    /// Nobody else is to share the port later, and whoever is left, or is the first next time, gets all.
    fn drop(&mut self) {
        if let Some(old) = &self.old {
            let _ = set_socket_reuseport(old, false);
        }
        if *self.is_switched.get_mut() {
            // Closed by its owner: before anybody is sent to it again.
            self.old = None;
        }
        let _ = attach(&self.new, &mut [ret(OLD)]);
        let _ = set_socket_reuseport(&self.new, false);
    }
}

/// Places in the group of sockets that share a port.
const OLD: u32 = 0;
const NEW: u32 = 1;

fn attach(socket: &impl AsFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, sockopt::AttachReusePortCbpf, &program)?)
}

/// The new process for connections from this port, else the old one.
fn from_port(port: u16) -> [libc::sock_filter; 9] {
    use libc::{BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RSH};
    // Offsets from there on count from the beginning of the IP header (linux/filter.h).
    const NETWORK: u32 = (-0x10_0000_i32).cast_unsigned();
    // The source port comes first in TCP's header, which comes after 20 bytes of IPv4's, or 40 of IPv6's.
    [
        statement(BPF_LD | BPF_B | BPF_ABS, NETWORK),
        statement(BPF_ALU | BPF_RSH | BPF_K, 4),
        jump(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0),
        statement(BPF_LD | BPF_H | BPF_ABS, NETWORK + 20),
        statement(BPF_JMP | BPF_JA, 1),
        statement(BPF_LD | BPF_H | BPF_ABS, NETWORK + 40),
        jump(BPF_JMP | BPF_JEQ | BPF_K, port.into(), 0, 1),
        ret(NEW),
        ret(OLD),
    ]
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

fn ret(value: u32) -> libc::sock_filter {
    statement(RETURN.into(), value)
}

const RETURN: u16 = 0x06; // BPF_RET | BPF_K

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use rustix::net::socket;

    use super::*;

    /// Who of the two gets the connection that is made.
    fn taker(listeners: [&TcpListener; 2], client: &TcpStream) -> usize {
        let address = client.local_addr().unwrap();
        loop {
            for (at, listener) in listeners.iter().enumerate() {
                listener.set_nonblocking(true).unwrap();
                match listener.accept() {
                    Ok((_, from)) => {
                        assert_eq!(from.port(), address.port());
                        return at;
                    }
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
    }

    fn hands_over(place: &str) {
        let old = TcpListener::bind(place).unwrap();
        let mut address = old.local_addr().unwrap();
        let port = address.port();
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let new = socket(family, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&new, true).unwrap();
        assert_eq!(bind(&new, &address), Err(rustix::io::Errno::ADDRINUSE));

        let own = Held::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        let (shared, placeholder) = Shared::bound(&[&own], &[port], &own, new.as_raw_fd()).unwrap();
        bind(&new, &address).unwrap();
        listen(&new, 50).unwrap();
        drop(placeholder);
        let new = TcpListener::from(new);
        // Also by IPv4 to a listener for both.
        address.set_ip(if place.starts_with("[::1]") { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() });
        for _ in 0..20 {
            assert_eq!(taker([&old, &new], &TcpStream::connect(address).unwrap()), 0);
            assert_eq!(taker([&old, &new], &shared.dial(address).unwrap()), 1);
        }
        shared.switch().unwrap();
        for _ in 0..20 {
            assert_eq!(taker([&old, &new], &TcpStream::connect(address).unwrap()), 1);
        }
        drop(old);
        drop(shared);
        let third = socket(family, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&third, true).unwrap();
        assert_eq!(bind(&third, &new.local_addr().unwrap()), Err(rustix::io::Errno::ADDRINUSE));
        // And once more, with the one that was new.
        let (shared, placeholder) = Shared::bound(&[&own], &[port], &own, third.as_raw_fd()).unwrap();
        bind(&third, &new.local_addr().unwrap()).unwrap();
        listen(&third, 50).unwrap();
        drop(placeholder);
        let third = TcpListener::from(third);
        assert_eq!(taker([&new, &third], &TcpStream::connect(address).unwrap()), 0);
        assert_eq!(taker([&new, &third], &shared.dial(address).unwrap()), 1);
    }

    #[test]
    fn two_listen_and_each_gets_what_it_is_to() {
        hands_over("127.0.0.1:0");
        hands_over("0.0.0.0:0");
        hands_over("[::1]:0");
        hands_over("[::]:0");
    }

    #[test]
    fn a_port_with_two_listeners_is_not_shared() {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        let _two = TcpListener::bind(("::1", port)).unwrap();
        let own = Held::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        let error = Shared::bound(&[&own], &[port], &own, one.as_raw_fd()).unwrap_err();
        assert_eq!(error.to_string(), "it has 2 listeners");
    }
}
