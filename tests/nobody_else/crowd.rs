//! Clients of the same user that come in crowds, dawdle, or never end: the owner's `credd status` is answered all the
//! same, and nothing of them stays.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;
use crate::support::wait;
use crate::{CREDD, KEY, QUIET, is_root};

/// So many make a document that no socket's buffer holds.
const KEYS: usize = 600;
/// `credd status` under attack: what waiting may add to half of them, and to nine out of ten. (The daemon gives a silent
/// client three seconds: one that had to wait for a place would be beyond.)
const WAITED: Duration = Duration::from_secs(1);
/// What the processor may add, in times of what they take undisturbed: it is also the attackers', of which there are
/// two, and their daemon's. Again for half of them, and for nine out of ten.
const SHARED: [u32; 2] = [3, 10];
/// One attack at a time, so that undisturbed is what the machine would do without it.
static ALONE: Mutex<()> = Mutex::new(());
/// Beyond what the daemon had before: while it lasts, and once it is over.
const MOST_MEANWHILE: u64 = 16 << 20;
const MOST_AFTERWARDS: u64 = 1 << 20;

/// How often the status is asked for: twelve times, and two hundred with `CREDD_LONG=1`.
fn times() -> usize {
    if std::env::var_os("CREDD_LONG").is_some() { 200 } else { 12 }
}

/// Keys of which the first is probed, by one who takes very long.
fn home(bedrock: &BedrockStandIn) -> Home {
    bedrock.delay(Duration::from_secs(30));
    let home = Home::new().asking(&bedrock.url());
    let (mut config, mut env) = (QUIET.to_owned(), String::new());
    for number in 0..KEYS {
        let probe = if number == 0 { "" } else { "probe = \"off\"\n" };
        let _ = write!(config, "[[keys]]\nname = \"k{number}\"\nvariable = \"K{number}\"\n{probe}");
        let _ = writeln!(env, "export K{number}={}", if number == 0 { KEY.to_owned() } else { format!("value-{number}") });
    }
    home.write_config(&config);
    home.write_env(&env);
    home
}

/// What can be counted of a daemon.
#[derive(Clone, Copy, Debug)]
struct Figures {
    anonymous: u64,
    descriptors: usize,
}

impl Figures {
    fn of(daemon: &Daemon<'_>) -> Self {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        let kilobytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
        Self { anonymous: kilobytes * 1024, descriptors }
    }
}

/// How long each `credd status` takes, sorted.
fn statuses(daemon: &Daemon<'_>) -> Vec<Duration> {
    let mut all: Vec<_> = (0..times())
        .map(|_| {
            let begun = Instant::now();
            let done = daemon.command().args(["status", "--short"]).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
            // 0 or what `status` says of keys that nobody was asked about; never that the daemon can't be reached.
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            begun.elapsed()
        })
        .collect();
    all.sort_unstable();
    all
}

/// Asks for the status once there were `begun` connections, while `attack` goes on in two threads (until it is told that it is
/// over), and holds the figures together.
fn held_against(what: &str, begun: usize, attack: impl Fn(&Attack) + Sync) {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    most_descriptors();
    let bedrock = BedrockStandIn::start([KEY]);
    let home = home(&bedrock);
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("all keys", SOON, |status| status["keys"].as_array().is_some_and(|keys| keys.iter().all(|key| key["state"] == "ok")));
    let quiet = statuses(&daemon);
    wait::until_true("the daemon to be at rest", SOON, || Figures::of(&daemon).descriptors < 40);
    let before = Figures::of(&daemon);

    let on = Attack { socket: home.socket(), connections: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
    let (busy, peak) = std::thread::scope(|scope| {
        let end = Ends(&on);
        for _ in 0..2 {
            scope.spawn(|| attack(&on));
        }
        wait::until_true("the attack to begin", SOON, || on.connections.load(Ordering::SeqCst) >= begun);
        let peak = scope.spawn(|| {
            let mut peak = Figures::of(&daemon).anonymous;
            wait::try_until(Duration::from_mins(2), || {
                peak = peak.max(Figures::of(&daemon).anonymous);
                (!on.goes_on()).then_some(())
            });
            peak
        });
        let busy = statuses(&daemon);
        drop(end);
        (busy, peak.join().unwrap())
    });
    let (half, late) = (busy.len() / 2, busy.len() * 9 / 10);
    let undisturbed = quiet[quiet.len() / 2];
    eprintln!(
        "{what} ({} connections): status takes {:?} (90 %: {:?}, worst: {:?}), undisturbed {:?}; memory {} kB, at most {} kB",
        on.connections.load(Ordering::SeqCst),
        busy[half],
        busy[late],
        busy[busy.len() - 1],
        undisturbed,
        before.anonymous / 1024,
        peak / 1024
    );
    assert!(undisturbed < 3 * WAITED, "{what}: undisturbed {quiet:?}");
    for (at, shared) in [half, late].into_iter().zip(SHARED) {
        assert!(busy[at] < WAITED + shared * undisturbed, "{what}: {busy:?}, undisturbed {quiet:?}");
    }
    assert!(peak < before.anonymous + MOST_MEANWHILE, "{what}: {} kB, {before:?} before", peak / 1024);
    let is_over = |after: Figures| after.anonymous < before.anonymous + MOST_AFTERWARDS && after.descriptors <= before.descriptors;
    let after = wait::try_until(SOON, || Some(Figures::of(&daemon)).filter(|after| is_over(*after)));
    assert!(after.is_some(), "{what}: {:?} is left, {before:?} before", Figures::of(&daemon));
}

/// As many as this process may have: it holds thousands of connections.
fn most_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// What all threads of an attack share.
struct Attack {
    socket: PathBuf,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Attack {
    fn connect(&self) -> Option<UnixStream> {
        let stream = UnixStream::connect(&self.socket).ok()?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&stream, Some(Duration::from_millis(100))).unwrap();
        }
        self.connections.fetch_add(1, Ordering::SeqCst);
        Some(stream)
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    fn until_over(&self, mut act: impl FnMut()) {
        while self.goes_on() {
            act();
        }
    }
}

/// Ends the attack, however the test ends.
struct Ends<'a>(&'a Attack);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn thousands_that_connect_and_say_nothing() {
    held_against("silent connections", 20, |on| {
        let mut open = Vec::new();
        on.until_over(|| {
            open.extend(on.connect());
            if open.len() > 1000 {
                open.clear();
            }
        });
    });
}

