//! Under a real systemd: a restarted consumer isn't the daemon's to take down. Needs root (see
//! `tests/rig/guest.sh`).

use std::collections::BTreeSet;
use std::time::Duration;

use credd::config::Restart;
use credd::core::{Outcome, RunBy};

use crate::machine::{FAKE, Machine};
use crate::rig::{NEW, VARIABLE};

#[test]
fn a_plain_process_gets_a_unit_of_its_own() {
    let machine = Machine::boot();
    // As in a terminal: below a service that is something else.
    machine.guest.shell(&format!(
        "cd t && systemd-run --user --unit=terminal --quiet --same-dir bash -c 'setsid {} > log 2>&1 & exec sleep 1000'",
        machine.line()
    ));
    machine.wait_for_service();
    let [process] = &machine.inspect()[..] else { panic!() };
    assert!(machine.proc_text(process.pid, "cgroup").contains("terminal.service"));
    assert_eq!(process.run_by, RunBy::Process);
    let names = |environ: &str| -> Vec<String> { environ.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect() };
    let limits = machine.proc_text(process.pid, "limits");
    let before = names(&machine.proc_text(process.pid, "environ"));

    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(report.detail.contains("proven"), "{}", report.detail);
    let pid = report.pid.unwrap();
    // The service that restarted it is over, and it is not.
    assert!(!machine.guest.user(&["systemctl", "--user", "is-active", "credd"]).status.success());
    let cgroup = machine.proc_text(pid, "cgroup");
    assert!(cgroup.trim_end().ends_with("/app.slice/credd-litellm-1.service"), "{cgroup}");
    let environ = machine.proc_text(pid, "environ");
    assert!(environ.contains(&format!("{VARIABLE}={NEW}")), "{environ}");
    // Nothing of the unit's own came along.
    assert_eq!(BTreeSet::from_iter(names(&environ)), BTreeSet::from_iter(before));
    let status = machine.proc_text(pid, "status");
    assert!(["NoNewPrivs:\t0", "Seccomp:\t0", "Umask:\t0022"].iter().all(|line| status.contains(line)), "{status}");
    assert_eq!(machine.proc_text(pid, "limits"), limits);
    let log = machine.guest.shell("cat t/log");
    let said: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(said[..6], ["started", "a", "stopping", "stopped", "started", "a"], "{log}");
    assert!(log.contains(&format!("started {pid}")) && !log.contains('\0'), "{log}");
    // No secret where others can read it, and none left in what systemd keeps open.
    let told = machine
        .guest
        .shell("systemctl --user show credd-litellm-1.service; systemctl --user show-environment; journalctl --user -q || true");
    assert!(!told.contains(NEW), "{told}");
    let sizes = machine.guest.shell(
        "for fd in /proc/$(pgrep -o -u tester -x systemd)/fd/*; do \
         case $(readlink $fd) in *memfd:credd*) stat -L -c %s $fd;; esac; done",
    );
    assert_eq!(sizes, "0");

    // What credd made is a plain process to it, and is restarted like one.
    let [process] = &machine.inspect()[..] else { panic!() };
    assert_eq!((process.pid, &process.run_by), (pid, &RunBy::Process));
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(machine.proc_text(report.pid.unwrap(), "cgroup").contains("/app.slice/credd-litellm-"));
    assert_eq!(machine.guest.shell("systemctl --user list-units --no-legend 'credd-*' | wc -l"), "1");
}

#[test]
fn a_command_runs_outside_of_the_service_and_leaves_its_children_behind() {
    let mut machine = Machine::boot();
    machine.guest.shell(&format!(
        "cd t && systemd-run --user --unit=terminal --quiet --same-dir bash -c 'setsid {} > log 2>&1 & echo $! > pid; exec sleep 1000'",
        machine.line()
    ));
    machine.wait_for_service();
    let env = format!("export {VARIABLE}={NEW} LITELLM_MASTER_KEY=sk-master");
    machine.guest.shell(&format!("echo '{env}' > t/env"));
    machine.rig.config.restart = Restart::Command;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/restart-script/restart");
    let mut command = [script, "good", FAKE, "/home/tester/t", &machine.rig.port.to_string()].map(str::to_owned).to_vec();
    machine.rig.config.command = command.clone();

    // Twice: the second finds what the first left behind in the unit's control group.
    for _ in 0..2 {
        let report = machine.apply();
        assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
        assert!(report.detail.contains("proven"), "{}", report.detail);
        let pid = report.pid.unwrap();
        let cgroup = machine.proc_text(pid, "cgroup");
        assert!(cgroup.contains("/app.slice/credd-litellm-command-"), "{cgroup}");
        let status = machine.proc_text(pid, "status");
        assert!(["NoNewPrivs:\t0", "Seccomp:\t0", "Umask:\t0022"].iter().all(|line| status.contains(line)), "{status}");
        let units = machine.guest.shell("systemctl --user list-units --all --no-legend 'credd-*'");
        assert!(units.lines().count() == 1 && units.contains("-command-") && units.contains("inactive"), "{units}");
        let [process] = &machine.inspect()[..] else { panic!() };
        assert_eq!((process.pid, &process.run_by), (pid, &RunBy::Process));
    }

    // One that hangs is killed with all it started, and what the one before left behind is not.
    command[1] = "hangs".to_owned();
    machine.rig.config.command = command.clone();
    machine.rig.config.stop_timeout = Duration::from_secs(1);
    machine.rig.config.ready_timeout = Duration::from_secs(2);
    let serving = machine.inspect()[0].pid;
    let report = machine.apply();
    assert_eq!((report.outcome, report.pid), (Outcome::RolledBack, Some(serving)), "{}", report.detail);
    assert!(report.detail.contains("had not ended after 3 s and said: waiting for ever"), "{}", report.detail);
    machine.guest.shell("! kill -0 $(cat t/child)");

    // One that aborts: what it stopped is started again.
    command[1] = "aborts".to_owned();
    machine.rig.config.command = command;
    machine.rig.config.stop_timeout = Duration::from_secs(5);
    machine.rig.config.ready_timeout = Duration::from_secs(20);
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("restart ended with status 1 and said: Waiting"), "{}", report.detail);
    assert!(machine.proc_text(report.pid.unwrap(), "cgroup").contains("/app.slice/credd-litellm-1.service"));
    let journal = machine.guest.root(&["journalctl", "--no-pager", "-o", "export", "_UID=1500"]);
    let journal = String::from_utf8_lossy(&journal.stdout);
    assert_eq!(journal.lines().filter(|line| line.contains(NEW)).collect::<Vec<_>>(), [""; 0]);
}
