//! A user's home that is thrown away, and credd run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where nobody listens: no test asks AWS.
const NOBODY: &str = "http://127.0.0.1:9";

/// A home with every XDG directory inside it.
pub struct Home {
    dir: TempDir,
    bus: Option<String>,
    bedrock: String,
}

impl Home {
    pub fn new() -> Self {
        // Short: the path of a socket has 108 bytes at most.
        let dir = tempfile::Builder::new().prefix("credd-").tempdir().unwrap();
        let home = Self { dir, bus: None, bedrock: NOBODY.to_owned() };
        for path in [home.runtime_dir(), home.config_dir(), home.state_dir()] {
            fs::create_dir_all(&path).unwrap();
        }
        fs::set_permissions(home.runtime_dir(), fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    /// The same on a session bus.
    pub fn on_bus(mut self, address: &str) -> Self {
        self.bus = Some(address.to_owned());
        self
    }

    /// The same with a stand-in for Bedrock to ask after keys.
    pub fn asking(mut self, url: &str) -> Self {
        url.clone_into(&mut self.bedrock);
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn runtime_dir(&self) -> PathBuf {
        self.path().join("run")
    }

    /// `XDG_CONFIG_HOME`.
    pub fn config_dir(&self) -> PathBuf {
        self.path().join(".config")
    }

    /// `XDG_STATE_HOME`.
    pub fn state_dir(&self) -> PathBuf {
        self.path().join(".local/state")
    }

    /// The env file that credd tracks without being told.
    pub fn env_file(&self) -> PathBuf {
        self.path().join(".backlog-toolkit-env")
    }

    /// Where credd listens.
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir().join("credd/credd.sock")
    }

    /// Replaces the env file, as a user does: mode 0600, whole text at once.
    pub fn write_env(&self, text: &str) {
        let new = self.path().join(".backlog-toolkit-env.new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, self.env_file()).unwrap();
    }

    /// Replaces the env file with one that exports this Bedrock key and LiteLLM's master key.
    pub fn set_key(&self, key: &str) {
        self.write_env(&format!(
            "export AWS_BEARER_TOKEN_BEDROCK=\"{key}\"\nexport LITELLM_MASTER_KEY=\"{}\"\n",
            super::litellm::MASTER_KEY
        ));
    }

    pub fn write_config(&self, toml: &str) {
        fs::create_dir_all(self.config_dir().join("credd")).unwrap();
        fs::write(self.config_dir().join("credd/config.toml"), toml).unwrap();
    }

    /// A command in this home that knows nothing of whoever runs the tests.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .current_dir(self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.config_dir())
            .env("XDG_STATE_HOME", self.state_dir())
            .env("XDG_DATA_HOME", self.path().join(".local/share"))
            .env("XDG_CACHE_HOME", self.path().join(".cache"))
            .env("XDG_RUNTIME_DIR", self.runtime_dir())
            .env("AWS_ENDPOINT_URL_BEDROCK", &self.bedrock);
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        }
        command
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}