#[test]
fn half_requests() {
    held_against("half requests", 20, |on| {
        let mut open = Vec::new();
        on.until_over(|| {
            open.extend(on.connect().map(|mut stream| {
                let _ = stream.write_all(b"GET /v1/sta");
                stream
            }));
            if open.len() > 500 {
                open.clear();
            }
        });
    });
}

#[test]
fn slow_clients() {
    // A hundred in each thread that send a byte each before any sends the next.
    let request = b"GET /v1/status HTTP/1.1\r\nHost: credd\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    held_against("a byte now and then", 20, |on| {
        let mut open: Vec<(UnixStream, usize)> = Vec::new();
        on.until_over(|| {
            open.retain_mut(|(stream, at)| {
                *at += 1;
                *at < request.len() && stream.write_all(&request[*at..=*at]).is_ok()
            });
            while open.len() < 100 {
                let Some(mut stream) = on.connect() else { break };
                if stream.write_all(&request[..1]).is_err() {
                    break;
                }
                open.push((stream, 0));
            }
            std::thread::sleep(Duration::from_millis(20));
        });
    });
}

#[test]
fn heads_and_bodies_without_an_end() {
    let filler = vec![b'a'; 64 * 1024];
    held_against("endless heads and bodies", 20, |on| {
        on.until_over(|| {
            for start in [
                "GET /v1/status HTTP/1.1\r\nX-Long: ",
                "POST /v1/keys/k1/snooze HTTP/1.1\r\nHost: credd\r\nContent-Length: 99999999999\r\n\r\n",
                "POST /v1/keys/k1/snooze HTTP/1.1\r\nHost: credd\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
            ] {
                let Some(mut stream) = on.connect() else { return };
                let mut sent = stream.write_all(start.as_bytes());
                while sent.is_ok() && on.goes_on() {
                    sent = stream.write_all(&filler);
                }
            }
        });
    });
}

#[test]
fn clients_that_stop_reading_in_the_middle() {
    held_against("clients that stop reading", 200, |on| {
        let mut open = Vec::new();
        for _ in 0..100 {
            open.extend(on.connect().map(|mut stream| {
                let _ = stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: credd\r\n\r\n");
                let _ = stream.read(&mut [0; 1000]);
                stream
            }));
        }
        on.until_over(|| std::thread::sleep(Duration::from_millis(10)));
    });
}

#[test]
fn followers_that_come_and_go_and_read_nothing() {
    // Far more than may follow; one in each thread makes room for another now and then.
    held_against("followers", 200, |on| {
        let mut open = VecDeque::new();
        on.until_over(|| {
            if open.len() == 100 {
                open.pop_front();
                std::thread::sleep(Duration::from_millis(50));
            }
            open.extend(on.connect().map(|mut stream| {
                let _ = stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: credd\r\n\r\n");
                stream
            }));
        });
    });
}

#[test]
fn requests_that_wait_for_others() {
    // Each is for a probe: more of them than there are places.
    held_against("requests that take long", 20, |on| {
        let mut open = Vec::new();
        on.until_over(|| {
            open.extend(on.connect().map(|mut stream| {
                let _ = stream.write_all(b"POST /v1/keys/k0/verify HTTP/1.1\r\nHost: credd\r\nContent-Length: 2\r\n\r\n{}");
                stream
            }));
            if open.len() > 200 {
                open.clear();
            }
        });
    });
}
