//! `credd check`: the exit code tells.

use std::fmt::Write as _;

use super::terminal::clean;
use super::{Failure, status, words};
use crate::paths::Paths;
use crate::protocol::{KeyStanding, KeyStatus, NEVER_SEEN};

/// Arguments of `credd check`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckArgs {
    /// Check this key alone
    name: Option<String>,
    /// Count a key as due that ends within this time [default: from its first alert on]
    #[arg(long, value_name = "DUR", allow_hyphen_values = true)]
    within: Option<String>,
}

/// Silent when nothing is due (0); else a line for each key that is due (1), dead (2) or unknown (3).
pub fn run(paths: &Paths, args: &CheckArgs) -> Result<u8, Failure> {
    let within = args.within.as_deref().map(words::parse_length).transpose()?;
    let current = status::current(paths)?.in_words(&paths.home);
    if let Some(name) = &args.name
        && !current.keys.contains(name)
    {
        let names: Vec<&str> = current.keys.iter().map(String::as_str).collect();
        return Err(super::unknown("key", name, &names));
    }
    let keys: Vec<&KeyStatus> = current.status.keys.iter().filter(|key| args.name.as_ref().is_none_or(|name| key.name == *name)).collect();
    if keys.is_empty() {
        return Err(Failure {
            code: 3,
            message: "nothing is known of any key".into(),
            hint: Some("start the daemon with: credd install".into()),
        });
    }
    let within_days = within.map(|within| within.as_secs_f64() / 86_400.0);
    let mut worst = 0;
    let mut text = String::new();
    for key in keys {
        let (code, what) = verdict(key, within_days);
        worst = worse(worst, code);
        if code != 0 {
            let _ = writeln!(text, "{}: {what}", clean(&key.name));
        }
    }
    super::tell(&text)?;
    Ok(worst)
}

/// Dead is worse than unknown, unknown than due.
fn worse(a: u8, b: u8) -> u8 {
    let weight = |code| match code {
        2 => 3,
        3 => 2,
        other => other,
    };
    if weight(a) >= weight(b) { a } else { b }
}

/// The exit code that a key alone would give, and why.
pub(super) fn verdict(key: &KeyStatus, within_days: Option<f64>) -> (u8, String) {
    let detail = || key.detail.as_deref().map(clean).unwrap_or_default();
    let left = key.days_left.map(words::days).unwrap_or_default();
    match key.state {
        KeyStanding::Expired => (2, "it has expired".into()),
        KeyStanding::Rejected => (2, "its issuer rejects it".into()),
        KeyStanding::Missing if key.detail.as_deref() == Some(NEVER_SEEN) => (3, "nothing is known of it".into()),
        KeyStanding::Missing => (2, format!("it is missing: {}", detail())),
        KeyStanding::Dynamic => (3, format!("its value can't be told: {}", detail())),
        KeyStanding::Unreadable => (3, format!("its file can't be read: {}", detail())),
        KeyStanding::Ok | KeyStanding::Due => match (within_days, key.days_left) {
            (Some(within), Some(days_left)) if days_left <= within => (1, format!("{left} left")),
            (None, _) if key.state == KeyStanding::Due => (1, format!("{left} left")),
            _ => (0, String::new()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        assert_eq!([0, 1, 3, 1].into_iter().fold(0, worse), 3);
        assert_eq!([0, 1, 3, 2, 1].into_iter().fold(0, worse), 2);
        assert_eq!([0, 1, 0].into_iter().fold(0, worse), 1);
    }
}
