//! `credd snooze`.

use jiff::Zoned;

use super::terminal::clean;
use super::{Failure, http, words};
use crate::clock;
use crate::paths::Paths;
use crate::protocol::{KeyStatus, SnoozeRequest, SnoozeUntil};

/// Arguments of `credd snooze`.
#[derive(Clone, Debug, clap::Args)]
pub struct SnoozeArgs {
    /// The key
    name: String,
    /// For how long (3d), or "until" and a date [default: until tomorrow]
    #[arg(num_args = 0.., value_name = "DUR|until DATE")]
    until: Vec<String>,
    /// Be reminded again
    #[arg(long, conflicts_with = "until")]
    clear: bool,
}

/// Sets or ends the quiet and says what it is.
pub fn run(paths: &Paths, args: &SnoozeArgs) -> Result<u8, Failure> {
    let now = words::local(clock::now());
    let until = match args.until.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        _ if args.clear => SnoozeUntil::Cleared,
        [] | ["until", "tomorrow"] => SnoozeUntil::Tomorrow,
        ["until"] => return Err(Failure::usage("until when?").hint("write it like: until 2026-12-01")),
        ["until", ref date @ ..] => SnoozeUntil::At(words::parse_moment(&date.join(" "), &now)?),
        ref length => {
            let length = words::parse_length(&length.join(" "))?;
            let until = now.timestamp().checked_add(length).map_err(|_| Failure::usage("that is too long"))?;
            SnoozeUntil::At(until)
        }
    };
    if matches!(until, SnoozeUntil::At(at) if at <= now.timestamp()) {
        return Err(Failure::usage("that time has passed").hint("give a time in the future, such as 3d"));
    }
    let request = super::path(&["v1", "keys", &args.name, "snooze"])?;
    let key: KeyStatus = http::post(&paths.socket, &request, &SnoozeRequest { until }, Some(http::LIMIT))
        .map_err(|failure| super::unless_unknown(failure, paths, "key", &args.name))?;
    super::tell(&format!("{}: {}\n", clean(&key.name), quiet(&key, until, &now)))?;
    Ok(0)
}

fn quiet(key: &KeyStatus, asked: SnoozeUntil, now: &Zoned) -> String {
    let Some(until) = key.snoozed_until else { return "reminders are on".into() };
    let is_cut = matches!(asked, SnoozeUntil::At(asked) if until < asked);
    let why = if is_cut { ", no longer: it ends then, which is told in any case" } else { "" };
    format!("quiet until {}{why}", words::moment(until, now))
}
