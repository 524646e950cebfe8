//! The new process beside the old one.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use credd::config::Verify;
use credd::consumers::find::find;
use credd::consumers::sys::Held;
use credd::core::Outcome;
use credd::worker::job::Job;

use crate::rig::{NEW, OLD, Rig, held, until};
use crate::support::http;

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.config.handover = true;
    rig
}

/// Between two calls: some hundred a second. (Of thousands, one may come in the microseconds in which credd's
/// own placeholder listens, and be reset.)
const PAUSE: Duration = Duration::from_millis(2);

/// Somebody who asks the port who is there, again and again.
struct Caller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(BTreeSet<i32>, Vec<String>)>,
}

impl Caller {
    fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut answered, mut failures) = (BTreeSet::new(), Vec::new());
            while !stopping.load(Ordering::SeqCst) {
                match http::request(port, "GET", "/pid", None, None, Duration::from_secs(5)) {
                    Ok(answer) => drop(answered.insert(answer.text().trim().parse().unwrap())),
                    Err(error) => failures.push(error.to_string()),
                }
                std::thread::sleep(PAUSE);
            }
            (answered, failures)
        });
        Self { stop, thread }
    }

    /// Who answered, and what went wrong.
    fn stop(self) -> (BTreeSet<i32>, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn at_no_time_does_nobody_answer() {
    let rig = rig();
    rig.behave(&[("*", &["slow"])]);
    let child = rig.start();
    let old = held(&child);
    let caller = Caller::start(rig.port);
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    let new = report.pid.unwrap();
    until("the new one answers", || http::request(rig.port, "GET", "/pid", None, None, Duration::from_secs(5)).is_ok());
    let (answered, failures) = caller.stop();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(answered, BTreeSet::from([old.pid(), new]));
    assert_eq!(rig.keys(), [NEW]);
    assert!(old.is_gone());
    let expected =
        ["loading the new one beside the old", "proving it by a completion", "handing over", "letting the old one finish its requests"];
    assert_eq!(phases, expected);
    assert_eq!(std::fs::read_to_string(rig.path("pid")).unwrap().trim(), new.to_string());
}

/// Applies a key with which the stand-in behaves so; the old one is never touched, and the only one to answer.
fn is_kept(rig: &Rig, words: &[&str]) -> String {
    rig.behave(&[(NEW, words)]);
    let child = rig.start();
    let old = held(&child);
    let caller = Caller::start(rig.port);
    let (phases, report) = rig.apply();
    let (answered, failures) = caller.stop();
    assert_eq!((report.outcome, report.pid), (Outcome::RolledBack, Some(old.pid())), "{}", report.detail);
    assert!(report.detail.contains("it was not touched and runs with its old key"), "{}", report.detail);
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(answered, BTreeSet::from([old.pid()]));
    assert_eq!(rig.keys(), [OLD], "and nothing is left of the new one");
    assert!(!phases.contains(&"handing over".to_owned()));
    report.detail
}

#[test]
fn a_new_one_that_dies_is_no_loss() {
    let detail = is_kept(&rig(), &["dies"]);
    assert!(detail.contains("ended before it was ready; see "), "{detail}");
}

#[test]
fn a_new_one_that_is_never_ready_is_no_loss() {
    let mut rig = rig();
    rig.config.ready_timeout = Duration::from_secs(3);
    let detail = is_kept(&rig, &["never-ready", "ignores-term"]);
    assert!(detail.contains("not ready within 3 s"), "{detail}");
}

#[test]
fn a_key_that_proves_bad_is_never_met_by_anybody() {
    let detail = is_kept(&rig(), &["refused"]);
    assert!(detail.contains("Bedrock refuses the key (HTTP 403)"), "{detail}");
}

#[test]
fn a_new_one_that_ends_while_it_takes_the_port_is_no_loss() {
    let detail = is_kept(&rig(), &["falls"]);
    assert!(detail.contains("ended before it was ready; see "), "{detail}");
}

#[test]
fn a_new_one_that_gives_no_sign_of_life_is_no_loss() {
    let mut rig = rig();
    rig.config.verify = Verify::Readiness;
    rig.config.ready_timeout = Duration::from_secs(3);
    let detail = is_kept(&rig, &["sick"]);
    assert!(detail.contains("not ready within 3 s"), "{detail}");
}

/// Carries connections to a port, as a reverse proxy does. Where it listens itself.
fn front_of(port: u16) -> u16 {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = front.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for caller in front.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            for (from, to) in [(&caller, &server), (&server, &caller)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    own
}

#[test]
fn behind_a_proxy_the_new_one_itself_is_tried() {
    let mut rig = rig();
    rig.config.url = Some(format!("http://127.0.0.1:{}", front_of(rig.port)));
    let detail = is_kept(&rig, &["refused"]);
    assert!(detail.contains("Bedrock refuses the key (HTTP 403)"), "{detail}");
}

#[test]
fn one_that_shares_its_port_takes_over_only_once_it_listens() {
    let mut rig = rig();
    rig.config.verify = Verify::None;
    rig.behave(&[(OLD, &["shares"]), (NEW, &["shares", "sluggish"])]);
    let child = rig.start_by(&mut rig.command("", "--run_granian > log 2>&1"));
    let old = held(&child);
    let caller = Caller::start(rig.port);
    let (_, report) = rig.apply();
    let (_, failures) = caller.stop();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    // What the old one had not accepted yet when it closed its listener is reset.
    assert!(failures.len() < 5, "{} failures", failures.len());
    assert!(old.is_gone());
}

#[test]
fn a_port_of_a_child_s_own_is_no_obstacle() {
    let rig = rig();
    rig.behave(&[("*", &["engine"])]);
    let _child = rig.start();
    let caller = Caller::start(rig.port);
    let (phases, report) = rig.apply();
    let (_, failures) = caller.stop();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!(phases[0], "loading the new one beside the old", "{}", report.detail);
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn of_several_those_alone_are_restarted_that_lack_the_key() {
    let mut rig = rig();
    rig.behave(&[(OLD, &["never-ready"])]);
    let current = rig.start_by(rig.command("", "> log 2>&1").env("AWS_BEARER_TOKEN_BEDROCK", NEW));
    let port = std::mem::replace(&mut rig.port, TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let mut stale = rig.command("", ">> log 2>&1").spawn().unwrap();
    until("it loads", || rig.log().matches("started").count() == 2);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(rig.answers(), "the one that was still loading is restarted");
    rig.port = port;
    assert!(rig.answers());
    assert!(!held(&current).is_gone(), "the one that has the key isn't touched");
    assert_eq!(rig.keys(), [NEW, NEW]);
    stale.wait().unwrap();
}

#[test]
fn where_two_cannot_share_the_old_one_goes_first_and_can_come_back() {
    let rig = rig();
    rig.behave(&[("*", &["dual", "slow"])]);
    let child = rig.start();
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(held_gone(&child));
    let handing_over = phases.iter().position(|phase| phase == "handing over").unwrap();
    let proving = phases.iter().position(|phase| phase.starts_with("proving")).unwrap();
    assert!(handing_over < proving, "{phases:?}");
    assert_eq!(rig.keys(), [NEW]);

    rig.write_key("ABSK-bad-and-secret");
    rig.behave(&[("*", &["dual"]), ("ABSK-bad-and-secret", &["refused"])]);
    let (_, report) = rig.apply_key("ABSK-bad-and-secret");
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("runs with its old key again"), "{}", report.detail);
    assert_eq!(rig.keys(), [NEW]);
}

fn held_gone(child: &std::process::Child) -> bool {
    Held::open(i32::try_from(child.id()).unwrap()).is_err()
}

#[test]
fn an_old_one_that_ignores_sigterm_is_killed_when_its_time_is_up() {
    let mut rig = rig();
    rig.config.stop_timeout = Duration::from_millis(300);
    rig.behave(&[(OLD, &["ignores-term"])]);
    let child = rig.start();
    let old = held(&child);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(old.is_gone());
    assert!(rig.serves());
}

#[test]
fn workers_on_one_listener_are_stopped_first_and_that_is_said() {
    let rig = rig();
    rig.behave(&[("*", &["workers"])]);
    let _child = rig.start();
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(report.detail.contains("it was stopped first, since its workers share one listener"), "{}", report.detail);
    assert_eq!(phases[0], "stopping");
}

#[test]
fn an_edit_in_between_ends_it() {
    let rig = rig();
    rig.behave(&[(NEW, &["slow"])]);
    let child = rig.start();
    let edit = std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the new one loads", || find(&rig.config.matches).unwrap().len() == 2);
            rig.write_key("ABSK-newer-and-secret");
        });
        rig.apply()
    });
    assert_eq!(edit.1.outcome, Outcome::Superseded, "{}", edit.1.detail);
    assert!(!held(&child).is_gone());
    assert_eq!(rig.keys(), [OLD]);
}

