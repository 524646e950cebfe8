//! What a process does first that handles secrets.

/// No core dump, no debugger: other processes of the user can neither read this one's memory nor follow it, until it
/// executes another program.
pub fn undumpable() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// The same, and no core dumps of the programs that this one runs either. (A consumer is given back the limit that it
/// had.)
pub fn hide() {
    undumpable();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
    // The hard limit stays, so that a consumer's can be restored.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, rustix::process::Rlimit { current: Some(0), ..limit });
}

/// Keeps all memory of this process out of the swap, where it may lock any amount.
///
/// Elsewhere nothing is locked: past the limit (8 MiB on most systems), new memory would be refused, and a stack that
/// grows would end the process (`mlockall(2)`, `setrlimit(2)`). What runs in the service isn't swapped anyway: its unit
/// says so of the whole group.
pub fn hold_in_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        use rustix::thread::{CapabilitySet, capabilities};
        let is_privileged = || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
        if rustix::process::getrlimit(rustix::process::Resource::Memlock).current.is_some() && !is_privileged() {
            return;
        }
        // On fault: what isn't used isn't brought in.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}
