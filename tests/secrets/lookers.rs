//! Where secrets are looked for.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::canaries::{Canary, Net};
use crate::support::home::Home;
use crate::support::wait;

/// A place, and what was found there.
pub type Find = (String, String);

fn finds(place: impl Into<String>, net: &Net, bytes: &[u8]) -> Vec<Find> {
    let place = place.into();
    net.caught(bytes).into_iter().map(|(name, at)| (format!("{place} at {at:#x}"), name)).collect()
}

/// In text that was shown.
pub fn text(place: &str, net: &Net, text: &str) -> Vec<Find> {
    finds(place, net, text.as_bytes())
}

/// In every mapping of a process that can be read; how many bytes that were is told as well.
pub fn memory(pid: u32, net: &Net) -> (Vec<Find>, usize) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let (mut found, mut looked_at) = (Vec::new(), 0);
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with('r'))) {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // The kernel's own pages can't be read this way.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            looked_at += bytes.len();
            let name = line.split_ascii_whitespace().nth(5).unwrap_or("no file");
            found.extend(finds(format!("memory of {pid}, {name}"), net, &bytes));
        }
    }
    (found, looked_at)
}

/// In every file below a directory, by name as well, but for those that are to hold them.
pub fn files(dir: &Path, net: &Net, may_hold: &dyn Fn(&Path) -> bool) -> Vec<Find> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Ok(what) = fs::symlink_metadata(&path) else { continue };
        found.extend(text(&format!("the name of {}", path.display()), net, &path.to_string_lossy()));
        if what.is_dir() {
            found.extend(files(&path, net, may_hold));
        } else if what.is_file() {
            let Ok(bytes) = fs::read(&path) else { continue };
            let here = finds(path.display().to_string(), net, &bytes);
            if !may_hold(&path) {
                found.extend(here);
            } else if !here.is_empty() && what.permissions().mode() & 0o077 != 0 {
                found.push((format!("{}, for others to read", path.display()), here[0].1.clone()));
            }
        }
    }
    found
}

/// Looks all the time, at everything that comes and goes: arguments of all processes, environments of those in a home,
/// and files below it.
pub struct Watch {
    over: Arc<AtomicBool>,
    canaries: Arc<Mutex<Vec<Canary>>>,
    found: Arc<Mutex<Vec<Find>>>,
    rounds: Arc<Mutex<usize>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// `may_hold` is for files. Of processes, a consumer alone may: one that is given `consumer` as an argument.
    pub fn start(home: &Home, consumer: &str, may_hold: fn(&Path) -> bool) -> Self {
        let watch =
            Self { over: Arc::default(), canaries: Arc::default(), found: Arc::default(), rounds: Arc::default(), threads: Vec::new() };
        let (home, consumer) = (home.path().to_owned(), consumer.to_owned());
        let of_home = format!("HOME={}", home.display()).into_bytes();
        watch
            .also(move |net| processes(net, &of_home, &consumer), Duration::ZERO)
            .also(move |net| files(&home, net, &may_hold), Duration::from_millis(20))
    }

    fn also(mut self, look: impl Fn(&Net) -> Vec<Find> + Send + 'static, pause: Duration) -> Self {
        let (over, canaries) = (Arc::clone(&self.over), Arc::clone(&self.canaries));
        let (found, rounds) = (Arc::clone(&self.found), Arc::clone(&self.rounds));
        self.threads.push(std::thread::spawn(move || {
            let (mut net, mut known) = (Net::of([]), 0);
            while !over.load(Ordering::SeqCst) {
                let all = canaries.lock().unwrap().clone();
                if all.len() != known {
                    known = all.len();
                    net = Net::of(&all);
                }
                let new = look(&net);
                found.lock().unwrap().extend(new);
                *rounds.lock().unwrap() += 1;
                std::thread::sleep(pause);
            }
        }));
        self
    }

