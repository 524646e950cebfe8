//! `credd verify`.

use std::io::Write as _;
use std::time::Duration;

use super::terminal::clean;
use super::{Failure, http, json};
use crate::core::ProbeVerdict;
use crate::paths::Paths;
use crate::protocol::{KeyStanding, KeyStatus, Status, VerifyRequest};

/// A key that has just been put into its file is tried for a minute first; then consumers take their time.
const LIMIT: Duration = Duration::from_mins(5);

/// Arguments of `credd verify`.
#[derive(Clone, Debug, clap::Args)]
pub struct VerifyArgs {
    /// The key [default: all]
    name: Option<String>,
    /// Print the keys as JSON
    #[arg(long)]
    json: bool,
}

/// Has Bedrock and consumers asked, and says what they said: 0 if all is good.
pub fn run(paths: &Paths, args: &VerifyArgs) -> Result<u8, Failure> {
    let mut answers = Vec::new();
    let mut code = 0;
    let mut out = std::io::stdout().lock();
    if let Some(name) = &args.name {
        answers.push(ask(paths, name)?);
    } else {
        let status: Status = http::get(&paths.socket, "/v1/status")?;
        for key in status.keys {
            match ask(paths, &key.name) {
                Ok(answer) => answers.push(answer),
                Err(failure) if failure.code == 1 => {
                    code |= u8::from(!is_left_in_peace(&key));
                    if !args.json {
                        writeln!(out, "{}: not asked: {}", clean(&key.name), clean(&failure.message))?;
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    if args.json {
        let text = json::text(&answers).map_err(|error| Failure::failed(error.to_string()))?;
        out.write_all(text.as_bytes())?;
    }
    for answer in &answers {
        let probe = answer.probe.as_ref();
        let verdict = probe.map_or(ProbeVerdict::Unknown, |probe| probe.verdict);
        code |= u8::from(!verdict.is_good());
        if args.json {
            continue;
        }
        let detail = probe.map(|probe| clean(&probe.detail)).unwrap_or_default();
        writeln!(out, "{}: {}: {detail}", clean(&answer.name), in_words(verdict))?;
        for consumer in answer.consumers.iter().flatten() {
            let name = clean(consumer.consumer.as_str());
            writeln!(out, "  through {name}: {}: {}", in_words(consumer.verdict), clean(&consumer.detail))?;
        }
    }
    Ok(code)
}

fn ask(paths: &Paths, name: &str) -> Result<KeyStatus, Failure> {
    http::post(&paths.socket, &super::path(&["v1", "keys", name, "verify"])?, &VerifyRequest {}, Some(LIMIT))
}

/// A key that is there, and that nobody is to be asked about, is nothing to worry about.
fn is_left_in_peace(key: &KeyStatus) -> bool {
    matches!(key.state, KeyStanding::Ok | KeyStanding::Due)
}

fn in_words(verdict: ProbeVerdict) -> &'static str {
    match verdict {
        ProbeVerdict::Works => "works",
        ProbeVerdict::Rejected => "rejected",
        ProbeVerdict::Denied => "works, but lacks a permission",
        ProbeVerdict::Unreachable => "nobody could be reached",
        ProbeVerdict::Unknown => "can't be told",
    }
}
