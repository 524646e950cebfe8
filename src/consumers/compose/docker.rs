//! The `docker` command: run, bounded, and understood.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bounded::{self, Ended, Said};
use crate::clock;
use crate::consumers::environment::Environ;
use crate::consumers::program;

/// Where Docker's installers put it, for a service whose `PATH` lacks that; the last one below the home directory.
const PLACES: [&str; 4] = ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", ".docker/bin"];
/// For a question; an engine that is up answers in a fraction of a second.
const ANSWER: Duration = Duration::from_secs(20);
/// Of its answer: a container's description is some ten kilobytes.
const MOST: usize = 2 << 20;
/// Of its complaints.
const MOST_SAID: usize = 16 * 1024;

/// The `docker` of this machine.
pub(super) struct Docker {
    program: PathBuf,
}

/// What came of a run.
pub(super) struct Run {
    pub(super) ended: Ended,
    pub(super) out: Said,
    pub(super) err: Said,
}

/// Why docker doesn't answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no such command.
    #[error("there is no docker command on PATH or where its installers put it")]
    Missing,
    /// So no container runs either.
    #[error("the Docker engine doesn't run")]
    EngineDown,
    /// The user isn't in the group, for instance.
    #[error("this user may not ask the Docker engine: see docker ps")]
    NotAllowed,
    /// A docker without its plugin.
    #[error("docker has no compose plugin")]
    NoCompose,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Refusal {
    /// By what docker (28) says on standard error; `other` where that is nothing known.
    fn of(said: &str, other: String) -> Self {
        let says = |words: &str| said.contains(words);
        if says("permission denied") {
            Self::NotAllowed
        } else if says("Cannot connect to the Docker daemon") || says("Is the docker daemon running") {
            Self::EngineDown
        } else if says("unknown command: docker compose") || says("'compose' is not a docker command") {
            Self::NoCompose
        } else {
            Self::Other(other)
        }
    }
}

impl Docker {
    /// Looks for it along the `PATH` of an environment, and where installers put it.
    pub(super) fn find(environ: &Environ) -> Result<Self, Refusal> {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let path = environ.get(b"PATH").and_then(|path| program::look_up(b"docker", Path::new("/"), Some(path)));
        let placed = || PLACES.iter().map(|place| home.join(place).join("docker")).find(|file| program::is_executable(file));
        let program = path.or_else(placed).ok_or(Refusal::Missing)?;
        Ok(Self { program })
    }

    /// Runs it in a process group of its own, which is killed at the time limit.
    pub(super) fn run(&self, arguments: &[OsString], dir: &Path, environ: &Environ, limit: Duration) -> Result<Run, String> {
        let say = |error: std::io::Error| format!("{} can't be run ({error})", self.program.display());
        let argv: Vec<&OsStr> = std::iter::once(OsStr::new("docker")).chain(arguments.iter().map(OsString::as_os_str)).collect();
        let (mut out, out_writer) = Said::pipe(MOST).map_err(say)?;
        let (mut err, err_writer) = Said::pipe(MOST_SAID).map_err(say)?;
        let mut child = bounded::spawn(&self.program, &argv, dir, environ.entries(), [out_writer, err_writer]).map_err(say)?;
        let ended = bounded::follow(&mut [&mut out, &mut err], clock::monotonic() + limit, || bounded::end_of(&mut child));
        if ended.is_none() {
            // Not waited for yet, so the number is still its own.
            if let Ok(leader) = i32::try_from(child.id()) {
                bounded::kill_group(leader);
            }
            let _ = child.wait();
        }
        Ok(Run { ended: ended.unwrap_or(Ended::Not(limit)), out, err })
    }

    /// Asks it something; what it answers. What it says instead is understood, not quoted.
    pub(super) fn ask(&self, arguments: &[OsString], dir: &Path, environ: &Environ) -> Result<Said, Refusal> {
        let run = self.run(arguments, dir, environ, ANSWER).map_err(Refusal::Other)?;
        if run.ended == Ended::Exit(0) && !run.out.is_cut() {
            return Ok(run.out);
        }
        let verb = arguments.first().map_or("".into(), |word| word.to_string_lossy());
        Err(Refusal::of(&String::from_utf8_lossy(run.err.bytes()), format!("docker {verb} {}", run.ended)))
    }

    /// Describes containers.
    pub(super) fn inspect(&self, ids: &[String], environ: &Environ) -> Result<Vec<Container>, Refusal> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let arguments: Vec<OsString> = std::iter::once("inspect").chain(ids.iter().map(String::as_str)).map(OsString::from).collect();
        json(&self.ask(&arguments, Path::new("/"), environ)?)
    }
}

/// An answer in JSON.
pub(super) fn json<T: DeserializeOwned>(said: &Said) -> Result<T, Refusal> {
    serde_json::from_slice(said.bytes()).map_err(|_| Refusal::Other("docker's answer can't be understood".to_owned()))
}

/// What `docker inspect` says of a container, as far as it matters (Docker Engine API, `ContainerInspect`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) config: Config,
    #[serde(default)]
    pub(super) restart_count: u64,
    #[serde(default)]
    pub(super) args: Option<Vec<String>>,
    #[serde(default)]
    pub(super) mounts: Option<Vec<Mount>>,
    #[serde(default)]
    pub(super) network_settings: NetworkSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    #[serde(default)]
    pub(super) pid: i32,
    pub(super) running: bool,
    pub(super) started_at: jiff::Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    #[serde(default)]
    pub(super) env: Option<Vec<String>>,
    #[serde(default)]
    pub(super) labels: Option<std::collections::BTreeMap<String, String>>,
}

/// A directory or file of this machine in the container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mount {
    #[serde(default)]
    pub(super) source: PathBuf,
    #[serde(default)]
    pub(super) destination: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    #[serde(default)]
    pub(super) ports: Option<std::collections::BTreeMap<String, Option<Vec<Binding>>>>,
}

/// A published port.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Binding {
    #[serde(default)]
    pub(super) host_ip: String,
    pub(super) host_port: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_says_is_understood() {
        let of = |said: &str| Refusal::of(said, "x".to_owned());
        let denied = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun\"";
        assert_eq!(of(denied), Refusal::NotAllowed);
        assert_eq!(
            of("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
            Refusal::EngineDown
        );
        assert_eq!(of("docker: unknown command: docker compose\n\nRun 'docker --help' for more information"), Refusal::NoCompose);
        assert_eq!(of("no such service: x"), Refusal::Other("x".to_owned()));
    }
}
