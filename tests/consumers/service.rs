//! Under a real systemd: a restarted consumer isn't the daemon's to take down. Needs root (see
//! `tests/rig/guest.sh`).

use std::collections::BTreeSet;

use credd::core::{Outcome, RunBy};

use crate::machine::Machine;
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
