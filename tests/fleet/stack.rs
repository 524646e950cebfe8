//! Prometheus, `node_exporter` and Alertmanager, real ones, each on a port of its own and much quicker than in life.

use std::fs::{self, File};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::receiver::Hook;
use super::support::http::{free_port, request};
use super::support::wait;
use super::{program, tree};

/// On a busy machine.
pub const LONG: Duration = Duration::from_mins(1);

/// Ended when dropped.
pub struct Stack {
    dir: tempfile::TempDir,
    prometheus: u16,
    pub hook: Hook,
    children: Vec<(&'static str, Child)>,
}

impl Stack {
    /// Starts all three, with the rules of `packaging/prometheus`: what they wait for minutes and hours for, for two
    /// seconds. `socket` is scraped as well, over a bridge, since Prometheus knows no Unix sockets.
    pub fn start(socket: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("credd-fleet-").tempdir().unwrap();
        let hook = Hook::start(0);
        let (node, prometheus, alertmanager) = (free_port(), free_port(), free_port());
        let bridge = bridge(socket.to_owned());
        fs::create_dir(dir.path().join("textfiles")).unwrap();
        let rules = fs::read_to_string(tree("packaging/prometheus/credd.rules.yml")).unwrap();
        let quick: String = rules
            .lines()
            .map(|line| if line.trim().starts_with("for: ") { "        for: 2s\n".to_owned() } else { format!("{line}\n") })
            .collect();
        fs::write(dir.path().join("rules.yml"), quick).unwrap();
        fs::write(
            dir.path().join("prometheus.yml"),
            format!(
                "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
                 rule_files: [rules.yml]\n\
                 scrape_configs:\n\
                 - {{job_name: node, static_configs: [{{targets: ['127.0.0.1:{node}']}}]}}\n\
                 - {{job_name: socket, static_configs: [{{targets: ['127.0.0.1:{bridge}']}}]}}\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n"
            ),
        )
        .unwrap();
        fs::write(
            dir.path().join("alertmanager.yml"),
            format!(
                "route: {{receiver: hook, group_by: ['...'], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}}\n\
                 receivers: [{{name: hook, webhook_configs: [{{url: 'http://127.0.0.1:{}/', send_resolved: true}}]}}]\n",
                hook.port
            ),
        )
        .unwrap();
        let mut stack = Self { dir, prometheus, hook, children: Vec::new() };
        let textfiles = stack.textfiles();
        stack.spawn(
            "prometheus-node-exporter",
            &[
                "--collector.disable-defaults",
                "--collector.textfile",
                &format!("--collector.textfile.directory={}", textfiles.display()),
                &format!("--web.listen-address=127.0.0.1:{node}"),
                "--log.level=warn",
            ],
        );
        stack.spawn(
            "prometheus-alertmanager",
            &[
                "--config.file=alertmanager.yml",
                "--storage.path=alertmanager",
                &format!("--web.listen-address=127.0.0.1:{alertmanager}"),
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
        );
        stack.spawn(
            "prometheus",
            &[
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=tsdb",
                &format!("--web.listen-address=127.0.0.1:{prometheus}"),
                "--rules.alert.resend-delay=1s",
                "--log.level=warn",
            ],
        );
        wait::until_true("Prometheus to scrape", LONG, || !stack.query("up{job=\"node\"} == 1").is_empty());
        stack
    }

    /// What `node_exporter` reads.
    pub fn textfiles(&self) -> PathBuf {
        self.dir.path().join("textfiles")
    }

    fn spawn(&mut self, name: &'static str, arguments: &[&str]) {
        let log = File::create(self.dir.path().join(format!("{name}.log"))).unwrap();
        let mut command = program(name);
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.children.push((name, command.spawn().unwrap()));
    }

    /// What an expression gives now.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let document = self.get(&format!("/api/v1/query?query={}", encoded(expression)));
        assert!(document.is_null() || document["status"] == "success", "{expression}: {document}");
        document["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// A document of Prometheus; null while it doesn't answer.
    pub fn get(&self, path: &str) -> Value {
        let answer = request(self.prometheus, "GET", path, None, None, Duration::from_secs(20));
        answer.ok().and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default()
    }

    /// Waits until the receiver was told so of an alert, and returns the latest word about it.
    pub fn wait_for(&self, alert: &str, status: &str) -> Value {
        let found = wait::try_until(LONG, || self.latest(alert).filter(|latest| latest["status"] == status));
        found.unwrap_or_else(|| panic!("{alert} is not {status}\n{}\n{}", self.get("/api/v1/alerts"), self.logs()))
    }

    /// What the receiver was told last of an alert of `node_exporter`'s.
    fn latest(&self, alert: &str) -> Option<Value> {
        let inbox = self.hook.inbox.lock().unwrap();
        let told = inbox.iter().filter_map(|message| serde_json::from_slice::<Value>(&message.body).ok());
        let mut alerts = told.flat_map(|told| told["alerts"].as_array().cloned().unwrap_or_default());
        alerts.rfind(|told| told["labels"]["alertname"] == alert && told["labels"]["job"] != "socket")
    }

    fn logs(&self) -> String {
        let log = |(name, _): &(&str, Child)| {
            format!("--- {name}\n{}", fs::read_to_string(self.dir.path().join(format!("{name}.log"))).unwrap_or_default())
        };
        self.children.iter().map(log).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that leads to a Unix socket.
fn bridge(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(daemon) = UnixStream::connect(&socket) else { continue };
            let (from_client, mut to_daemon): (TcpStream, UnixStream) = (client.try_clone().unwrap(), daemon.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut &from_client, &mut to_daemon);
                let _ = to_daemon.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = io::copy(&mut &daemon, &mut &client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
