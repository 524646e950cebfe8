//! Whether somebody sets the clock.

use crate::ask;
use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;

pub(super) fn check(_: &Situation) -> Vec<Finding> {
    // The kernel knows, and is asked without a network; where timedatectl can't be, nothing is known.
    let said = if cfg!(target_os = "linux") { ask::text(&["timedatectl", "show", "--property=NTPSynchronized", "--value"]) } else { None };
    if said.as_deref() != Some("no") {
        return Vec::new();
    }
    let fix = "timedatectl set-ntp true; nothing, if something else sets it (a virtual machine's host)";
    vec![Finding::info("clock-unsynchronised", "the clock isn't synchronised with any other", fix)]
}
