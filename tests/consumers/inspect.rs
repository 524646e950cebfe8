//! Finding the right processes and nothing else.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use credd::config::ConsumerConfig;
use credd::core::{ConsumerName, KeyName, Outcome, RunBy};
use credd::worker::job::{Answer, Job, KeyVariable};

use crate::rig::{OLD, Rig, held};

#[test]
fn tells_keys_ages_and_who_runs_it() {
    let rig = Rig::new();
    assert!(rig.inspect().processes.is_empty());
    let before = credd::clock::now();
    let child = rig.start();
    let report = rig.inspect();
    let [process] = &report.processes[..] else { panic!("{report:?}") };
    assert_eq!(process.pid, i32::try_from(child.id()).unwrap());
    assert_eq!(process.start_ticks, held(&child).start_ticks());
    // Ticks are hundredths of a second.
    let age = process.started_at.duration_since(before).as_millis();
    assert!((-20..5000).contains(&age), "{age} ms");
    let expected = Some(rig.salt.fingerprint(OLD.as_bytes()));
    assert_eq!(process.keys[&KeyName::from("bedrock")], expected);
    assert_eq!(process.run_by, RunBy::Process);
}

#[test]
fn a_process_without_the_variable_has_no_key() {
    let rig = Rig::new();
    let mut command = rig.command("", "> log 2>&1");
    command.env_remove(crate::rig::VARIABLE);
    let _child = rig.start_by(&mut command);
    assert_eq!(rig.inspect().processes[0].keys[&KeyName::from("bedrock")], None);
}

#[test]
fn each_consumer_is_told_of_for_the_keys_that_it_uses() {
    let rig = Rig::new();
    let _child = rig.start();
    let Job::Inspect { state_dir, mut keys, consumers } = rig.look(rig.path("state")) else { panic!("another job") };
    keys.push(KeyVariable { name: KeyName::from("master"), variable: "LITELLM_MASTER_KEY".to_owned(), env_file: rig.path("env") });
    let of = |name: &str, keys: &[&str]| {
        let keys = keys.iter().map(|name| KeyName::from(*name)).collect();
        ConsumerConfig { name: ConsumerName::from(name), keys, ..consumers[0].clone() }
    };
    let consumers = vec![of("all", &[]), of("one", &["master"]), of("none", &["gone"])];
    let answers = rig.work(&Job::Inspect { state_dir, keys, consumers });
    let told: Vec<(String, Vec<String>)> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Consumer { name, report } => {
                let [process] = &report.processes[..] else { panic!("{report:?}") };
                assert!(process.keys.values().all(Option::is_some), "{process:?}");
                (name.to_string(), process.keys.keys().map(ToString::to_string).collect())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(
        told,
        [("all".to_owned(), words(&["bedrock", "master"])), ("one".to_owned(), words(&["master"])), ("none".to_owned(), vec![])]
    );
}

#[test]
fn decoys_are_never_touched() {
    let rig = Rig::new();
    let words = &rig.config.matches;
    let spawn = |program: &str, before: &[&str]| {
        Command::new(program)
            .args(before)
            .args(words)
            .current_dir(rig.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    std::fs::write(rig.path("litellm"), "").unwrap();
    let line = words.join(" ");
    let mut decoys = vec![
        spawn("tail", &["-f", "--"]),
        spawn("grep", &["-r", "x", "-", "--"]),
        spawn("bash", &["-c", "read -r _; true"]),
        spawn("python3", &["-c", "input()"]),
        spawn("sh", &["-c", &format!("read -r _; {line}")]),
    ];
    if Command::new("vim").arg("--version").stdout(Stdio::null()).status().is_ok() {
        decoys.push(spawn("vim", &["--"]));
    }
    if rustix::process::getuid().is_root() {
        // Its very arguments, but another user's.
        let mut other = Command::new("/usr/bin/python3");
        other.arg0("litellm").args(["-c", "input()"]).args(&words[1..]).uid(65534).stdin(Stdio::piped());
        decoys.push(other.spawn().unwrap());
    }
    let child = rig.start();
    let found: Vec<i32> = rig.inspect().processes.iter().map(|process| process.pid).collect();
    assert_eq!(found, [i32::try_from(child.id()).unwrap()]);
    let held: Vec<_> = decoys.iter().map(held).collect();
    assert_eq!(rig.apply().1.outcome, Outcome::Applied);
    for (decoy, child) in held.iter().zip(&mut decoys) {
        assert!(!decoy.is_gone(), "{:?}", decoy.argv());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_zombie_is_nobodys_consumer() {
    let rig = Rig::new();
    let mut child = rig.start();
    let process = held(&child);
    process.signal(rustix::process::Signal::KILL).unwrap();
    assert!(process.gone_within(std::time::Duration::from_secs(5)));
    // Not waited for yet: it is a zombie.
    assert!(rig.inspect().processes.is_empty());
    child.wait().unwrap();
}

#[test]
fn workers_with_their_parents_arguments_belong_to_it() {
    let rig = Rig::new();
    // As gunicorn does: a fork without an exec has the same arguments.
    let code = "import os, sys, time; os.fork(); time.sleep(1000)";
    std::fs::write(rig.path("litellm"), code).unwrap();
    let mut parent = Command::new("python3").arg(rig.path("litellm")).args(&rig.config.matches[1..]).spawn().unwrap();
    let process = held(&parent);
    // `python3` may be a script that leads to Python: only what it becomes counts.
    let is_python = |process: &credd::consumers::sys::Held| {
        process.argv().is_ok_and(|argv| credd::consumers::find::matches(&rig.config.matches, &argv))
    };
    crate::rig::until("it has forked", || {
        let children = credd::consumers::sys::descendants(&process);
        is_python(&process) && children.len() == 1 && is_python(&children[0])
    });
    let found: Vec<i32> = rig.inspect().processes.iter().map(|process| process.pid).collect();
    assert_eq!(found, [process.pid()]);
    drop(rig);
    parent.wait().unwrap();
}
