//! `credd history`.

use std::io::Write as _;

use super::terminal::clean;
use super::{Failure, json, words};
use crate::clock;
use crate::core::{ConsumerName, KeyName};
use crate::paths::Paths;
use crate::store::History;

/// Arguments of `credd history`.
#[derive(Clone, Debug, clap::Args)]
pub struct HistoryArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show this many entries, the newest last
    #[arg(short, default_value_t = 50, value_name = "N")]
    n: usize,
}

/// Shows what happened; needs no daemon.
pub fn run(paths: &Paths, args: &HistoryArgs) -> Result<u8, Failure> {
    let entries =
        History::new(&paths.state_dir).last(args.n).map_err(|error| Failure::failed(format!("the history can't be read: {error}")))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let text = json::text(&entries).map_err(|error| Failure::failed(error.to_string()))?;
        out.write_all(text.as_bytes())?;
        return Ok(0);
    }
    if entries.is_empty() && args.n > 0 {
        writeln!(out, "Nothing has happened yet.")?;
    }
    let zone = words::local(clock::now()).time_zone().clone();
    for entry in entries {
        let at = entry.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let who = entry.key.as_ref().map(KeyName::as_str).or(entry.consumer.as_ref().map(ConsumerName::as_str)).unwrap_or("credd");
        writeln!(out, "{at}  {:<12}{}", clean(who), clean(&entry.message))?;
    }
    Ok(0)
}
