//! The way it should go, and what is kept.

use std::fs;
use std::os::unix::process::CommandExt;

use credd::core::Outcome;

use crate::rig::{NEW, OLD, Rig, proc_text, until, written};

/// One line of `/proc/PID/status` or `limits`.
fn line(pid: i32, file: &str, start: &str) -> String {
    let text = proc_text(pid, file);
    text.lines().find(|line| line.starts_with(start)).unwrap().to_owned()
}

#[test]
fn takes_up_the_key_and_keeps_the_rest() {
    let rig = Rig::new();
    fs::write(rig.path("log"), "").unwrap();
    let mut command = rig.command("umask 027; ulimit -n 512; renice -n 5 -p $$ > renice; ", "> log 2>&1");
    let child = rig.start_by(&mut command);
    let old = i32::try_from(child.id()).unwrap();
    fs::write(rig.path("pid"), format!("{old}\n")).unwrap();
    let kept = |pid| {
        (
            proc_text(pid, "cmdline"),
            fs::read_link(format!("/proc/{pid}/cwd")).unwrap(),
            fs::read_link(format!("/proc/{pid}/exe")).unwrap(),
            line(pid, "status", "Umask:"),
            line(pid, "limits", "Max open files"),
            line(pid, "limits", "Max core file size"),
            line(pid, "limits", "Max stack size"),
            stat_field(pid, 19),
        )
    };
    let before = kept(old);
    assert!(before.3.contains("0027") && before.7 == 5, "{before:?}");
    let (phases, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(report.detail.contains("proven by a completion of cheap"), "{}", report.detail);
    assert_eq!(phases, ["stopping", "starting", "waiting until it is ready", "proving it by a completion"]);
    let new = report.pid.unwrap();
    assert_ne!(new, old);
    assert_eq!(kept(new), before);
    let environ = proc_text(new, "environ");
    let mut entries: Vec<&str> = environ.split('\0').filter(|entry| !entry.is_empty()).collect();
    entries.retain(|entry| ["AWS_", "GONE", "KEPT", "LITELLM"].iter().any(|start| entry.starts_with(start)));
    entries.sort_unstable();
    assert_eq!(
        entries,
        [&format!("AWS_BEARER_TOKEN_BEDROCK={NEW}"), "AWS_REGION=eu-west-1", "KEPT=a b\nc", "LITELLM_MASTER_KEY=sk-master"]
    );
    assert_eq!(fs::read_to_string(rig.path("pid")).unwrap(), format!("{new}\n"));
    // A session of its own, without a terminal: neither a hang-up nor the worker's end is its affair.
    assert_eq!(stat_field(new, 6), new);
    let fds: Vec<_> = fs::read_dir(format!("/proc/{new}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().contains("credd") || target.starts_with(rig.path("state")))
        .collect();
    assert!(fds.is_empty(), "{fds:?}");
    assert_eq!(fs::read_link(format!("/proc/{new}/fd/0")).unwrap().to_str(), Some("/dev/null"));
}

/// A number in `/proc/PID/stat`, counted as in proc(5).
fn stat_field(pid: i32, number: usize) -> i32 {
    let stat = proc_text(pid, "stat");
    stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(number - 3).unwrap().parse().unwrap()
}

#[test]
fn the_log_goes_on_where_it_was() {
    let rig = Rig::new();
    // Neither at its end nor for appending, and moved away by a log rotation.
    let file = written(&rig.path("log"), "before\n");
    let mut command = rig.command("", "");
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let _child = rig.start_by(&mut command);
    fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    fs::write(rig.path("log"), "rotated\n").unwrap();
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!(rig.log(), "rotated\n");
    let log = fs::read_to_string(rig.path("log.1")).unwrap();
    let said: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(said[..7], ["before", "started", "a", "stopping", "stopped", "started", "a"], "{log}");
    assert!(!log.contains('\0'));
}

#[test]
fn output_into_a_pipe_goes_on() {
    let rig = Rig::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut cat = std::process::Command::new("cat");
    let log = written(&rig.path("log"), "");
    let mut cat = cat.stdin(reader).stdout(log).spawn().unwrap();
    let mut command = rig.command("", "");
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = rig.start_by(&mut command);
    drop(command);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    until("the new one's words come through", || rig.log().contains(&format!("started {}", report.pid.unwrap())));
    child.wait().unwrap();
    drop(rig);
    // It ends once nobody holds the other end: the worker left none behind.
    cat.wait().unwrap();
}

#[test]
fn every_process_is_restarted() {
    let rig = Rig::new();
    let other = Rig::new();
    let _first = rig.start();
    // The same configuration on another port.
    let fake = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fake-litellm/litellm");
    let mut second = std::process::Command::new("python3");
    second
        .arg(fake)
        .arg(format!("--config={}", rig.path("config.yaml").display()))
        .args(["--config", rig.path("config.yaml").to_str().unwrap(), "--port", &other.port.to_string()])
        .env(crate::rig::VARIABLE, OLD)
        .env("LITELLM_MASTER_KEY", "sk-master")
        .process_group(0)
        .stdout(std::process::Stdio::null());
    let _second = other.start_by(&mut second);
    assert_eq!(rig.keys(), [OLD, OLD]);
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!(rig.keys(), [NEW, NEW]);
    assert!(rig.serves() && other.serves());
}

#[test]
fn another_value_in_the_file_supersedes_the_order() {
    let rig = Rig::new();
    let child = rig.start();
    rig.write_key("ABSK-newer-and-secret");
    let (phases, report) = rig.apply();
    assert_eq!((report.outcome, phases.len()), (Outcome::Superseded, 0));
    assert!(!crate::rig::held(&child).is_gone());
    fs::remove_file(rig.path("env")).unwrap();
    assert_eq!(rig.apply().1.outcome, Outcome::Superseded);
    assert_eq!(rig.keys(), [OLD]);
}

#[test]
fn two_workers_never_share_a_consumer() {
    let rig = Rig::new();
    let _child = rig.start();
    let path = credd::consumers::lock_path(&rig.path("state"), &rig.config.name);
    let lock = fs::File::create(path).unwrap();
    lock.lock().unwrap();
    assert!(credd::consumers::is_at_work(&rig.path("state"), &rig.config.name).unwrap());
    let before = rig.inspect();
    // It waits for its turn, and touches nothing until then.
    let (phases, report) = std::thread::scope(|scope| {
        let second = scope.spawn(|| rig.apply());
        until("the second worker to wait", || waits_for_a_lock(std::process::id()));
        assert!(!second.is_finished());
        assert_eq!(rig.inspect(), before);
        drop(lock);
        second.join().unwrap()
    });
    assert_eq!(report.outcome, Outcome::Applied);
    assert_eq!(phases.first().map(String::as_str), Some("waiting for another worker"));
    // The consumer doesn't hold it.
    assert!(!credd::consumers::is_at_work(&rig.path("state"), &rig.config.name).unwrap());
}

/// Whether some child of the process waits for a `flock` that another has.
fn waits_for_a_lock(parent: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().filter(|line| line.contains("-> FLOCK")).any(|line| {
        let pid = line.split_whitespace().nth(5).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent.to_string().as_str())
    })
}

#[test]
fn without_a_process_it_fails() {
    let rig = Rig::new();
    let (_, report) = rig.apply();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.detail.starts_with("no process matches"), "{}", report.detail);
}
