//! Following what happens: `GET /v1/events` as curl has it, and `credd status --follow`, through changes and restarts.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that says what went wrong is the error handling")]
#![allow(clippy::disallowed_methods, reason = "it times real programs")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::daemon::{Daemon, SOON};
use support::home::Home;
use support::pane::Pane;
use support::wait;

const CREDD: &str = env!("CARGO_BIN_EXE_credd");
const KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1vbGQtYXQtMTIzNDU2Nzg5MDEyOm9sZC1zZWNyZXQtdmFsdWU=";
const NEXT: &str = "ABSKQmVkcm9ja0FQSUtleS1uZXctYXQtMTIzNDU2Nzg5MDEyOm5ldy1zZWNyZXQtdmFsdWU=";
const CONFIG: &str = "consumers = []\n[alerts]\ndesktop = false\n[[keys]]\nname = \"bedrock\"\nprobe = \"off\"\n";

fn home() -> Home {
    let home = Home::new();
    home.write_config(CONFIG);
    home.set_key(KEY);
    home
}

fn daemon(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    daemon
}

/// A program and the lines that it has said so far; ended when dropped.
struct Saying {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Saying {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, said) = (child.stdout.take().unwrap(), Arc::clone(&lines));
        std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).for_each(|line| said.lock().unwrap().push(line)));
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn until(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let found = wait::try_until(SOON, || Some(self.lines()).filter(|lines| wanted(lines)));
        found.unwrap_or_else(|| panic!("not in time: {what}\n{}", self.lines().join("\n")))
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: u64,
    kind: String,
    data: Value,
}

/// curl, following the daemon.
struct Follower(Saying);

impl Follower {
    fn start(home: &Home, query: &str) -> Self {
        let mut curl = home.command("curl");
        curl.args(["-sN", "--unix-socket"]).arg(home.socket()).arg(format!("http://credd/v1/events{query}"));
        Self(Saying::start(&mut curl))
    }

    fn events(&self) -> Vec<Event> {
        let lines = self.0.lines();
        let mut events = Vec::new();
        for event in lines.split(String::is_empty).filter(|event| event.len() == 3) {
            let field = |at: usize, name: &str| event[at].strip_prefix(name).unwrap_or_else(|| panic!("{event:?}")).to_owned();
            events.push(Event {
                id: field(0, "id: ").parse().unwrap(),
                kind: field(1, "event: "),
                data: serde_json::from_str(&field(2, "data: ")).unwrap(),
            });
        }
        events
    }

    fn until(&self, what: &str, wanted: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let found = wait::try_until(SOON, || Some(self.events()).filter(|events| wanted(events)));
        found.unwrap_or_else(|| panic!("not in time: {what}\n{:#?}", self.events()))
    }
}

fn ageless(mut status: Value) -> Value {
    for key in status["keys"].as_array_mut().unwrap() {
        (key["age_days"], key["days_left"]) = (Value::Null, Value::Null);
    }
    status
}

fn is_of(event: &Event, fingerprint: &Value) -> bool {
    event.kind == "status" && event.data["keys"][0]["fingerprint"] == *fingerprint
}

