//! A private desktop and everything that is said on its bus about notifications: see
//! `tests/rig/desktop.sh`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{rig_program, run, wait};

/// A popup as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Notification {
    /// What the server called it, once it has answered.
    pub id: Option<u32>,
    pub app: String,
    pub replaces_id: u32,
    pub icon: String,
    pub summary: String,
    pub body: String,
    /// Key and label.
    pub actions: Vec<(String, String)>,
    /// 0 low, 1 normal, 2 critical.
    pub urgency: Option<u64>,
    /// As on the bus: name to `{"type", "data"}`.
    pub hints: Value,
    pub timeout: i64,
    call: Call,
}

/// Who called, and the number of that call: what an answer is matched by.
type Call = (String, u64);

/// What was seen on the bus.
#[derive(Debug, Default)]
struct Seen {
    notifications: Vec<Notification>,
    close_calls: Vec<u32>,
    closed: Vec<(u32, u32)>,
}

/// Runs until it is dropped, or this process ends.
pub struct Desktop {
    monitor: Child,
    seen: Arc<Mutex<Seen>>,
    display: String,
    bus: String,
    dir: TempDir,
}

impl Desktop {
    /// With a notification server.
    pub fn start() -> Self {
        Self::start_with(&[], None)
    }

    /// With a notification server, on a bus that is there.
    pub fn start_on(bus: &str) -> Self {
        Self::start_with(&["--bus", bus], Some(bus))
    }

    /// Without one, and none comes up by itself.
    pub fn start_without_server() -> Self {
        Self::start_with(&["--no-server"], None)
    }

    fn start_with(options: &[&str], bus: Option<&str>) -> Self {
        let dir = tempfile::Builder::new().prefix("credd-desktop-").tempdir().unwrap();
        let owner = std::process::id().to_string();
        let mut start = rig_program("desktop.sh");
        run(start.arg("start").arg(dir.path()).args(["--owner", &owner]).args(options));
        let number = fs::read_to_string(dir.path().join("display")).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let bus = bus.map_or_else(|| bus_address(dir.path()), str::to_owned);
        let monitor = watch(dir.path(), &bus, &seen);
        Self { monitor, seen, display: format!(":{}", number.trim()), bus, dir }
    }

    /// `DBUS_SESSION_BUS_ADDRESS`.
    pub fn bus(&self) -> String {
        self.bus.clone()
    }

    /// `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// A command on this desktop, for instance `notify-send`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env("DBUS_SESSION_BUS_ADDRESS", self.bus()).env("XDG_RUNTIME_DIR", self.dir.path());
        command
    }

    /// Every popup asked for so far, in order.
    pub fn notifications(&self) -> Vec<Notification> {
        self.seen.lock().unwrap().notifications.clone()
    }

    /// The popups that have gone: id and reason (1 expired, 2 dismissed, 3 closed by its program).
    pub fn closed(&self) -> Vec<(u32, u32)> {
        self.seen.lock().unwrap().closed.clone()
    }

    /// The ids that programs asked to close.
    pub fn close_calls(&self) -> Vec<u32> {
        self.seen.lock().unwrap().close_calls.clone()
    }

    /// Forgets what was seen so far.
    pub fn forget(&self) {
        *self.seen.lock().unwrap() = Seen::default();
    }

    /// The first popup that matches, past or to come; panics with those that came instead.
    pub fn wait_for_notification(&self, matches: impl Fn(&Notification) -> bool, timeout: Duration) -> Notification {
        wait::try_until(timeout, || self.notifications().into_iter().find(|n| matches(n)))
            .unwrap_or_else(|| panic!("no such popup within {timeout:?}, but {:#?}", self.notifications()))
    }

    /// The same once the server has shown it: its id is known then.
    pub fn wait_until_shown(&self, matches: impl Fn(&Notification) -> bool, timeout: Duration) -> Notification {
        self.wait_for_notification(|n| n.id.is_some() && matches(n), timeout)
    }

    /// Waits until a popup has gone.
    pub fn wait_until_closed(&self, id: u32, timeout: Duration) {
        wait::until_true(&format!("popup {id} is closed"), timeout, || self.closed().iter().any(|(closed, _)| *closed == id));
    }

    /// Chooses an action of a popup, as the user does in dunst's menu.
    pub fn invoke_action(&self, id: u32, key: &str) {
        fs::write(self.dir.path().join("pick"), format!("[{id},{key}]\n")).unwrap();
        run(self.command("dunstctl").arg("context"));
    }

    /// Dismisses all popups, as the user does.
    pub fn dismiss_all(&self) {
        run(self.command("dunstctl").arg("close-all"));
    }

    /// The whole screen as a picture, once something is on it.
    pub fn screenshot(&self, path: &Path) {
        wait::until_true("something is drawn", Duration::from_secs(10), || {
            run(self.command("import").args(["-window", "root"]).arg(path));
            run(Command::new("identify").args(["-format", "%k"]).arg(path)).trim() != "1"
        });
    }

    pub fn start_server(&self) {
        self.server("server-start");
    }

    pub fn stop_server(&self) {
        self.server("server-stop");
    }

    /// The server keeps its name on the bus and answers nothing.
    pub fn freeze_server(&self) {
        self.server("server-freeze");
    }

    pub fn thaw_server(&self) {
        self.server("server-thaw");
    }

    fn server(&self, verb: &str) {
        run(rig_program("desktop.sh").arg(verb).arg(self.dir.path()));
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
        let _ = rig_program("desktop.sh").arg("stop").arg(self.dir.path()).output();
    }
}

