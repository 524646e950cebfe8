//! `credd issued`.

use jiff::{Timestamp, Zoned};

use super::terminal::clean;
use super::{Failure, http, words};
use crate::clock;
use crate::paths::Paths;
use crate::protocol::{IssuedRequest, KeyStatus};

/// Arguments of `credd issued`.
#[derive(Clone, Debug, clap::Args)]
pub struct IssuedArgs {
    /// The key
    name: String,
    /// When it was issued: 2026-10-28, RFC 3339, or "25 days ago"
    #[arg(required = true, num_args = 1.., value_name = "WHEN")]
    when: Vec<String>,
}

/// Records the date and says what follows from it.
pub fn run(paths: &Paths, args: &IssuedArgs) -> Result<u8, Failure> {
    let now = words::local(clock::now());
    record(paths, &args.name, moment(&args.when.join(" "), &now)?, &now)?;
    Ok(0)
}

/// The date as the user writes it, which isn't in the future.
pub(super) fn moment(text: &str, now: &Zoned) -> Result<Timestamp, Failure> {
    let at = words::parse_moment(text, now)?;
    if at > now.timestamp() {
        return Err(Failure::usage("that date is in the future").hint("give the day on which the key was made"));
    }
    Ok(at)
}

/// Has the daemon record it.
pub(super) fn record(paths: &Paths, name: &str, at: Timestamp, now: &Zoned) -> Result<(), Failure> {
    let request = super::path(&["v1", "keys", name, "issued"])?;
    let key: KeyStatus = http::post(&paths.socket, &request, &IssuedRequest { at }, Some(http::LIMIT))
        .map_err(|failure| super::unless_unknown(failure, paths, "key", name))?;
    let ends = key.expires_at.map(|at| {
        let verb = if at <= now.timestamp() { "expired" } else { "expires" };
        format!(", {verb} {}", words::moment(at, now))
    });
    let ends = ends.unwrap_or_default();
    super::tell(&format!("{}: issued {}{ends}\n", clean(&key.name), words::day(at, now)))?;
    Ok(())
}
