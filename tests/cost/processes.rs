//! A daemon as the kernel sees it.

use std::fmt::Write as _;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::costs::{Mode, hold};
use crate::program::release;
use crate::support::daemon::{Daemon, SOON};
use crate::support::home::Home;

/// Longer than anything that comes by itself, such as looks at files that tell nothing.
const QUIET: Duration = Duration::from_secs(35);
/// Mounts anywhere on the machine wake the daemon, and some tests make some.
const TRIES: usize = 3;
/// What a start leaves to do.
const SETTLING: Duration = Duration::from_secs(3);
const EDITS: u64 = 10;
/// For an edit, however many keys there are (issue 6).
const MOST_WRITTEN: u64 = 16 * 1024;

fn text(daemon: &Daemon<'_>, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).ok()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// So many keys, five a file; nobody uses them, and nobody is asked.
fn home(keys: usize) -> Home {
    let home = Home::new();
    let mut config = "consumers = []\n".to_owned();
    for key in 0..keys {
        let file = home.path().join(format!("{}.env", key / 5));
        writeln!(
            config,
            "[[keys]]\nname = \"key-{key}\"\nvariable = \"KEY_{}\"\nenv_file = \"{}\"\nprobe = \"off\"",
            key % 5,
            file.display()
        )
        .unwrap();
    }
    home.write_config(&config);
    (0..keys.div_ceil(5)).for_each(|file| write(&home, file, 0));
    home
}

fn write(home: &Home, file: usize, round: u64) {
    let text = format!("export KEY_0=planted-{file}-{round}\nexport KEY_1=a\nexport KEY_2=b\nexport KEY_3=c\nexport KEY_4=d\n");
    fs::write(home.path().join(format!("{file}.env")), text).unwrap();
}

#[test]
fn nothing_wakes_a_daemon_that_waits() {
    let Some(program) = release() else { return };
    let home = home(10);
    let daemon = Daemon::start(program, &home);
    daemon.until("the keys", SOON, |status| status["keys"][9]["state"] == "ok");
    sleep(SETTLING);
    let threads = field(&text(&daemon, "status").unwrap(), "Threads:");
    hold("threads", threads);
    let switches = || field(&text(&daemon, "status").unwrap(), "voluntary_ctxt_switches:");
    let mut fewest = u64::MAX;
    for _ in 0..TRIES {
        let before = switches();
        sleep(QUIET);
        fewest = fewest.min(switches() - before);
        if fewest == 0 {
            break;
        }
    }
    hold("switches of a daemon that waits", fewest);
}

#[test]
fn an_edit_writes_alike_with_any_number_of_keys() {
    let Some(program) = release() else { return };
    for keys in [10, 1_000] {
        let home = home(keys);
        let daemon = Daemon::start(program, &home);
        daemon.until("the keys", SOON, |status| status["keys"].as_array().unwrap().iter().all(|key| key["state"] == "ok"));
        let Some(before) = text(&daemon, "io") else {
            assert!(Mode::now() == Mode::Ordinary, "only root is told what a daemon writes");
            eprintln!("left out: only root is told what a daemon writes");
            return;
        };
        let seen = || daemon.log().matches("event=key-new").count();
        for round in 1..=EDITS {
            let before = seen();
            write(&home, 0, round);
            crate::support::wait::until_true("an edit to be seen", SOON, || seen() > before);
        }
        sleep(SETTLING);
        let written = (field(&text(&daemon, "io").unwrap(), "wchar:") - field(&before, "wchar:")) / EDITS;
        hold(&format!("bytes written for an edit among {keys} keys"), written);
        assert!(written < MOST_WRITTEN, "an edit among {keys} keys writes {written} bytes");
    }
}
