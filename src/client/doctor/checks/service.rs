//! Whether the daemon is there at the next login as well: as a service that is enabled, runs, and is this credd's.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::service::{Managed, ServiceFile, Standing};

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let Some(service) = &situation.service else { return Vec::new() };
    let path = situation.tilde(&service.path);
    let mut findings = Vec::new();
    match (service.file, service.manager) {
        (ServiceFile::Foreign, _) => {
            let fix = "nothing, if you made it so; else: credd install --force";
            findings.push(Finding::info("service-foreign", &format!("{path} was not written by credd"), fix));
        }
        (ServiceFile::Outdated, _) => {
            let message = format!("{path} isn't what this credd would write: another version did, or it was edited");
            findings.push(Finding::warning(
                "service-outdated",
                &message,
                "credd install; changes of your own: systemctl --user edit credd",
            ));
        }
        (ServiceFile::Absent, Some(Managed { known: false, .. })) => {
            let message = "no service starts credd at login";
            findings.push(Finding::info("service-not-installed", message, "credd install"));
        }
        _ => {}
    }
    findings.extend(program_of(situation, service));
    findings.extend(state_of(situation, service));
    findings
}

fn program_of(situation: &Situation, service: &Standing) -> Option<Finding> {
    let program = service.program.as_ref().filter(|program| !program.is_file())?;
    let message = format!("the service is to run {}, which isn't there", situation.tilde(program));
    Some(Finding::error("service-program-missing", &message, "credd install, from where credd is now"))
}

fn state_of(situation: &Situation, service: &Standing) -> Option<Finding> {
    let is_there = service.file != ServiceFile::Absent;
    let managed = match service.manager {
        Some(managed) if is_there || managed.known => managed,
        None if is_there => {
            let message = "whether the service runs can't be told: your service manager can't be reached from here";
            return Some(Finding::info("service-unknown", message, "run this in a login of your own, not by su or sudo"));
        }
        _ => return None,
    };
    if !managed.enabled {
        let message = "the service isn't enabled: nothing starts credd at the next login";
        let fix = if is_there { "credd install" } else { "systemctl --user enable --now credd" };
        return Some(Finding::warning("service-not-enabled", message, fix));
    }
    if !managed.active && situation.status.live {
        let message = "the daemon that answers isn't the service's, which doesn't run";
        return Some(Finding::info("service-not-running", message, "end the other one, then: credd install"));
    }
    let running = situation.status.daemon.as_ref().filter(|daemon| daemon.version != env!("CARGO_PKG_VERSION"))?;
    let message = format!("the daemon is credd {}, and this is credd {}", running.version, env!("CARGO_PKG_VERSION"));
    Some(Finding::warning("daemon-outdated", &message, "credd install"))
}
