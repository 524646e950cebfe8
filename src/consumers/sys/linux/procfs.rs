//! The files of `/proc` as values. Formats: proc(5).

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::consumers::limits::Limit;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    /// `R`, `S`, … `Z` for a zombie, `X` for one that is being removed.
    pub(super) state: u8,
    pub(super) ppid: i32,
    pub(super) session: i32,
    /// Device of its controlling terminal; 0 for none.
    pub(super) tty: i32,
    pub(super) nice: i32,
    /// Clock ticks from boot to its start.
    pub(super) start_ticks: u64,
}

impl Stat {
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The name may hold spaces, parentheses and bytes that are no UTF-8: count from its end.
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let open = text.iter().position(|byte| *byte == b'(')?;
        let pid = std::str::from_utf8(&text[..open]).ok()?.trim().parse().ok()?;
        let rest = std::str::from_utf8(&text[close + 1..]).ok()?;
        // Field 3 of proc(5) is the first here.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            pid,
            state: *field(3)?.as_bytes().first()?,
            ppid: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            tty: field(7)?.parse().ok()?,
            nice: field(19)?.parse().ok()?,
            start_ticks: field(22)?.parse().ok()?,
        })
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// All processes that can be seen.
pub(super) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(|pid| Stat::of(pid).ok()).collect()
}

/// The arguments in `/proc/PID/cmdline`, empty ones included.
pub(super) fn argv(cmdline: &[u8]) -> Vec<Vec<u8>> {
    let mut argv: Vec<Vec<u8>> = cmdline.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    // Each is ended by a NUL, so the last piece is what comes after the end.
    argv.pop_if(|last| last.is_empty());
    argv
}

/// `Umask` of `/proc/PID/status`.
pub(super) fn umask(status: &str) -> Option<u32> {
    let value = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(value.trim(), 8).ok()
}

/// The lines of `/proc/PID/limits` that have a name we know.
pub(super) fn limits(text: &str) -> Vec<Limit> {
    text.lines()
        .filter_map(|line| {
            let kind = crate::consumers::limits::KINDS.iter().find(|kind| line.starts_with(kind.label))?;
            let mut values = line[kind.label.len()..].split_ascii_whitespace();
            let mut value = || match values.next()? {
                "unlimited" => Some(None),
                number => number.parse().ok().map(Some),
            };
            Some(Limit { kind: kind.code, soft: value()?, hard: value()? })
        })
        .collect()
}

/// Position and flags in `/proc/PID/fdinfo/N`.
pub(super) fn fdinfo(text: &str) -> Option<(u64, u32)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let position = field("pos:")?.parse().ok()?;
    let flags = u32::from_str_radix(field("flags:")?, 8).ok()?;
    Some((position, flags))
}

/// The unit of the user's own systemd that a process belongs to by its `/proc/PID/cgroup`, if that is a
/// service.
pub(super) fn user_service(text: &str, uid: u32) -> Option<&str> {
    // Of v2, or of v1's hierarchy of systemd's own; where both are mounted, either may be unused.
    text.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.strip_prefix(':').or_else(|| rest.strip_prefix("name=systemd:"))
        })
        .find_map(|path| service_in(path, uid))
}

/// The id in the name of a container's control group: 64 hexadecimal digits.
pub(super) fn container(text: &str) -> Option<&str> {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(|c: char| !c.is_ascii_alphanumeric()).find(is_id)
}

fn service_in(cgroup: &str, uid: u32) -> Option<&str> {
    let manager = format!("user@{uid}.service");
    let mut parts = cgroup.split('/').skip_while(|part| *part != manager).skip(1);
    // Slices hold units; what comes below a unit is its own business (`Delegate=`).
    parts.find(|part| !has_suffix(part, "slice")).filter(|unit| has_suffix(unit, "service"))
}

fn has_suffix(unit: &str, kind: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, suffix)| suffix == kind)
}

/// A socket that listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) inode: u64,
    pub(super) address: SocketAddr,
    /// Connections that wait to be accepted: what the receive queue of a listener counts.
    pub(super) waiting: u32,
}

