//! LiteLLM as a unit of the user's systemd, in every form that people write. Needs root (see
//! `tests/rig/guest.sh`).

use std::fs;

use credd::core::{ApplyReport, Outcome, RunBy};

use crate::machine::{FAKE, Machine};
use crate::rig::{NEW, OLD, VARIABLE};

const DROP_IN: &str = ".config/systemd/user/proxy.service.d/50-credd.conf";
const VARIABLES: &str = ".local/share/credd/units/proxy.service.env";

impl Machine {
    /// The env file's line.
    fn write_env(&self, line: &str) {
        self.guest.shell(&format!("printf '%s\\n' \"{line}\" > t/env"));
    }

    /// Starts `proxy.service`; `lines` are of its section, `LITELLM` the stand-in's command line.
    fn start_unit(&self, unit: &str, lines: &[&str]) {
        let litellm = format!("/usr/bin/python3 {FAKE} --config config.yaml --port {}", self.rig.port);
        let head = "[Service]\nWorkingDirectory=%h/t\nEnvironment=LITELLM_MASTER_KEY=sk-master FAKE_BEHAVIOUR=/share/behaviour";
        let mut all = vec![head.to_owned()];
        if !lines.iter().any(|line| line.starts_with("ExecStart=")) {
            all.push(format!("ExecStart={litellm}"));
        }
        all.extend(lines.iter().map(|line| line.replace("LITELLM$", &litellm)));
        let text = all.join("\n") + "\n";
        fs::write(self.guest.share().join("unit"), text).unwrap();
        let file = unit.split_once('@').map_or(unit.to_owned(), |(name, _)| format!("{name}@.service"));
        self.guest.shell(&format!(
            "mkdir -p .config/systemd/user && cp /share/unit .config/systemd/user/{file} && systemctl --user daemon-reload && \
             systemctl --user restart '{unit}'"
        ));
        self.wait_for_service();
        let [process] = &self.inspect()[..] else { panic!() };
        assert_eq!(process.run_by, RunBy::Systemd { unit: unit.to_owned() });
    }

    fn behave(&self, key: &str, word: &str) {
        fs::write(self.guest.share().join("behaviour"), format!("{{\"{key}\": [\"{word}\"]}}")).unwrap();
    }

    /// The key that the running one has.
    fn key(&self) -> String {
        let [process] = &self.inspect()[..] else { panic!() };
        let environ = self.proc_text(process.pid, "environ");
        environ.lines().find_map(|line| line.strip_prefix(&format!("{VARIABLE}="))).unwrap_or_default().to_owned()
    }

    fn is_there(&self, path: &str) -> bool {
        self.guest.user(&["test", "-e", path]).status.success()
    }

    fn applies(&self) -> ApplyReport {
        let report = self.apply();
        assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
        assert!(report.detail.contains("proven by a completion of cheap"), "{}", report.detail);
        assert_eq!(self.key(), NEW);
        report
    }

    /// Applies; it is to serve with the old key in the end. Why, as told.
    fn goes_back(&self) -> String {
        let report = self.apply();
        assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
        self.wait_for_service();
        assert_eq!(self.key(), OLD);
        report.detail
    }
}

#[test]
fn a_unit_that_can_read_the_env_file_is_only_restarted() {
    let machine = Machine::boot();
    // As systemd reads it, and through a shell.
    let shell = "ExecStart=/bin/bash -c '. %h/t/env; exec LITELLM$'";
    let wrapped = "ExecStart=/bin/bash -c '. %h/t/env; LITELLM$; true'";
    for (line, export) in [("EnvironmentFile=%h/t/env", ""), (shell, "export "), (wrapped, "export ")] {
        machine.write_env(&format!("{export}{VARIABLE}={OLD}"));
        machine.start_unit("proxy.service", &[line]);
        assert_eq!(machine.key(), OLD);
        machine.write_env(&format!("{export}{VARIABLE}={NEW}"));
        let report = machine.applies();
        assert!(machine.proc_text(report.pid.unwrap(), "cgroup").contains("proxy.service"));
        assert!(!machine.is_there(DROP_IN) && !machine.is_there(VARIABLES));
    }
    // The shell reads the bad key again, whatever systemd is told.
    machine.write_env(&format!("export {VARIABLE}={OLD}"));
    machine.start_unit("proxy.service", &[shell]);
    machine.write_env(&format!("export {VARIABLE}={NEW}"));
    machine.behave(NEW, "refused");
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::Failed, "{}", report.detail);
    assert!(report.detail.contains("can't be given the old one: put a key that works"), "{}", report.detail);
    // systemd can be told the old one, until a good key comes.
    machine.write_env(&format!("{VARIABLE}={OLD}"));
    machine.start_unit("proxy.service", &["EnvironmentFile=%h/t/env"]);
    machine.write_env(&format!("{VARIABLE}={NEW}"));
    let detail = machine.goes_back();
    assert!(detail.contains("Bedrock refuses the key (HTTP 403)"), "{detail}");
    machine.behave("*", "");
    machine.applies();
    assert!(!machine.is_there(DROP_IN) && !machine.is_there(VARIABLES));
}

