//! `metrics.textfile`: current, whole, for everybody to read, and where it was asked for.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use super::support::daemon::{Daemon, SOON};
use super::support::wait;
use super::{CREDD, OTHER, deadline, home};

const CONFIG: &str = "consumers = []\n[alerts]\ndesktop = false\n[[keys]]\nprobe = \"off\"\n[metrics]\ntextfile = \"~/out/credd.prom\"\n";

fn wait_for(path: &Path, sample: &str) -> String {
    wait::until(sample, SOON, || fs::read_to_string(path).ok().filter(|text| text.lines().any(|line| line.contains(sample))))
}

#[test]
fn is_current_and_written_only_when_that_changes_it() {
    let home = home(26, CONFIG);
    let dir = home.path().join("out");
    let file = dir.join("credd.prom");
    fs::create_dir(&dir).unwrap();
    let mut daemon = Daemon::start(CREDD, &home);
    let due = wait_for(&file, r#"state="due",host="#);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(due.contains(&format!(",state=\"due\",host=\"{}\",user=\"", host.trim_end())), "{due}");
    assert!(!due.contains("# EOF"), "{due}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let file_id = || fs::metadata(&file).unwrap().ino();

    // Nothing is under way any more.
    wait::until_true("the start to be over", SOON, || deadline(&file).is_some_and(|at| at > jiff::Timestamp::now().as_second() + 10));
    // Asked, it looks at everything, and nothing has changed.
    let before = file_id();
    for _ in 0..20 {
        daemon.status();
    }
    wait::throughout("the same file", Duration::from_secs(3), || file_id() == before);

    home.set_key(OTHER);
    wait::until_true("the new key in it", SOON, || {
        let text = fs::read_to_string(&file).unwrap();
        text.lines().any(|line| line.contains("state=\"ok\"") && line.ends_with(" 1"))
    });
    assert_ne!(file_id(), before, "replaced, not overwritten");

    // Taken away by somebody, it comes back with the next thing that happens.
    fs::remove_file(&file).unwrap();
    daemon.status();
    wait_for(&file, "credd_up{");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing else is left there");

    daemon.stop();
    let left = fs::read_to_string(&file).unwrap();
    assert!(left.lines().any(|line| line.starts_with("credd_up{") && line.ends_with(" 0")), "{left}");
    assert!(!left.contains("\ncredd_next_deadline"), "{left}");
}

#[test]
fn what_is_in_the_way_is_a_problem_until_it_is_gone() {
    let home = home(3, CONFIG);
    let daemon = Daemon::start(CREDD, &home);
    let told = |status: &serde_json::Value| status["problems"].to_string().contains("metrics-unwritten");
    let status = daemon.until("the problem", SOON, told);
    assert!(status["problems"].to_string().contains("out/credd.prom: No such file"), "{status}");
    daemon.until("more events", SOON, |_| daemon.log().matches("metrics-unwritten").count() >= 1);
    for _ in 0..10 {
        daemon.status();
    }
    fs::create_dir(home.path().join("out")).unwrap();
    daemon.until("the problem to go", SOON, |status| !told(status));
    let text = fs::read_to_string(home.path().join("out/credd.prom")).unwrap();
    assert!(!text.contains("metrics-unwritten"), "{text}");
    let log = daemon.ok(&["history"]);
    assert_eq!(log.matches("can't be written").count(), 1, "told once: {log}");
}

#[test]
fn planted_links_and_other_files_are_left_as_they_are() {
    let home = home(3, CONFIG);
    let dir = home.path().join("out");
    let file = dir.join("credd.prom");
    fs::create_dir(&dir).unwrap();
    let victim = home.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &file).unwrap();
    let mut daemon = Daemon::start(CREDD, &home);
    wait::until_true("the file", SOON, || fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    daemon.stop();

    // A slip of the configuration.
    fs::write(&file, "export PATH=/usr/bin\n").unwrap();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the refusal", SOON, |status| status["problems"].to_string().contains("not one of credd's"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "export PATH=/usr/bin\n");
}

#[test]
fn another_file_takes_its_place_and_none_removes_it() {
    let home = home(3, CONFIG);
    let dir = home.path().join("out");
    fs::create_dir(&dir).unwrap();
    let (first, second) = (dir.join("credd.prom"), dir.join("second.prom"));
    let daemon = Daemon::start(CREDD, &home);
    wait_for(&first, "credd_up{");
    home.write_config(&CONFIG.replace("credd.prom", "second.prom"));
    wait_for(&second, "credd_up{");
    wait::until_true("the first to go", SOON, || !first.exists());
    // Somebody else's by now.
    fs::remove_file(&second).unwrap();
    fs::write(&second, "# HELP credd_other of another user\n").unwrap();
    home.write_config(&CONFIG.replace("~/out/credd.prom", ""));
    daemon.until("the configuration to be read", SOON, |_| daemon.log().matches("was read anew").count() >= 2);
    wait::throughout("it to be left", Duration::from_secs(2), || second.exists());
}
