//! `credd apply`.

use std::io::Write as _;

use super::terminal::clean;
use super::{Failure, http};
use crate::core::Outcome;
use crate::paths::Paths;
use crate::protocol::{ApplyAnswer, ApplyRequest, ConsumerState, Status};

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
    let mut out = std::io::stdout().lock();
    for name in names {
        let request = ApplyRequest { force: args.force };
        let answer: ApplyAnswer = http::post(&paths.socket, &super::path(&["v1", "consumers", &name, "apply"])?, &request, None)?;
        let word = match answer.outcome {
            Outcome::Applied => "applied",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::Superseded => "superseded",
        };
        code |= u8::from(answer.outcome != Outcome::Applied);
        writeln!(out, "{}: {word}: {}", clean(&answer.consumer), clean(&answer.detail))?;
    }
    Ok(code)
}