#[test]
fn a_rejected_neighbour_does_not_come_along() {
    let machine = Machine::boot();
    let second = |report: &ApplyReport| {
        let environ = machine.proc_text(report.pid.unwrap(), "environ");
        environ.lines().find_map(|line| line.strip_prefix("SECOND=")).unwrap_or_default().to_owned()
    };
    machine.write_env(&format!("{VARIABLE}={OLD}\nSECOND=good-and-secret"));
    machine.start_unit("proxy.service", &["EnvironmentFile=%h/t/env"]);
    machine.write_env(&format!("{VARIABLE}={NEW}\nSECOND=bad-and-secret"));
    let report = machine.apply_without(&["SECOND"]);
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!((machine.key(), second(&report)), (NEW.to_owned(), "good-and-secret".to_owned()));
    // What the unit's own command reads can't be kept from it.
    machine.guest.shell(&format!("systemctl --user stop proxy && rm -r .local/share/credd {DROP_IN}"));
    machine.write_env(&format!("export {VARIABLE}={OLD} SECOND=good-and-secret"));
    machine.start_unit("proxy.service", &["ExecStart=/bin/bash -c '. %h/t/env; exec LITELLM$'"]);
    machine.write_env(&format!("export {VARIABLE}={NEW} SECOND=bad-and-secret"));
    let report = machine.apply_without(&["SECOND"]);
    assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
    assert!(report.detail.contains("not touched") && report.detail.contains("another key is rejected"), "{}", report.detail);
    assert_eq!(machine.key(), OLD);
}

#[test]
fn a_unit_that_cannot_read_it_is_given_the_keys() {
    let machine = Machine::boot();
    fs::write(machine.guest.share().join("env"), format!("export {VARIABLE}={NEW} OTHER='it'\\''s \"a\" 100% $x #e'\n")).unwrap();
    machine.guest.shell("cp /share/env t/env");
    let environment = format!("Environment={VARIABLE}={OLD}");
    // No secret where others can read it.
    machine.start_unit("proxy.service", &[&environment]);
    machine.applies();
    let shown = machine.guest.shell("systemctl --user show proxy; systemctl --user cat proxy; systemctl --user show-environment");
    assert!(shown.contains("EnvironmentFiles=/home/tester/.local/share/credd/units/proxy.service.env") && !shown.contains(NEW), "{shown}");
    // The user's own: this test's command lines are in root's.
    let journal = machine.guest.root(&["journalctl", "--no-pager", "-o", "export", "_UID=1500"]);
    let journal = String::from_utf8_lossy(&journal.stdout);
    assert_eq!(journal.lines().filter(|line| line.contains(NEW)).collect::<Vec<_>>(), [""; 0]);
    let start_over = || machine.guest.shell(&format!("systemctl --user stop proxy && rm -r .local/share/credd {DROP_IN}"));
    start_over();
    for lines in [&["EnvironmentFile=%h/t/env", "PassEnvironment=NOTHING", environment.as_str()][..], &[&environment]] {
        machine.start_unit("proxy.service", lines);
        assert_eq!(machine.key(), OLD);
        let report = machine.applies();
        assert!(report.detail.contains("50-credd.conf gives proxy.service its keys"), "{}", report.detail);
        let environ = machine.proc_text(report.pid.unwrap(), "environ");
        assert!(environ.contains("\nOTHER=it's \"a\" 100% $x #e"), "{environ}");
        let modes = machine.guest.shell(&format!("stat -c %a {VARIABLES} .local/share/credd/units {DROP_IN}"));
        assert_eq!(modes, "600\n700\n644");
        start_over();
    }
    machine.start_unit("proxy.service", &[&environment]);
    machine.applies();
    // It has the key at its next start, of its own.
    machine.guest.shell("systemctl --user restart proxy");
    machine.wait_for_service();
    assert_eq!(machine.key(), NEW);

    // A template's instance, one that systemd waits for, one it always restarts, and one that failed too often.
    machine.guest.shell("systemctl --user stop proxy");
    machine.start_unit("proxy@a\\x2db.service", &[&environment, "Restart=always", "RestartSec=50ms", "Type=exec"]);
    let report = machine.applies();
    assert!(report.detail.contains("proxy@a\\x2db.service.d/50-credd.conf"), "{}", report.detail);
    machine.guest.shell("systemctl --user stop 'proxy@a\\x2db'");
    machine.start_unit("proxy.service", &[&environment, "[Unit]", "StartLimitIntervalSec=1h", "StartLimitBurst=1"]);
    machine.applies();
    machine.guest.shell("systemctl --user stop proxy");
    let notify = "ExecStart=/bin/bash -c 'LITELLM$ & systemd-notify --ready; wait'";
    machine.start_unit("proxy.service", &[&environment, "Type=notify", "NotifyAccess=all", notify]);
    machine.applies();
    let forking = "ExecStart=/bin/bash -c 'LITELLM$ & echo $$! > %t/proxy.pid'";
    machine.guest.shell("systemctl --user stop proxy");
    machine.start_unit("proxy.service", &[&environment, "Type=forking", "PIDFile=%t/proxy.pid", forking]);
    machine.applies();
}

