//! What each operating system tells of its processes, behind one set of names: `linux` reads `/proc`
//! and holds processes by pidfd; `other` does what sysinfo and POSIX allow.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub use other::*;