#[test]
fn a_worker_that_is_killed_leaves_nothing_that_the_next_one_cannot_clear_away() {
    for killed_while in ["the new one loads", "the new one is tried"] {
        let rig = rig();
        let words: &[&str] = if killed_while.ends_with("loads") { &["slow"] } else { &["throttled"] };
        rig.behave(&[(NEW, words)]);
        let child = rig.start();
        let mut worker = Command::new(env!("CARGO_BIN_EXE_credd"))
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let job = serde_json::to_vec(&Job::Apply(Box::new(rig.order()))).unwrap();
        worker.stdin.as_mut().unwrap().write_all(&job).unwrap();
        until("there are two", || find(&rig.config.matches).unwrap().len() == 2);
        if killed_while.ends_with("tried") {
            until("it is asked", || rig.log().contains("POST"));
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        rig.behave(&[]);
        let caller = Caller::start(rig.port);
        let (_, report) = rig.apply();
        let (_, failures) = caller.stop();
        assert_eq!(report.outcome, Outcome::Applied, "killed while {killed_while}: {}", report.detail);
        assert_eq!(failures, Vec::<String>::new(), "killed while {killed_while}");
        assert_eq!(rig.keys(), [NEW], "killed while {killed_while}");
        assert!(held_gone(&child));
    }
}

#[test]
fn where_the_old_one_ends_meanwhile_it_is_started_again() {
    let rig = rig();
    rig.behave(&[(NEW, &["refused"])]);
    let mut child = rig.start();
    let (_, report) = std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the new one is asked", || rig.log().contains("POST"));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        rig.apply()
    });
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("runs with its old key again"), "{}", report.detail);
    assert!(rig.answers());
    assert_eq!(rig.keys(), [OLD]);
}
