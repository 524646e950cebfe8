//! A guest with a consumer's surroundings, and workers in the sandbox of credd's own unit.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use credd::core::{ApplyReport, ProcessReport};
use credd::worker::job::{Answer, ApplyOrder, Job};

use crate::rig::{NEW, OLD, Rig, VARIABLE, until};
use crate::support::guest::Guest;

pub const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake-litellm/litellm");
const CREDD: &str = env!("CARGO_BIN_EXE_credd");

/// What credd's own unit has. It keeps `pidfd_getfd` from a worker, and none of it may reach the consumer.
const SANDBOX: &str = "-p KillMode=process -p NoNewPrivileges=yes -p MemoryDenyWriteExecute=yes -p SystemCallFilter=@system-service \
                       -p SystemCallErrorNumber=EPERM -p RestrictNamespaces=yes -p LimitCORE=0 -p LimitNOFILE=256 -p UMask=0077 \
                       -p 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6'";

/// A guest whose `tester` has an env file, a configuration and the salt in `~/t`.
pub struct Machine {
    pub guest: Guest,
    pub rig: Rig,
}

impl Machine {
    pub fn boot() -> Self {
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
    pub fn line(&self) -> String {
        let port = self.rig.port;
        format!("env {VARIABLE}={OLD} LITELLM_MASTER_KEY=sk-master python3 {FAKE} --config config.yaml --port {port}")
    }

    /// Has a worker below a `credd.service`, with a sandbox, do a job.
    pub fn work(&self, job: &Job) -> Vec<Answer> {
        fs::write(self.guest.share().join("job"), serde_json::to_vec(job).unwrap()).unwrap();
        let text = self
            .guest
            .shell(&format!("systemd-run --user --unit=credd --quiet --collect --pipe --wait {SANDBOX} {CREDD} worker < /share/job"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn inspect(&self) -> Vec<ProcessReport> {
        let job = self.rig.look("/home/tester/t/state".into());
        match self.work(&job).pop() {
            Some(Answer::Consumer { report, .. }) => report.processes,
            other => panic!("{other:?}"),
        }
    }

    pub fn apply(&self) -> ApplyReport {
        self.apply_without(&[])
    }

    /// The same with variables that are to stay as they are.
    pub fn apply_without(&self, withheld: &[&str]) -> ApplyReport {
        let withheld = withheld.iter().map(|name| (*name).to_owned()).collect();
        let mut order = ApplyOrder { state_dir: "/home/tester/t/state".into(), from_service: true, withheld, ..self.rig.order() };
        order.keys[0].env_file = "/home/tester/t/env".into();
        match self.work(&Job::Apply(Box::new(order))).pop() {
            Some(Answer::Applied(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    pub fn wait_for_service(&self) {
        let port = self.rig.port;
        until("the stand-in serves", || self.guest.user(&["bash", "-c", &format!("< /dev/tcp/127.0.0.1/{port}")]).status.success());
    }

    /// A file of a process in `/proc`.
    pub fn proc_text(&self, pid: i32, name: &str) -> String {
        self.guest.shell(&format!("tr '\\0' '\\n' < /proc/{pid}/{name}"))
    }
}
