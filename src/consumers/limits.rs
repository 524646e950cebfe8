//! Resource limits by name, as they cross from `/proc/PID/limits` to the new process.

use rustix::process::{Resource, Rlimit};

/// One resource limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its place in [`KINDS`].
    pub kind: u8,
    /// The soft limit, in the resource's own unit.
    pub soft: Option<u64>,
    /// The hard limit.
    pub hard: Option<u64>,
}

/// A resource and how it is called where.
pub struct Kind {
    /// Its place in [`KINDS`].
    pub code: u8,
    /// What `/proc/PID/limits` calls it.
    pub label: &'static str,
    /// What the system call calls it.
    pub resource: Resource,
}

/// Every limit that both sides know. (The kernel's list of labels: `lnames` in fs/proc/base.c.)
pub const KINDS: &[Kind] = &[
    Kind { code: 0, label: "Max cpu time ", resource: Resource::Cpu },
    Kind { code: 1, label: "Max file size ", resource: Resource::Fsize },
    Kind { code: 2, label: "Max data size ", resource: Resource::Data },
    Kind { code: 3, label: "Max stack size ", resource: Resource::Stack },
    Kind { code: 4, label: "Max core file size ", resource: Resource::Core },
    Kind { code: 5, label: "Max processes ", resource: Resource::Nproc },
    Kind { code: 6, label: "Max open files ", resource: Resource::Nofile },
    Kind { code: 7, label: "Max locked memory ", resource: Resource::Memlock },
    Kind { code: 8, label: "Max address space ", resource: Resource::As },
    #[cfg(target_os = "linux")]
    Kind { code: 9, label: "Max file locks ", resource: Resource::Locks },
    #[cfg(target_os = "linux")]
    Kind { code: 10, label: "Max pending signals ", resource: Resource::Sigpending },
    #[cfg(target_os = "linux")]
    Kind { code: 11, label: "Max msgqueue size ", resource: Resource::Msgqueue },
    #[cfg(target_os = "linux")]
    Kind { code: 12, label: "Max nice priority ", resource: Resource::Nice },
    #[cfg(target_os = "linux")]
    Kind { code: 13, label: "Max realtime priority ", resource: Resource::Rtprio },
    #[cfg(target_os = "linux")]
    Kind { code: 14, label: "Max realtime timeout ", resource: Resource::Rttime },
];

/// Sets this process's limits, each as far as it is allowed to: a hard limit that can't be raised stays,
/// and the soft one goes up to it.
pub fn set(limits: &[Limit]) {
    for limit in limits {
        let Some(kind) = KINDS.iter().find(|kind| kind.code == limit.kind) else {
            continue;
        };
        let wanted = Rlimit { current: limit.soft, maximum: limit.hard };
        if rustix::process::setrlimit(kind.resource, wanted).is_err() {
            let maximum = rustix::process::getrlimit(kind.resource).maximum;
            let current = match (limit.soft, maximum) {
                (Some(soft), Some(hard)) => Some(soft.min(hard)),
                (soft, hard) => soft.or(hard),
            };
            let _ = rustix::process::setrlimit(kind.resource, Rlimit { current, maximum });
        }
    }
}