fn bus_address(dir: &Path) -> String {
    format!("unix:path={}/bus", dir.display())
}

/// Starts to listen to the whole bus; returns once nothing can be missed any more.
fn watch(dir: &Path, bus: &str, seen: &Arc<Mutex<Seen>>) -> Child {
    let mut monitor = Command::new("busctl")
        .arg(format!("--address={bus}"))
        .args(["monitor", "--json=short"])
        .env("CREDD_RIG_DIR", dir) // ends with the desktop, even if we don't
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("busctl");
    let mut said = String::new();
    BufReader::new(monitor.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("Monitoring bus"), "busctl: {said}");
    let lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    let seen = Arc::clone(seen);
    thread::spawn(move || {
        for message in lines.map_while(Result::ok).filter_map(|l| serde_json::from_str(&l).ok()) {
            seen.lock().unwrap().take(&message);
        }
    });
    monitor
}

impl Seen {
    fn take(&mut self, message: &Value) {
        let data = &message["payload"]["data"];
        match (message["type"].as_str(), message["member"].as_str()) {
            (Some("method_call"), Some("Notify")) => self.notifications.push(notification(message)),
            (Some("method_call"), Some("CloseNotification")) => {
                self.close_calls.extend(number(&data[0]));
            }
            (Some("signal"), Some("NotificationClosed")) => {
                self.closed.extend(number(&data[0]).zip(number(&data[1])));
            }
            (Some("method_return"), _) => {
                let call = (text(&message["destination"]), message["reply_cookie"].as_u64().unwrap_or(0));
                if let Some(asked) = self.notifications.iter_mut().find(|n| n.call == call) {
                    asked.id = number(&data[0]);
                }
            }
            _ => {}
        }
    }
}

/// `Notify(app, replaces_id, icon, summary, body, actions, hints, timeout)`.
fn notification(message: &Value) -> Notification {
    let data = &message["payload"]["data"];
    let words: Vec<String> = data[5].as_array().into_iter().flatten().map(text).collect();
    Notification {
        id: None,
        app: text(&data[0]),
        replaces_id: number(&data[1]).unwrap_or(0),
        icon: text(&data[2]),
        summary: text(&data[3]),
        body: text(&data[4]),
        actions: words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        urgency: data[6]["urgency"]["data"].as_u64(),
        hints: data[6].clone(),
        timeout: data[7].as_i64().unwrap_or(-1),
        call: (text(&message["sender"]), message["cookie"].as_u64().unwrap_or(0)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| n.try_into().ok())
}
