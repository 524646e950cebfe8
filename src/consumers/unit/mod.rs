//! A unit of the user's systemd: systemd restarts it, from its own description and what credd lays over that.

#[cfg(target_os = "linux")]
mod environment_file;
#[cfg(target_os = "linux")]
mod refresh;
#[cfg(target_os = "linux")]
mod restart;

#[cfg(target_os = "linux")]
pub(super) use restart::restart;

/// There is no systemd.
#[cfg(not(target_os = "linux"))]
pub(super) fn restart(_attempt: &mut super::apply::Attempt<'_>, process: &super::sys::Held, unit: &str) -> super::apply::End {
    super::apply::End::untouched(process, &format!("there is no systemd here to restart {unit}"))
}
