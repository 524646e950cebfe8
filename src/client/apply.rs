//! `credd apply`.

use super::renew::consumers;
use super::renew::progress::Progress;
use super::terminal::clean;
use super::{Failure, http};
use crate::core::Outcome;
use crate::paths::Paths;
use crate::protocol::{ConsumerState, Status};

/// Arguments of `credd apply`.
#[derive(Clone, Debug, clap::Args)]
pub struct ApplyArgs {
    /// The consumer [default: all that run]
    consumer: Option<String>,
    /// Restart it even if it has the key
    #[arg(long)]
    force: bool,
}

/// Has consumers take up the keys, one after another, and says how each ended.
pub fn run(paths: &Paths, args: &ApplyArgs) -> Result<u8, Failure> {
    let names = if let Some(name) = &args.consumer {
        vec![name.clone()]
    } else {
        let status: Status = http::get(&paths.socket, "/v1/status")?;
        let running = status.consumers.into_iter().filter(|consumer| consumer.state != ConsumerState::Absent);
        running.map(|consumer| consumer.name).collect()
    };
    if names.is_empty() {
        return Err(Failure::failed("no consumer runs, so there is none to take up a key")
            .hint("start it; it will have the key from the env file if your shell sources that"));
    }
    let mut code = 0;
    let mut progress = Progress::of_terminal();
    for name in names {
        let answer = consumers::apply(paths, &name, args.force, &mut progress)
            .map_err(|failure| super::unless_unknown(failure, paths, "consumer", &name))?;
        let word = match answer.outcome {
            Outcome::Applied => "applied",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::Superseded => "superseded",
        };
        code |= u8::from(answer.outcome != Outcome::Applied);
        super::tell(&format!("{}: {word}: {}\n", clean(&answer.consumer), clean(&answer.detail)))?;
    }
    Ok(code)
}