    /// Has it look for one more.
    pub fn look_for(&self, canary: &Canary) {
        self.canaries.lock().unwrap().push(canary.clone());
        let before = *self.rounds.lock().unwrap();
        wait::until_true("the watch to know of it", Duration::from_secs(20), || *self.rounds.lock().unwrap() > before + 2);
    }

    /// What was found so far.
    pub fn found(&self) -> Vec<Find> {
        let mut all = self.found.lock().unwrap().clone();
        all.dedup();
        all
    }

    /// Ends it: what was found, and how often it has looked.
    pub fn stop(mut self) -> (Vec<Find>, usize) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let rounds = *self.rounds.lock().unwrap();
        (self.found(), rounds)
    }
}

/// In the arguments of all processes, and in the environments of those with this home.
fn processes(net: &Net, of_home: &[u8], consumer: &str) -> Vec<Find> {
    let mut found = Vec::new();
    for dir in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
        if !dir.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit()) {
            continue;
        }
        let environ = fs::read(dir.join("environ")).unwrap_or_default();
        let arguments = fs::read(dir.join("cmdline")).unwrap_or_default();
        found.extend(finds(format!("arguments of {}", dir.display()), net, &arguments));
        let is_of_home = environ.split(|byte| *byte == 0).any(|entry| entry == of_home);
        let is_consumer = String::from_utf8_lossy(&arguments).split('\0').any(|word| word == consumer);
        if is_of_home && !is_consumer {
            let whose = format!("environment of {}: {}", dir.display(), String::from_utf8_lossy(&arguments).replace('\0', " "));
            found.extend(finds(whose, net, &environ));
        }
    }
    found
}

/// Every file that may hold keys in the homes of these tests: the env file with what is written beside it, and the AWS
/// CLI's.
pub fn may_hold(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let of_env_file = name.starts_with(".backlog-toolkit-env") || name.starts_with("..backlog-toolkit-env.credd-");
    of_env_file || path.ends_with(".aws/credentials")
}

/// Each of these finds what is planted for it.
#[test]
fn each_sees() {
    let home = Home::new();
    let dir: PathBuf = home.path().join("deep/er");
    fs::create_dir_all(&dir).unwrap();
    let here = Canary::plain("here", "");
    let net = Net::of([&here]);
    if crate::is_root() {
        let kept = std::hint::black_box(here.value.clone());
        let (found, looked_at) = memory(std::process::id(), &net);
        assert!(found.iter().any(|(place, _)| place.contains("[heap]") || place.contains("no file")), "{found:?}");
        assert!(looked_at > 1 << 20);
        drop(kept);
    }
    assert_eq!(text("a text", &net, &format!("x{}", here.value)).len(), 1);
    fs::write(dir.join("file"), &here.value).unwrap();
    assert!(files(home.path(), &net, &|_| false)[0].0.contains("deep/er/file"));
    // One that may hold them has to be closed.
    assert!(files(home.path(), &net, &|_| true)[0].0.contains("for others to read"));
    fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(files(home.path(), &net, &|_| true), []);
    fs::remove_file(dir.join("file")).unwrap();

    let watch = Watch::start(&home, "consumer.yaml", may_hold);
    let find = |part: &str| {
        wait::until_true(part, Duration::from_secs(20), || watch.found().iter().any(|(place, _)| place.contains(part)));
    };
    let [argument, variable, brief] = ["argument", "variable", "brief"].map(|name| Canary::plain(name, ""));
    for canary in [&argument, &variable, &brief] {
        watch.look_for(canary);
    }
    // For a fifth of a second each, as a program that is run by another may be there.
    home.command("sh").args(["-c", "sleep 0.2; :", &argument.value]).status().unwrap();
    find("arguments of");
    home.command("sh").args(["-c", "sleep 0.2"]).env("X", &variable.value).status().unwrap();
    find("environment of");
    fs::write(dir.join("brief"), &brief.value).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    fs::remove_file(dir.join("brief")).unwrap();
    find("deep/er/brief");
    let (found, rounds) = watch.stop();
    assert!(rounds > 10 && found.iter().all(|(_, name)| !name.starts_with("here")), "{found:?}");
}