#[test]
fn the_status_comes_first_and_then_each_change() {
    let home = home();
    let daemon = daemon(&home);
    let before = daemon.status();
    let follower = Follower::start(&home, "");
    let first = follower.until("the status", |events| !events.is_empty()).remove(0);
    assert_eq!(first.kind, "status");
    assert_eq!(ageless(first.data.clone()), ageless(before));

    home.set_key(NEXT);
    let after = daemon.until("the next key", SOON, |status| status["keys"][0]["fingerprint"] != first.data["keys"][0]["fingerprint"]);
    let print = &after["keys"][0]["fingerprint"];
    let events = follower.until("the change", |events| events.iter().any(|event| is_of(event, print)));
    assert!(events.iter().any(|event| event.kind == "history" && event.data["fingerprint"] == *print), "{events:#?}");
    assert!(events.is_sorted_by(|one, next| one.id < next.id), "{events:#?}");

    // Whoever was away gets what was missed, and no more.
    let last = events.last().unwrap().id;
    let resumed = Follower::start(&home, &format!("?since={}", first.id));
    let missed = resumed.until("what was missed", |missed| missed.last().is_some_and(|event| event.id >= last));
    let history = |events: &[Event]| events.iter().filter(|event| event.kind == "history").cloned().collect::<Vec<_>>();
    assert_eq!(history(&missed), history(&events[1..]));
    let nothing = Follower::start(&home, &format!("?since={last}"));
    daemon.ok(&["issued", "bedrock", "3 days ago"]);
    let news = nothing.until("the date", |events| events.iter().any(|event| event.kind == "status"));
    assert!(news.iter().all(|event| event.id > last), "{news:#?}");
    assert_eq!(news.iter().find(|event| event.kind == "status").unwrap().data["keys"][0]["issued_source"], "declared");
}

#[test]
fn a_gap_is_made_good_by_the_status() {
    let home = home();
    let mut running = daemon(&home);
    let last = Follower::start(&home, "").until("the status", |events| !events.is_empty())[0].id;
    running.stop();
    let again = daemon(&home);
    for query in [format!("?since={last}"), "?since=0".into(), format!("?since={}", u64::MAX)] {
        let events = Follower::start(&home, &query).until("the status", |events| !events.is_empty());
        assert_eq!(events[0].kind, "status", "{query}");
        assert!(events[0].id > last, "{query}");
        assert_eq!(events[0].data["daemon"]["pid"], again.pid());
    }
}

#[test]
fn few_follow_and_what_makes_no_sense_is_refused() {
    let home = home();
    let _daemon = daemon(&home);
    let all: Vec<_> = (0..16).map(|_| Follower::start(&home, "")).collect();
    for follower in &all {
        follower.until("the status", |events| !events.is_empty());
    }
    let ask = |query: &str, more: &[&str]| {
        let mut curl = home.command("curl");
        curl.args(["-s", "-w", "\n%{http_code}", "--unix-socket"])
            .arg(home.socket())
            .arg(format!("http://credd/v1/events{query}"))
            .args(more);
        support::run(&mut curl)
    };
    let busy = ask("", &[]);
    assert!(busy.ends_with("\n503") && busy.contains("\"busy\"") && busy.contains("16 clients"), "{busy}");
    let told = home.command(CREDD).args(["status", "--follow"]).output().unwrap();
    assert_eq!(told.status.code(), Some(1), "{}", support::said(&told));
    assert!(support::said(&told).contains("16 clients follow already"), "{}", support::said(&told));
    drop(all);
    wait::until("room", SOON, || {
        Follower::start(&home, "").0.until("an answer", |lines| !lines.is_empty()).iter().any(|line| line.starts_with("id: ")).then_some(())
    });
    assert!(ask("?since=x", &[]).ends_with("\n400"));
    assert!(ask("", &["-X", "POST"]).ends_with("\n405"));
}

#[test]
fn an_idle_daemon_that_is_followed_does_not_wake_up() {
    let home = home();
    let daemon = daemon(&home);
    let follower = Follower::start(&home, "");
    follower.until("the status", |events| !events.is_empty());
    daemon.rests();
    assert_eq!(follower.events().len(), 1, "nothing happened");
    home.set_key(NEXT);
    follower.until("the change", |events| events.iter().filter(|event| event.kind == "status").count() > 1);
}

fn follow(home: &Home, more: &[&str]) -> Saying {
    Saying::start(home.command(CREDD).args(["status", "--follow"]).args(more))
}

