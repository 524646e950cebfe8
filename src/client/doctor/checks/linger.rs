//! Whether credd outlives the user's last session, as a proxy does that was started with nohup.

use crate::ask;
use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(situation: &Situation) -> Vec<Finding> {
    let is_service = situation.service.as_ref().and_then(|service| service.manager).is_some_and(|managed| managed.active);
    let status = &situation.status;
    let running = status.consumers.iter().find(|consumer| status.live && consumer.pid.is_some());
    let (true, true, Some(consumer)) = (cfg!(target_os = "linux"), is_service, running) else { return Vec::new() };
    let user = rustix::process::getuid().as_raw().to_string();
    if ask::text(&["loginctl", "show-user", &user, "--property=Linger", "--value"]).as_deref() != Some("no") {
        return Vec::new();
    }
    let message = format!("credd ends with your last session, and {} may run on", consumer.name);
    vec![Finding::info("no-linger", &message, "loginctl enable-linger, if it is to have new keys while you are logged out")]
}
