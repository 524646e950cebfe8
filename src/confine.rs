//! Giving up rights for good: what a process that talks to strangers still may do.
//!
//! Two mechanisms of the kernel, either of which works without the other. Landlock (Linux 5.13; ports 6.7, abstract sockets
//! and signals 6.12) knows of files by their places, and seccomp of system calls. Where the kernel has neither, the
//! process goes on without them: a key that is asked after is worth more than one that isn't.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

/// What TLS and the look-up of names read, on the distributions that there are: settings and certificates, libraries
/// that glibc loads when first asked for a name, and where Nix, Guix and openSUSE keep these.
const READABLE: [&str; 10] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
    "/var/lib/ca-certificates",
    "/dev/urandom",
];

/// What is pointed to from elsewhere, and replaced while it is used: its directory is readable too.
const REPLACED: [&str; 3] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"];

/// Variables that name certificates, as OpenSSL has it.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The names of hosts over TCP, where an answer is long.
const DNS: u16 = 53;

/// What this kernel could not take away, in words for people; nothing where it could all.
///
/// From now on this process and its threads may read what TLS and the look-up of names need, connect to these ports
/// of TCP and ask for names, and use the descriptors that it has. It opens no file for writing and no socket
/// to a program of this machine, starts and signals and traces nothing. It must have one thread.
pub fn to_talk(ports: &[u16]) -> Option<String> {
    let files = match landlock(ports) {
        // An older one knows of files, and seccomp of all else but ports.
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => None,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Some("no Landlock"),
    };
    // Landlock first: its own calls aren't among those allowed.
    let calls = filter().and_then(|filter| seccompiler::apply_filter(&filter).ok()).is_none().then_some("no seccomp");
    match (files, calls) {
        (Some(one), Some(two)) => Some(format!("{one} and {two}")),
        (one, two) => one.or(two).map(str::to_owned),
    }
}

fn landlock(ports: &[u16]) -> Result<RulesetStatus, RulesetError> {
    let abi = ABI::V6;
    let ports = ports.iter().chain([&DNS]).map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable(), AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(ports)?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Those of them that aren't there are left out by whoever makes rules of them.
fn readable() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = READABLE.iter().map(PathBuf::from).collect();
    let target = |path: &Path| fs::canonicalize(path).ok();
    paths.extend(
        REPLACED.iter().filter_map(|path| Some(target(Path::new(path))?.parent()?.to_owned())).filter(|path| path != Path::new("/")),
    );
    for named in CERTIFICATES.iter().filter_map(std::env::var_os) {
        for named in std::env::split_paths(&named) {
            // A directory of them holds links, to places of their own.
            let linked = fs::read_dir(&named).into_iter().flatten().filter_map(|entry| target(&entry.ok()?.path()));
            paths.extend(linked.filter(|path| path.is_file()));
            paths.push(named);
        }
    }
    paths
}

/// Calls that are allowed whatever their arguments. Each does something to this process alone, or to a descriptor that it has.
const CALLS: &[libc::c_long] = &[
    // What is open, and what may be opened for reading.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_getcwd,
    // The network.
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads, signals that come, and the end.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // What it is and when.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
];

/// The same under their old names, which newer architectures don't have; musl uses them.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[libc::c_long] = &[];

/// All else is answered as by a kernel that has never heard of it: libraries then take an older call, so glibc clone(2) for
/// clone3(2), whose arguments a filter can't see.
fn filter() -> Option<BpfProgram> {
    // Extended, since `collect` would bring a sort of its own (see core::order).
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    rules.extend(CALLS.iter().chain(OLD_CALLS).map(|call| (*call, Vec::new())));
    rules.extend(bounded_calls()?);
    let refused = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into().ok()?).ok()?;
    filter.try_into().ok()
}

/// Calls that are allowed where one of their arguments, by its place, is as told.
fn bounded_calls() -> Option<Vec<(i64, Vec<SeccompRule>)>> {
    let masked = |place, mask: i32, value| rule(place, Dword, MaskedEq(u64::from(mask.cast_unsigned())), value);
    // O_TMPFILE comes with one of the first two.
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    let not_both = |place| Some(vec![masked(place, libc::PROT_WRITE, 0)?, masked(place, libc::PROT_EXEC, 0)?]);
    let calls = vec![
        (libc::SYS_openat, vec![masked(2, writing, 0)?]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![masked(1, writing, 0)?]),
        // No programs of this machine: among them is the user's systemd, which does what it is asked.
        (libc::SYS_socket, vec![rule(0, Dword, Eq, libc::AF_INET)?, rule(0, Dword, Eq, libc::AF_INET6)?]),
        // Whether reading blocks, and how much there is: as the library of Rust sets, and the resolver asks.
        (libc::SYS_ioctl, vec![request(libc::FIONBIO)?, request(libc::FIONREAD)?]),
        (libc::SYS_mmap, not_both(2)?),
        (libc::SYS_mprotect, not_both(2)?),
        // A thread, not a process.
        (libc::SYS_clone, vec![masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?]),
        // To ask for the size of a stack.
        (libc::SYS_prlimit64, vec![rule(2, Qword, Eq, 0)?]),
    ];
    Some(calls)
}

fn rule(place: u8, length: SeccompCmpArgLen, how: SeccompCmpOp, value: i32) -> Option<SeccompRule> {
    let condition = SeccompCondition::new(place, length, how, u64::from(value.cast_unsigned())).ok()?;
    SeccompRule::new(vec![condition]).ok()
}

#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "the type differs between C libraries")]
fn request(number: impl TryInto<i32>) -> Option<SeccompRule> {
    rule(1, Dword, Eq, number.try_into().ok()?)
}

#[cfg(test)]
#[path = "confine_tests.rs"]
mod tests;
