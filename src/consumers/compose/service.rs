//! A service of a compose file, and its containers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::docker::{Container, Docker, Refusal, Run, json};
use crate::config::ConsumerConfig;
use crate::consumers::environment::Environ;
use crate::core::order;
use crate::secret::Secret;

/// Labels that compose gives its containers.
const SERVICE: &str = "com.docker.compose.service";
const PROJECT: &str = "com.docker.compose.project";
const FILES: &str = "com.docker.compose.project.config_files";

/// A service of a compose file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::consumers) struct Service {
    /// Its name in the file.
    pub(super) name: String,
    /// The file, or several that are laid over each other.
    files: Vec<PathBuf>,
    /// The project's name, where it needn't be the one that compose makes up from the file's directory.
    project: Option<String>,
}

/// `docker compose config`, as far as it matters.
#[derive(Deserialize)]
struct Resolved {
    services: BTreeMap<String, ResolvedService>,
}

#[derive(Deserialize)]
struct ResolvedService {
    #[serde(default)]
    environment: BTreeMap<String, Option<String>>,
}

impl Service {
    /// What the configuration names; `None` where it names no compose file.
    pub(in crate::consumers) fn configured(consumer: &ConsumerConfig) -> Option<Self> {
        let file = consumer.compose_file.clone()?;
        let name = consumer.service.clone().unwrap_or_else(|| consumer.name.to_string());
        Some(Self { name, files: vec![file], project: None })
    }

    /// What a container is one of, if compose made it.
    pub(super) fn of(container: &Container) -> Option<Self> {
        let name = container.label(SERVICE)?.to_owned();
        let files: Vec<PathBuf> = container.label(FILES)?.split(',').map(PathBuf::from).collect();
        let fits = !name.starts_with('-') && files.iter().all(|file| file.is_absolute());
        fits.then(|| Self { name, files, project: container.label(PROJECT).map(str::to_owned) })
    }

    /// Its file, for people.
    pub(super) fn file(&self) -> String {
        self.files.first().map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// Where compose is run: beside the file.
    fn dir(&self) -> &Path {
        self.files.first().and_then(|file| file.parent()).unwrap_or(Path::new("/"))
    }

    /// `compose -f FILE`, and what follows.
    fn arguments(&self, words: &[&str]) -> Vec<OsString> {
        let files = self.files.iter().flat_map(|file| ["-f".into(), file.as_os_str().to_owned()]);
        std::iter::once("compose".into()).chain(files).chain(words.iter().map(OsString::from)).collect()
    }

    /// An environment that names the project as well: it may have been given another name on the command line.
    fn environ<'e>(&self, environ: &'e Environ) -> Cow<'e, Environ> {
        match &self.project {
            Some(project) => Cow::Owned(environ.with(b"COMPOSE_PROJECT_NAME", project.as_bytes())),
            None => Cow::Borrowed(environ),
        }
    }

    /// Its running containers.
    pub(super) fn containers(&self, docker: &Docker, environ: &Environ) -> Result<Vec<Container>, Refusal> {
        let environ = self.environ(environ);
        let asked = docker.ask(&self.arguments(&["ps", "-q", "--no-trunc", &self.name]), self.dir(), &environ);
        // Compose fills in variables before it looks, and gives up where one is missing that must be set.
        let ids = match asked {
            Ok(said) => said,
            Err(Refusal::Other(why)) => docker.ask(&self.by_labels(), self.dir(), &environ).map_err(|_| Refusal::Other(why))?,
            Err(why) => return Err(why),
        };
        let ids: Vec<String> = String::from_utf8_lossy(ids.bytes()).split_whitespace().map(str::to_owned).collect();
        let mut all = docker.inspect(&ids, &environ)?;
        all.retain(|container| container.state.running);
        order::sort_by_key(&mut all, |container| container.state.started_at);
        Ok(all)
    }

    fn by_labels(&self) -> Vec<OsString> {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let filter = |label: &str, value: &str| [OsString::from("--filter"), format!("label={label}={value}").into()];
        ["ps", "-q", "--no-trunc"]
            .iter()
            .map(OsString::from)
            .chain(filter(SERVICE, &self.name))
            .chain(filter(FILES, &files.join(",")))
            .collect()
    }

    /// The environment that the file would give the service; an error where compose can't tell.
    pub(super) fn resolved(&self, docker: &Docker, environ: &Environ) -> Result<BTreeMap<String, Secret>, Refusal> {
        let said = docker.ask(&self.arguments(&["config", "--format", "json", &self.name]), self.dir(), &self.environ(environ))?;
        let mut resolved: Resolved = json(&said)?;
        let service =
            resolved.services.remove(&self.name).ok_or_else(|| Refusal::Other("docker's answer can't be understood".to_owned()))?;
        let entries = service.environment.into_iter().map(|(name, value)| {
            // In its answer a dollar is doubled, as in the file.
            let value = Zeroizing::new(value.unwrap_or_default()).replace("$$", "$");
            (name, Secret::new(value.into_bytes()))
        });
        Ok(order::gathered(entries))
    }

    /// Makes its containers anew. (`restart` would keep their old environment.)
    pub(super) fn up(&self, docker: &Docker, environ: &Environ, limit: Duration) -> Result<Run, String> {
        let words = ["up", "-d", "--force-recreate", "--no-deps", &self.name];
        docker.run(&self.arguments(&words), self.dir(), &self.environ(environ), limit)
    }
}
