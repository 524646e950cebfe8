//! What a container tells of itself.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::docker::Container;
use crate::consumers::environment::Environ;
use crate::consumers::litellm::{LiteLlm, config_path};
use crate::consumers::sys::{self, Held};

impl Container {
    /// Its environment, as it was created with.
    pub(super) fn environ(&self) -> Environ {
        let entries = self.config.env.as_deref().unwrap_or_default();
        let mut block = Zeroizing::new(Vec::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum()));
        for entry in entries {
            block.extend_from_slice(entry.as_bytes());
            block.push(0);
        }
        Environ::new(block)
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Its first process, if that is to be seen from here: the number that the engine gives is of the engine's
    /// machine, which may be a virtual one.
    pub(super) fn process(&self) -> Option<Held> {
        let process = Held::open(self.state.pid).ok()?;
        (sys::container_of(&process).as_deref() == Some(self.id.as_str())).then_some(process)
    }

    /// The id of its process here.
    pub(super) fn pid(&self) -> Option<i32> {
        self.process().map(|process| process.pid())
    }

    /// Where its service can be asked from here: its `--port` where that is published, else the first published port.
    pub(super) fn base_url(&self) -> Option<String> {
        let ports = self.network_settings.ports.as_ref()?;
        let asked = crate::consumers::find::option(&self.argv(), &["--port"]).and_then(OsStr::to_str).map(|port| format!("{port}/tcp"));
        let named = asked.and_then(|name| ports.get(&name)?.as_deref());
        let mut others = ports.iter().filter(|(name, _)| name.ends_with("/tcp")).filter_map(|(_, bindings)| bindings.as_deref());
        let binding = named.and_then(<[_]>::first).or_else(|| others.find_map(<[_]>::first))?;
        let ip = match binding.host_ip.parse() {
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            Ok(ip) => ip,
            Err(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        };
        Some(format!("http://{}", SocketAddr::new(ip, binding.host_port.parse().ok()?)))
    }

    /// LiteLLM's own configuration, if it is a file of this machine that is mounted into the container.
    pub(super) fn litellm(&self, environ: &Environ) -> LiteLlm {
        let argv = self.argv();
        let Some(path) = config_path(&argv).and_then(|path| self.outside(Path::new(path))) else {
            return LiteLlm::default();
        };
        let argv = [b"--config".to_vec(), path.as_os_str().as_bytes().to_vec()];
        LiteLlm::of(&argv, Path::new("/"), environ)
    }

    fn argv(&self) -> Vec<Vec<u8>> {
        self.args.iter().flatten().map(|word| word.as_bytes().to_vec()).collect()
    }

    /// Where a path of the container's leads on this machine: by the innermost mount.
    fn outside(&self, inside: &Path) -> Option<PathBuf> {
        let holds = |mount: &&super::docker::Mount| inside.starts_with(&mount.destination) && mount.source.is_absolute();
        let mount = self.mounts.iter().flatten().filter(holds).max_by_key(|mount| mount.destination.as_os_str().len())?;
        let below = inside.strip_prefix(&mount.destination).ok()?;
        // The source itself may be the file, and a path with a slash at its end isn't one.
        Some(if below.as_os_str().is_empty() { mount.source.clone() } else { mount.source.join(below) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(more: &str) -> Container {
        let text =
            format!(r#"{{"Id": "x", "State": {{"Running": true, "StartedAt": "2026-11-22T15:51:35.721017Z"}}, "Config": {{}}, {more}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_published_port_is_asked() {
        let url = |ports: &str, args: &str| container(&format!(r#""Args": {args}, "NetworkSettings": {{"Ports": {ports}}}"#)).base_url();
        let two = r#"{"9/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9"}], "4000/tcp": [{"HostIp": "::", "HostPort": "18000"}]}"#;
        assert_eq!(url(two, r#"["--port", "4000"]"#).as_deref(), Some("http://[::1]:18000"));
        assert_eq!(url(two, "null").as_deref(), Some("http://[::1]:18000"));
        assert_eq!(url(r#"{"4000/tcp": null, "5/udp": [{"HostPort": "5"}]}"#, "null"), None);
        assert_eq!(url(r#"{"4000/tcp": [{"HostIp": "", "HostPort": "8"}]}"#, "null").as_deref(), Some("http://127.0.0.1:8"));
        assert_eq!(url("null", "null"), None);
    }

    #[test]
    fn a_mounted_configuration_is_found() {
        let found =
            container(r#""Mounts": [{"Source": "/a", "Destination": "/app"}, {"Source": "/b/c.yaml", "Destination": "/app/config.yaml"}]"#);
        assert_eq!(found.outside(Path::new("/app/config.yaml")), Some("/b/c.yaml".into()));
        assert_eq!(found.outside(Path::new("/app/x/y")), Some("/a/x/y".into()));
        assert_eq!(found.outside(Path::new("/etc/x")), None);
    }
}
