//! Under a real systemd: a restarted consumer isn't the daemon's to take down, and units are restarted by
//! systemd. Needs root (see `tests/rig/guest.sh`).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use credd::core::{ApplyReport, Outcome, ProcessReport, RunBy};
use credd::worker::job::{Answer, ApplyOrder, Job};

use crate::rig::{NEW, OLD, Rig, VARIABLE, until};
use crate::support::guest::Guest;

const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake-litellm/litellm");
const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// What credd's own unit has. It keeps `pidfd_getfd` from a worker, and none of it may reach the consumer.
const SANDBOX: &str = "-p KillMode=process -p NoNewPrivileges=yes -p MemoryDenyWriteExecute=yes -p SystemCallFilter=@system-service \
                       -p SystemCallErrorNumber=EPERM -p RestrictNamespaces=yes -p LimitCORE=0 -p LimitNOFILE=256 -p UMask=0077 \
                       -p 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6'";

/// A guest whose `tester` has an env file, a configuration and the salt in `~/t`.
struct Machine {
    guest: Guest,
    rig: Rig,
}

impl Machine {
    fn boot() -> Self {
        let guest = Guest::boot();
        let mut rig = Rig::new();
        let salt = guest.share().join("salt");
        fs::copy(rig.path("state/salt"), &salt).unwrap();
        fs::set_permissions(salt, fs::Permissions::from_mode(0o644)).unwrap();
        guest.shell(&format!(
            "mkdir -p t/state && cp /share/salt t/state && chmod 600 t/state/salt && echo {VARIABLE}={NEW} > t/env && \
             printf 'model_list:\\n- model_name: cheap\\n  litellm_params: {{model: bedrock/x}}\\n' > t/config.yaml"
        ));
        rig.config.matches = ["litellm", "--config"].map(str::to_owned).to_vec();
        rig.config.pid_file = None;
        Self { guest, rig }
    }

    /// The stand-in's command line; with the old key in its environment.
    fn line(&self) -> String {
        let port = self.rig.port;
        format!("env {VARIABLE}={OLD} LITELLM_MASTER_KEY=sk-master python3 {FAKE} --config config.yaml --port {port}")
    }

    /// Has a worker below a `credd.service`, with a sandbox, do a job.
    fn work(&self, job: &Job) -> Vec<Answer> {
        fs::write(self.guest.share().join("job"), serde_json::to_vec(job).unwrap()).unwrap();
        let text = self
            .guest
            .shell(&format!("systemd-run --user --unit=credd --quiet --collect --pipe --wait {SANDBOX} {CREDD} worker < /share/job"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn inspect(&self) -> Vec<ProcessReport> {
        let query = self.rig.query();
        let job = Job::Inspect { state_dir: "/home/tester/t/state".into(), consumers: vec![query] };
        match self.work(&job).pop() {
            Some(Answer::Consumer { report, .. }) => report.processes,
            other => panic!("{other:?}"),
        }
    }

    fn apply(&self) -> ApplyReport {
        let mut order = ApplyOrder { state_dir: "/home/tester/t/state".into(), from_service: true, ..self.rig.order() };
        order.keys[0].env_file = "/home/tester/t/env".into();
        match self.work(&Job::Apply(Box::new(order))).pop() {
            Some(Answer::Applied(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    fn wait_for_service(&self) {
        let port = self.rig.port;
        until("the stand-in serves", || self.guest.user(&["bash", "-c", &format!("< /dev/tcp/127.0.0.1/{port}")]).status.success());
    }

    /// A file of a process in `/proc`.
    fn proc_text(&self, pid: i32, name: &str) -> String {
        self.guest.shell(&format!("tr '\\0' '\\n' < /proc/{pid}/{name}"))
    }
}

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
fn a_unit_is_restarted_by_systemd() {
    let machine = Machine::boot();
    let run = |unit: &str, how: &str| {
        machine.guest.shell(&format!(
            "cd t && systemd-run --user --unit={unit} --quiet --same-dir {how} --setenv=LITELLM_MASTER_KEY=sk-master \
             python3 {FAKE} --config config.yaml --port {}",
            machine.rig.port
        ));
        machine.wait_for_service();
    };
    // One that reads the env file itself, written before the key changed.
    machine.guest.shell(&format!("echo {VARIABLE}={OLD} > t/env"));
    run("proxy", "-p EnvironmentFile=/home/tester/t/env");
    let [process] = &machine.inspect()[..] else { panic!() };
    assert_eq!(process.run_by, RunBy::Systemd { unit: "proxy.service".to_owned() });
    machine.guest.shell(&format!("echo {VARIABLE}={NEW} > t/env"));
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(machine.proc_text(report.pid.unwrap(), "cgroup").contains("proxy.service"));

    // One that doesn't: it is told what to do.
    machine.guest.shell("systemctl --user stop proxy");
    run("deaf", &format!("--setenv={VARIABLE}={OLD}"));
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("deaf.service was restarted, but doesn't take its key"), "{}", report.detail);
}
