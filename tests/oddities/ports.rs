//! Somebody else who wants LiteLLM's port, and the port that LiteLLM itself is particular about.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::rig::{Case, NEW, NEWER, NEWEST, Turn};
use crate::support::daemon::SOON;
use crate::support::litellm::{LiteLlm, Options};
use crate::support::{is_running, wait};

/// Somebody who takes a port as soon as it is free.
struct Squatter {
    stop: Arc<AtomicBool>,
    got: Arc<Mutex<Option<TcpListener>>>,
    thread: Option<JoinHandle<()>>,
}

impl Squatter {
    fn lurk(port: u16) -> Self {
        let (stop, got) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (stopping, getting) = (Arc::clone(&stop), Arc::clone(&got));
        let thread = thread::spawn(move || {
            while !stopping.load(Ordering::SeqCst) {
                if let Ok(listener) = TcpListener::bind(("0.0.0.0", port)) {
                    *getting.lock().unwrap() = Some(listener);
                    break;
                }
                thread::sleep(Duration::from_micros(200));
            }
        });
        Self { stop, got, thread: Some(thread) }
    }

    fn has_it(&self) -> bool {
        self.got.lock().unwrap().is_some()
    }

    /// Goes, and tells whether it ever had the port.
    fn go(mut self) -> bool {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.has_it()
    }
}

#[test]
fn a_squatter_has_no_chance_in_a_hand_over_and_is_waited_for_else() {
    let case = Case::start(&Options::default(), "");
    let daemon = case.daemon();
    let port = case.proxy.port();

    let (squatter, client) = (Squatter::lurk(port), case.client());
    case.change(&daemon, NEW).is("applied", &["proven by a completion"]);
    assert!(!squatter.go(), "it had the port");
    assert_eq!(client.stop().failures, []);
    case.serves_with(NEW);

    case.reconfigure(&daemon, "handover = false");
    let squatter = Squatter::lurk(port);
    let waits = format!("waiting, since process {} (oddities", std::process::id());
    let ended = {
        let _turn = Turn::take();
        let before = daemon.status();
        case.home.set_key(NEWER);
        wait::until_true("credd to wait", SOON, || daemon.ok(&["status"]).contains(&waits));
        assert!(squatter.go());
        Case::over(&daemon, &before)
    };
    ended.is("applied", &["proven by a completion"]);
    case.serves_with(NEWER);

    case.reconfigure(&daemon, "handover = false\nready_timeout = \"3s\"");
    let squatter = Squatter::lurk(port);
    let ended = case.change(&daemon, NEWEST);
    ended.is("failed", &["it doesn't serve, since process", &format!("has its port {port}: see to that, and start it")]);
    assert_eq!(ended.states()[1], "failed");
    wait::until_true("an alert", SOON, || case.alerts() == ["apply-failed"]);
    assert_eq!(case.running(), [0; 0]);
    assert!(squatter.go());

    // As the user was told.
    let _turn = Turn::take();
    let options = Options { dir: Some(case.proxy.dir()), port: Some(port), ..Options::default() };
    let again = LiteLlm::launch(&case.bedrock, NEWEST, &options);
    again.wait_ready();
    daemon.until("it to be found", SOON, |status| status["consumers"][0]["state"] == "current");
    case.serves_with(NEWEST);
    assert!(is_running(again.pid()));
}

#[test]
fn port_4000_is_had_again() {
    let free = TcpListener::bind(("0.0.0.0", 4000));
    assert!(free.is_ok(), "this test needs port 4000, which somebody has: {free:?}");
    drop(free);
    let case = Case::start(&Options { port: Some(4000), ..Options::default() }, "");
    let daemon = case.daemon();
    let ended = case.change(&daemon, NEW);
    ended.is("applied", &["proven by a completion", "it was stopped first, since LiteLLM moves to another port where 4000 is taken"]);
    case.serves_with(NEW);
}
