//! Files that have a copy of a key.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rig::Rig;
use crate::support::run;

#[test]
fn the_old_key_is_found_where_people_put_keys() {
    let rig = Rig::new("old");
    let _daemon = rig.replaced();
    assert_eq!(rig.findings().codes(), ["old-key-not-revoked"], "nothing else yet");
    rig.write(".bashrc", &format!("# mine\nexport AWS_BEARER_TOKEN_BEDROCK={} # until May\n", rig.old));
    rig.write(".config/fish/conf.d/keys.fish", &format!("set -gx AWS_BEARER_TOKEN_BEDROCK {}\n", rig.old));
    rig.write("src/project/.env", &format!("\n\nKEY=\"{}\"\n", rig.old));
    rig.write(".config/environment.d/keys.conf", &format!("AWS_BEARER_TOKEN_BEDROCK={}\n", rig.old));
    rig.write("project/.envrc", &format!("export KEY='{}'\n", rig.old));
    rig.write(".backlog-toolkit-env.bak", &format!("export KEY={}\n", rig.old));
    // Too far away, and where nobody keeps one.
    rig.write("src/project/deep/.env", &format!("KEY={}\n", rig.old));
    rig.write("project/node_modules/.env", &format!("KEY={}\n", rig.old));
    let findings = rig.findings();
    let mut places: Vec<_> = findings
        .all_of("old-key-in-file")
        .into_iter()
        .map(|(severity, message, _)| (severity, message.split(' ').next().unwrap()))
        .collect();
    places.sort_unstable();
    let expected = [
        "~/.backlog-toolkit-env.bak:1",
        "~/.bashrc:2",
        "~/.config/environment.d/keys.conf:1",
        "~/.config/fish/conf.d/keys.fish:1",
        "~/project/.envrc:1",
        "~/src/project/.env:3",
    ];
    assert_eq!(places, expected.map(|place| ("warning", place)));
    let (severity, message, fix) = findings.one("old-key-not-revoked");
    assert_eq!(severity, "warning");
    assert!(message.contains("IAM user planted-001"), "{message}");
    let page = "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/api-keys";
    assert!(fix.contains(page) && fix.contains("6 files"), "{fix}");
}

#[test]
fn a_key_that_has_ended_is_old_as_well() {
    let rig = Rig::new("ended");
    let _daemon = rig.ended();
    rig.write(".zshrc", &format!("export KEY={}\n", rig.old));
    let findings = rig.findings();
    assert_eq!(findings.codes(), ["old-key-in-file"], "nobody needs to revoke it");
    assert!(findings.one("old-key-in-file").2.contains("source ~/.backlog-toolkit-env"));
}

#[test]
fn an_old_key_in_a_comment_of_the_env_file_itself_counts() {
    let rig = Rig::new("comment");
    let daemon = rig.replaced();
    rig.home.write_env(&format!("# was {}\nexport AWS_BEARER_TOKEN_BEDROCK='{}'\n", rig.old, rig.new));
    let findings = rig.findings();
    let (_, message, fix) = findings.one("old-key-in-file");
    assert!(message.starts_with("~/.backlog-toolkit-env:1 still has the old key"), "{message}");
    assert_eq!(fix, "remove line 1 of ~/.backlog-toolkit-env");
    assert_eq!(findings.all_of("key-copied"), []);
    drop(daemon);
}

#[test]
fn a_copy_of_the_current_key_is_a_note() {
    let rig = Rig::new("copied");
    let _daemon = rig.daemon();
    assert!(rig.findings().all.is_empty());
    rig.write("project/prod.env", &format!("KEY={}\n", rig.new));
    // One file with two names, and a link to the env file, are no copies.
    symlink(rig.home.env_file(), rig.path("project/.env")).unwrap();
    symlink(rig.path("project/prod.env"), rig.path("other.env")).unwrap();
    let findings = rig.findings();
    let (severity, message, fix) = findings.one("key-copied");
    assert_eq!((severity, findings.code), ("info", 0));
    assert!(message.contains("prod.env:1") || message.contains("other.env:1"), "{message}");
    assert!(fix.contains("have ~/.backlog-toolkit-env sourced instead"), "{fix}");
}

#[test]
fn whatever_lies_about_holds_nobody_up() {
    let rig = Rig::new("about");
    let _daemon = rig.replaced();
    let fifo = rig.path(".env");
    run(Command::new("mkfifo").arg(&fifo));
    symlink("circle.env", rig.path("circle.env")).unwrap();
    symlink(".", rig.path("here")).unwrap();
    fs::create_dir_all(rig.path("project/dir.env")).unwrap();
    let hidden = rig.write("project/hidden.env", "K=1\n");
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o000)).unwrap();
    let large = rig.write("project/large.env", "");
    fs::File::options().write(true).open(large).unwrap().set_len(1 << 40).unwrap();
    rig.write("project/bytes.env", "\0\u{1}=\n\n==");
    rig.write("project/strange\u{1b}[2J\n.env", &format!("K={}\n", rig.old));

    // Whoever opens the pipe to write gets on once somebody opens it to read.
    let opened = Arc::new(AtomicBool::new(false));
    let writer = {
        let (fifo, opened) = (fifo.clone(), Arc::clone(&opened));
        std::thread::spawn(move || {
            let _file = fs::File::options().write(true).open(fifo);
            opened.store(true, Ordering::SeqCst);
        })
    };
    let before = Instant::now();
    let findings = rig.findings();
    assert!(before.elapsed() < Duration::from_secs(10));
    assert!(!opened.load(Ordering::SeqCst), "the pipe was opened");
    let (_, message, _) = findings.one("old-key-in-file");
    assert!(message.starts_with("~/project/strange\u{fffd}[2J\u{fffd}.env:1 still has"), "{message}");
    assert_eq!(findings.all_of("search-incomplete"), []);
    drop(fs::File::open(&fifo).unwrap());
    writer.join().unwrap();
}

#[test]
fn thousands_of_files_are_no_reason_to_wait() {
    let rig = Rig::new("many");
    let _daemon = rig.replaced();
    for number in 0..10_000 {
        fs::write(rig.path(&format!("file-{number}.txt")), "").unwrap();
    }
    rig.write("project/.env", &format!("KEY={}\n", rig.old));
    let before = Instant::now();
    let findings = rig.findings();
    let took = before.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(findings.one("old-key-in-file").1.starts_with("~/project/.env:1 "));
    // There is an end to it, which is told.
    fs::create_dir(rig.path("heap")).unwrap();
    for number in 0..11_000 {
        fs::write(rig.path(&format!("heap/{number}.env")), "KEY=1\n").unwrap();
    }
    let before = Instant::now();
    let findings = rig.findings();
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(findings.one("search-incomplete").0, "info");
}
