//! Starting a consumer so that it outlives its starter.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::environment::Environ;
use super::launch::LaunchSpec;
use super::sys::{self, Held, Streams};

/// Where new processes are put.
pub enum Starter {
    /// Below this worker, in a session of their own.
    Child,
    /// In a transient unit of the user's systemd: the daemon is a service itself, whose children end with
    /// it and have its sandbox.
    #[cfg(target_os = "linux")]
    Unit {
        /// The connection: made before anything is stopped.
        bus: sys::Bus,
        /// Where credd itself is.
        program: String,
        /// The consumer's name, fit for a unit's.
        consumer: String,
        /// From SIGTERM to SIGKILL.
        stop_timeout: Duration,
    },
}

impl Starter {
    /// Gets ready to start processes. The error says why that is impossible; nothing was touched yet.
    #[cfg(target_os = "linux")]
    pub fn new(from_service: bool, consumer: &str, stop_timeout: Duration) -> Result<Self, String> {
        if !from_service {
            return Ok(Self::Child);
        }
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let program = program.to_str().ok_or("credd's own path isn't UTF-8")?;
        // Replaced by an upgrade since this worker started: the new one knows `launch` as well.
        let program = program.strip_suffix(" (deleted)").unwrap_or(program).to_owned();
        if !super::program::is_executable(program.as_ref()) {
            return Err(format!("credd itself is no longer at {program}: restart its service"));
        }
        let consumer = super::file_safe(consumer);
        Ok(Self::Unit { bus: sys::Bus::connect()?, program, consumer, stop_timeout })
    }

    /// Gets ready to start processes.
    #[cfg(not(target_os = "linux"))]
    pub fn new(_from_service: bool, _consumer: &str, _stop_timeout: Duration) -> Result<Self, String> {
        Ok(Self::Child)
    }

    /// Starts a process; held. The error says why it couldn't be.
    pub fn start(&self, spec: &LaunchSpec, environ: &Environ, streams: &Streams) -> Result<Held, String> {
        let bytes = spec.encode(environ).map_err(|error| error.to_string())?;
        let (out, err) = streams.copies().map_err(|error| error.to_string())?;
        let pid = match self {
            Self::Child => child(&bytes, out, err)?,
            #[cfg(target_os = "linux")]
            Self::Unit { bus, program, consumer, stop_timeout } => {
                let source = sys::spec_file(&bytes).map_err(|error| error.to_string())?;
                unit(bus, program, consumer, *stop_timeout, [&source, &out, &err])?
            }
        };
        Held::open(pid).map_err(|_| "it ended at once".to_owned())
    }
}

fn child(bytes: &[u8], out: OwnedFd, err: OwnedFd) -> Result<i32, String> {
    use std::os::unix::process::CommandExt;
    let say = |error: std::io::Error| error.to_string();
    let source = sys::spec_file(bytes).map_err(say)?;
    let child = Command::new(sys::own_program().map_err(say)?)
        .arg0("credd")
        .arg("launch")
        .env_clear()
        .stdin(Stdio::from(source))
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(say)?;
    // Not waited for: it outlives this worker, and its pidfd tells when it ends.
    i32::try_from(child.id()).map_err(|error| error.to_string())
}

#[cfg(target_os = "linux")]
fn unit(bus: &sys::Bus, program: &str, consumer: &str, stop_timeout: Duration, stdio: [&dyn std::os::fd::AsFd; 3]) -> Result<i32, String> {
    let name = (1..=9999)
        .map(|number| format!("credd-{consumer}-{number}.service"))
        .find(|name| !bus.is_loaded(name))
        .ok_or("there are too many units")?;
    bus.start(&sys::Unit {
        name: &name,
        description: &format!("{consumer}, restarted by credd with a new key"),
        exec: (program, &[program, "launch"]),
        stdio,
        stop_timeout,
    })
}
