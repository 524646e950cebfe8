//! The line at a prompt that a key is due.

use jiff::Zoned;

use crate::client::check::verdict;
use crate::client::status;
use crate::client::terminal::clean;
use crate::paths::Paths;
use crate::protocol::{KeyStanding, KeyStatus};

/// What to say of the worst key that is due, unless that was done today. Whatever is in the way of knowing, a prompt isn't the
/// place to tell it.
pub fn due(paths: &Paths, now: &Zoned, told: &str) -> Option<String> {
    if told == now.date().to_string() {
        return None;
    }
    let status = status::current(paths).ok()?.status;
    let is_due = |key: &&KeyStatus| {
        matches!(key.state, KeyStanding::Due | KeyStanding::Expired | KeyStanding::Rejected)
            && key.snoozed_until.is_none_or(|until| until <= now.timestamp())
    };
    let due: Vec<&KeyStatus> = status.keys.iter().filter(is_due).collect();
    let is_alive = |key: &KeyStatus| key.state == KeyStanding::Due;
    let left = |key: &KeyStatus| key.days_left.unwrap_or(f64::MIN);
    let worst = due.iter().copied().min_by(|a, b| is_alive(a).cmp(&is_alive(b)).then(left(a).total_cmp(&left(b))))?;
    let name = clean(&worst.name);
    let more = if due.len() > 1 { format!(" ({} more: credd check)", due.len() - 1) } else { String::new() };
    Some(format!("{name}: {}; renew it with: credd renew {name}{more}", verdict(worst, None).1))
}
