//! Asks Bedrock about the new key before it is written anywhere.

use super::progress::Progress;
use super::tty::Tty;
use crate::client::Failure;
use crate::client::terminal::clean;
use crate::config::{DEFAULT_VARIABLE, KeyConfig};
use crate::core::{Anatomy, KeyKind, ProbeVerdict};
use crate::probe;
use crate::secret::Secret;

/// Whether anybody may be asked: nothing but a key of Bedrock's is sent there, unless the user has said whom
/// to ask (as the core has it).
pub fn is_askable(spec: &KeyConfig, anatomy: &Anatomy) -> bool {
    let is_bedrock_s = matches!(anatomy.kind, KeyKind::BedrockLongTerm | KeyKind::BedrockShortTerm);
    spec.probe.is_some() && (is_bedrock_s || *spec.variable == *DEFAULT_VARIABLE || spec.endpoint.is_some())
}

/// Fails unless Bedrock accepts the key, or nobody can tell and the user goes on: without a terminal credd
/// does so itself, guarded by the completion.
pub fn ask(key: &Secret, anatomy: &Anatomy, spec: &KeyConfig, tty: Option<&Tty>, progress: &mut Progress) -> Result<(), Failure> {
    let region = anatomy.region.as_deref().unwrap_or(&spec.region);
    progress.show("asking Bedrock about the new key…");
    let report = probe::candidate(key, spec.endpoint.as_deref(), region, &mut |said| {
        progress.show(&format!("asking Bedrock again, for a minute at most (a key is new to it for a while): {said}"));
        true
    });
    progress.clear();
    let detail = clean(&report.detail);
    match report.verdict {
        ProbeVerdict::Works | ProbeVerdict::Denied => {
            progress.say(&detail);
            Ok(())
        }
        ProbeVerdict::Rejected => Err(Failure::failed(format!("nothing was changed, since the new key doesn't work: {detail}"))
            .hint("copy it again from the console, or make another, then: credd renew")),
        ProbeVerdict::Unreachable | ProbeVerdict::Unknown => {
            let said = format!("whether Bedrock accepts the new key can't be told: {detail}");
            match tty {
                None => progress.say(&format!("{said}; going on, since a completion has to prove it first")),
                Some(tty) => {
                    tty.say(&said)?;
                    if !tty.confirm("Write it into the file all the same?")? {
                        return Err(Failure::failed("nothing was changed").hint("try again later: credd renew"));
                    }
                }
            }
            Ok(())
        }
    }
}