/// Listening sockets of `/proc/PID/net/tcp` or `tcp6`.
pub(super) fn listening(text: &str) -> Vec<Listening> {
    const LISTEN: &str = "0A";
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if *fields.get(3)? != LISTEN {
                return None;
            }
            let (_, waiting) = fields.get(4)?.split_once(':')?;
            Some(Listening {
                inode: fields.get(9)?.parse().ok()?,
                address: address(fields.get(1)?)?,
                waiting: u32::from_str_radix(waiting, 16).ok()?,
            })
        })
        .collect()
}

/// `0100007F:1F90`: 32-bit words in this machine's byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| ip.get(at * 8..at * 8 + 8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_stat_may_hold_anything() {
        let line = b"42 (a) b) R (\xff) S 7 42 41 34816 42 4194304 1 2 3 4 5 6 7 8 20 -5 1 0 987654 1 2 3";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat, Stat { pid: 42, state: b'S', ppid: 7, session: 41, tty: 34816, nice: -5, start_ticks: 987_654 });
        assert!(Stat::parse(b"42 (cut").is_none());
        assert!(Stat::parse(b"42 (cut) S 1 2").is_none());
    }

    #[test]
    fn reads_this_very_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let stat = Stat::of(pid).unwrap();
        assert_eq!(stat.pid, pid);
        assert!(!stat.is_dead());
        assert!(all().contains(&stat) || all().iter().any(|other| other.pid == pid));
    }

    #[test]
    fn empty_arguments_are_kept() {
        let words = |all: &[&str]| all.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(argv(b"a\0\0b\0"), words(&["a", "", "b"]));
        assert_eq!(argv(b"a\0b\0\0"), words(&["a", "b", ""]));
        assert_eq!(argv(b"a"), words(&["a"]));
        assert!(argv(b"").is_empty());
    }

    #[test]
    fn umask_fdinfo_and_limits() {
        assert_eq!(umask("Name:\tx\nUmask:\t0027\n"), Some(0o27));
        assert_eq!(umask("Name:\tx\n"), None);
        assert_eq!(fdinfo("pos:\t1234\nflags:\t0102001\nmnt_id:\t1\n"), Some((1234, 0o102_001)));
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 524288               files     \n\
                    Max nonsense              1                    2                    files     \n";
        let found = limits(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].soft, found[0].hard), (None, None));
        assert_eq!((found[1].soft, found[1].hard), (Some(1024), Some(524_288)));
    }

    #[test]
    fn only_services_of_the_users_own_systemd_are_units() {
        let unit = |path: &str| service_in(path, 1000).map(str::to_owned);
        let base = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(unit(&format!("{base}/app.slice/litellm.service")).as_deref(), Some("litellm.service"));
        assert_eq!(unit(&format!("{base}/app.slice/x.service/sub/y.service")).as_deref(), Some("x.service"));
        assert_eq!(unit(&format!("{base}/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope")), None);
        assert_eq!(unit(&format!("{base}/init.scope")), None);
        assert_eq!(unit("/user.slice/user-1000.slice/session-2.scope"), None);
        assert_eq!(unit("/system.slice/litellm.service"), None);
        assert_eq!(unit("/user.slice/user-1001.slice/user@1001.service/a.service"), None);
        let both = format!("12:pids:{base}/p.service\n1:name=systemd:/\n0::{base}/a.service\n");
        assert_eq!(user_service(&both, 1000), Some("a.service"));
        assert_eq!(user_service(&format!("1:name=systemd:{base}/b.service\n0::/\n"), 1000), Some("b.service"));
        assert_eq!(user_service("0::/\n", 1000), None);
    }

    #[test]
    fn the_containers_id_is_in_its_control_groups_name() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(container(&format!("0::/system.slice/docker-{id}.scope\n")), Some(id.as_str()));
        assert_eq!(container(&format!("12:pids:/docker/{id}\n0::/docker/{id}/init\n")), Some(id.as_str()));
        assert_eq!(container("0::/user.slice/user-1000.slice/user@1000.service/a.service\n"), None);
        assert_eq!(container(&format!("0::/x{id}0\n")), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n\
             1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 12346 1 0 100 0 0 10 0\n\
             2: 00000000000000000000000001000000:0FA0 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 777 1\n";
        let found: Vec<_> = listening(text).into_iter().map(|one| (one.inode, one.address.to_string(), one.waiting)).collect();
        assert_eq!(found, [(12345, "127.0.0.1:8080".to_owned(), 3), (777, "[::1]:4000".to_owned(), 0)]);
    }
}