#[test]
fn a_page_for_each_change_also_of_the_daemon() {
    let home = home();
    // Before there is a daemon, or a place for its socket.
    let (pages, short) = (follow(&home, &[]), follow(&home, &["--short"]));
    let json = follow(&home, &["--json"]);
    pages.until("that nobody answers", |lines| lines.iter().any(|line| line.starts_with("no daemon answers at")));
    let mut running = daemon(&home);
    pages.until("the key", |lines| lines.iter().any(|line| line.starts_with("bedrock     ok")));
    short.until("the key", |lines| lines.last().is_some_and(|line| line == "bedrock 30d"));
    running.ok(&["issued", "bedrock", "27 days ago"]);
    pages.until("the date", |lines| lines.iter().any(|line| line.starts_with("bedrock     due") && line.ends_with("3 days left")));
    short.until("the date", |lines| lines.last().is_some_and(|line| line == "bedrock 3d"));

    running.kill();
    pages.until("that it is gone", |lines| lines.iter().filter(|line| line.starts_with("no daemon answers at")).count() == 2);
    let mut again = daemon_of_a_due_key(&home);
    again.ok(&["issued", "bedrock", "26 days ago"]);
    short.until("the daemon that came back", |lines| lines.last().is_some_and(|line| line == "bedrock 4d"));
    again.stop();
    let all = json.until("that it is gone again", |lines| {
        let live: Vec<_> = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["live"] == true).collect();
        live.windows(2).filter(|two| two[0] && !two[1]).count() == 2
    });
    assert!(all.iter().all(|line| serde_json::from_str::<Value>(line).unwrap()["schema"] == 1));
    let said = short.lines();
    assert!(said.windows(2).all(|two| two[0] != two[1]), "{said:?}");
}

fn daemon_of_a_due_key(home: &Home) -> Daemon<'_> {
    let daemon = Daemon::start(CREDD, home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "due");
    daemon
}

#[test]
fn one_key_and_a_name_that_there_is_not() {
    let home = home();
    let daemon = daemon(&home);
    let one = follow(&home, &["bedrock", "--json"]);
    one.until("the key", |lines| lines.len() == 1);
    let wrong = daemon.credd(&["status", "--follow", "bedrok"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", support::said(&wrong));
}

#[test]
fn ends_when_its_reader_has_seen_enough() {
    let home = home();
    let _daemon = daemon(&home);
    let mut child = home.command(CREDD).args(["status", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("bedrock"), "{line}");
    drop(out);
    assert_eq!(wait::until("it to end", SOON, || child.try_wait().unwrap()).code(), Some(0));
}

#[test]
fn a_terminal_shows_the_page_in_place_and_is_as_before_afterwards() {
    let home = home();
    let daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 80);
    pane.enters("echo be''fore; credd status --follow; echo ended with $?");
    let shows = |text: &str| {
        let shown = wait::try_until(SOON, || pane.screen().contains(text).then_some(()));
        assert!(shown.is_some(), "not shown: {text:?}\n{}", pane.screen());
    };
    shows("Ctrl-C ends");
    assert!(pane.screen().starts_with("bedrock     ok        ────"), "{}", pane.screen());
    assert_eq!(pane.knows("#{alternate_on} #{cursor_flag}"), "1 0");
    daemon.ok(&["issued", "bedrock", "27 days ago"]);
    shows("3 days left");
    assert_eq!(pane.screen().matches("bedrock").count(), 2, "once by its name, once in what to do: {}", pane.screen());
    pane.resizes(40, 5);
    shows("more lines, Ctrl-C ends");
    assert!(pane.screen().contains("\n  ━"), "{}", pane.screen());
    pane.resizes(80, 24);
    shows("credd renew bedrock");
    // Halted, and gone on with.
    pane.presses("C-z");
    shows("Stopped");
    assert_eq!(pane.knows("#{alternate_on} #{cursor_flag}"), "0 1");
    pane.enters("fg");
    shows("Ctrl-C ends");
    pane.presses("C-c");
    shows("before");
    assert_eq!(pane.knows("#{alternate_on} #{cursor_flag}"), "0 1");
    assert!(!pane.screen().contains("Ctrl-C ends"), "{}", pane.screen());
    pane.is_as_before();
}
