//! The stand-in for LiteLLM (`tests/data/fake-litellm`) as credd finds it in a home: it starts at once, so that there can
//! be many restarts.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::home::Home;
use super::http::free_port;
use super::wait;

/// Ends, with whatever was started in its place, when it is dropped.
pub struct Light {
    config: PathBuf,
    port: u16,
}

impl Light {
    /// Starts one with these variables, and waits until it serves.
    pub fn start(home: &Home, environment: &[(&str, &str)]) -> Self {
        let config = home.path().join("litellm.yaml");
        fs::write(&config, "model_list:\n- model_name: cheap\n  litellm_params: {model: bedrock/x}\n").unwrap();
        let light = Self { config, port: free_port() };
        let log = File::create(home.path().join("litellm.log")).unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fake-litellm/litellm");
        // By a shell that ends at once, as from a terminal: nobody here waits for its end.
        let mut command = Command::new("sh");
        command.args(["-c", "setsid python3 \"$0\" --config \"$1\" --port \"$2\" &"]);
        command.arg(program).arg(&light.config).arg(light.port.to_string());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(environment.iter().copied());
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        assert!(command.status().unwrap().success());
        let served = || std::net::TcpStream::connect(("127.0.0.1", light.port)).is_ok();
        wait::until_true("the stand-in to serve", Duration::from_secs(20), served);
        light
    }

    /// What credd is told of it.
    pub fn consumer(&self) -> String {
        format!("[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\nhandover = false\n", self.config.display())
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        let own = self.config.as_os_str();
        let numbers = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|pid| is_given(*pid, own)).collect()
    }
}

/// Whether it is one of Python's with this argument.
fn is_given(pid: u32, argument: &OsStr) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
    words[0].ends_with(b"python3") && words.contains(&argument.as_bytes())
}

impl Drop for Light {
    fn drop(&mut self) {
        for pid in self.pids() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}