#[test]
fn a_unit_that_is_no_good_with_the_new_key_gets_its_old_one_back() {
    let machine = Machine::boot();
    machine.write_env(&format!("export {VARIABLE}={NEW}"));
    let environment = format!("Environment={VARIABLE}={OLD}");
    machine.start_unit("proxy.service", &[&environment]);
    for (word, why) in [("refused", "Bedrock refuses the key (HTTP 403)"), ("dies", "ended before it was ready")] {
        machine.behave(NEW, word);
        let detail = machine.goes_back();
        assert!(detail.contains(why), "{detail}");
        assert!(detail.contains("see journalctl --user -u proxy.service"), "{detail}");
        assert!(!machine.is_there(DROP_IN) && !machine.is_there(VARIABLES));
    }
    // It isn't the key's fault.
    machine.behave(NEW, "throttled");
    let report = machine.apply();
    assert_eq!((report.outcome, machine.key().as_str()), (Outcome::Applied, NEW), "{}", report.detail);
    assert!(report.detail.contains("couldn't be proven"), "{}", report.detail);

    // What was laid before is put back as it was.
    machine.guest.shell(&format!("sed -i s/{NEW}/{OLD}/ {VARIABLES} && systemctl --user restart proxy"));
    machine.wait_for_service();
    let before = machine.guest.shell(&format!("cat {VARIABLES}"));
    machine.behave(NEW, "refused");
    machine.goes_back();
    assert_eq!(machine.guest.shell(&format!("cat {VARIABLES}")), before);
    machine.behave("*", "dies");
    let report = machine.apply();
    assert_eq!(report.outcome, Outcome::Failed, "{}", report.detail);
    assert!(report.detail.contains("it doesn't serve"), "{}", report.detail);
}

#[test]
fn what_is_in_the_way_is_said_before_anything_is_touched() {
    let machine = Machine::boot();
    machine.write_env(&format!("export {VARIABLE}={NEW}"));
    let environment = format!("Environment={VARIABLE}={OLD}");
    machine.start_unit("proxy.service", &[&environment]);
    let [before] = &machine.inspect()[..] else { panic!() };
    let untouched = |why: &str| {
        let report = machine.apply();
        assert_eq!((report.outcome, report.pid), (Outcome::RolledBack, Some(before.pid)), "{}", report.detail);
        assert!(report.detail.starts_with("it was not touched") && report.detail.contains(why), "{}", report.detail);
    };
    machine.guest.shell(&format!("mkdir -p $(dirname {DROP_IN}) && printf '[Service]\\nNice=1\\n' > {DROP_IN}"));
    untouched("50-credd.conf was not written by credd");
    assert_eq!(machine.guest.shell(&format!("cat {DROP_IN}")), "[Service]\nNice=1");
    machine.guest.shell(&format!(
        "rm {DROP_IN} && echo {VARIABLE}=mine > t/mine && \
         printf '[Service]\\nEnvironmentFile=/home/tester/t/mine\\n' > $(dirname {DROP_IN})/60-mine.conf"
    ));
    untouched("in another file after credd's");
    assert!(!machine.is_there(DROP_IN) && !machine.is_there(VARIABLES));
}

#[test]
fn a_transient_unit_is_given_them_too() {
    let machine = Machine::boot();
    machine.guest.shell(&format!(
        "cd t && systemd-run --user --unit=proxy --quiet --same-dir --setenv={VARIABLE}={OLD} --setenv=LITELLM_MASTER_KEY=sk-master \
         python3 {FAKE} --config config.yaml --port {}",
        machine.rig.port
    ));
    machine.wait_for_service();
    let report = machine.applies();
    assert!(report.detail.contains("50-credd.conf gives proxy.service"), "{}", report.detail);
}
