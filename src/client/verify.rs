//! `credd verify`.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Zoned;

use super::renew::progress::Progress;
use super::terminal::clean;
use super::{Failure, http, json, words};
use crate::clock;
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

/// Has Bedrock and consumers asked, and says what they said: 0 if all is good, and somebody was asked.
pub fn run(paths: &Paths, args: &VerifyArgs) -> Result<u8, Failure> {
    let mut answers = Vec::new();
    let mut code = 0;
    let mut progress = Progress::of_terminal();
    // For one key as well: it has consumers looked at that nobody knows to have been started.
    let status = http::get::<Status>(&paths.socket, "/v1/status").map_err(|failure| match &args.name {
        Some(name) => super::unless_unknown(failure, paths, "key", name),
        None => failure,
    })?;
    if let Some(name) = &args.name {
        answers.push(ask(paths, name, &mut progress)?);
    } else if status.keys.is_empty() {
        return Err(Failure::failed("there is no key to ask about").hint("see: credd config"));
    } else {
        for key in status.keys {
            match ask(paths, &key.name, &mut progress) {
                Ok(answer) => answers.push(answer),
                Err(failure) if failure.code == 1 => {
                    code |= u8::from(!is_left_in_peace(&key));
                    if !args.json {
                        let step = failure.hint.map(|hint| format!("  {}\n", clean(&hint))).unwrap_or_default();
                        super::tell(&format!("{}: not asked: {}\n{step}", clean(&key.name), clean(&failure.message)))?;
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    // Silence proves nothing.
    code |= u8::from(answers.is_empty());
    if args.json {
        super::say(&json::text(&answers).map_err(|error| Failure::failed(error.to_string()))?)?;
    }
    let now = words::local(clock::now());
    for answer in &answers {
        code |= u8::from(!is_good(answer));
        if !args.json {
            super::tell(&told(answer, &now))?;
        }
    }
    Ok(code)
}

/// Bedrock accepts it, and whoever is to have it has it. What a consumer makes of it counts where it says something: one without
/// a model that uses the key can't.
fn is_good(answer: &KeyStatus) -> bool {
    let through = answer.consumers.iter().flatten().map(|consumer| consumer.verdict);
    answer.probe.as_ref().is_some_and(|probe| probe.verdict.is_good())
        && through.filter(|verdict| *verdict != ProbeVerdict::Unknown).all(ProbeVerdict::is_good)
        && answer.not_asked.iter().flatten().next().is_none()
}

fn told(answer: &KeyStatus, now: &Zoned) -> String {
    let (verdict, detail) = answer.probe.as_ref().map_or((ProbeVerdict::Unknown, ""), |probe| (probe.verdict, probe.detail.as_str()));
    let name = clean(&answer.name);
    let mut text = format!("{name}: {}\n", in_words(verdict, detail));
    if verdict == ProbeVerdict::Rejected {
        let _ = writeln!(text, "  credd renew {name}");
    }
    for consumer in answer.consumers.iter().flatten() {
        let name = clean(consumer.consumer.as_str());
        let _ = writeln!(text, "  through {name}: {}", in_words(consumer.verdict, &consumer.detail));
    }
    for consumer in answer.not_asked.iter().flatten() {
        let _ = writeln!(text, "  through {}: not asked: {}", clean(&consumer.consumer), clean(&words::in_local_time(&consumer.why, now)));
        if let Some(fix) = &consumer.fix {
            let _ = writeln!(text, "    {}", clean(&words::in_local_time(fix, now)));
        }
    }
    text
}

fn ask(paths: &Paths, name: &str, progress: &mut Progress) -> Result<KeyStatus, Failure> {
    let request = super::path(&["v1", "keys", name, "verify"])?;
    progress.show(&format!("{name}: asking whether it works…"));
    let answer = http::post(&paths.socket, &request, &VerifyRequest {}, Some(LIMIT));
    progress.clear();
    answer
}

/// A key that is there, and that nobody is to be asked about, is nothing to worry about.
fn is_left_in_peace(key: &KeyStatus) -> bool {
    matches!(key.state, KeyStanding::Ok | KeyStanding::Due)
}

fn in_words(verdict: ProbeVerdict, detail: &str) -> String {
    let detail = clean(detail);
    let word = match verdict {
        // A consumer says so itself.
        ProbeVerdict::Works if detail.contains("works") => return detail,
        ProbeVerdict::Works if !detail.is_empty() => return format!("works ({detail})"),
        ProbeVerdict::Works => "works",
        ProbeVerdict::Rejected => "rejected",
        ProbeVerdict::Denied => "works, but lacks a permission",
        ProbeVerdict::Unreachable => "nobody could be reached",
        ProbeVerdict::Unknown => "can't be told",
    };
    if detail.is_empty() { word.into() } else { format!("{word}: {detail}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::NotAsked;

    #[test]
    fn a_consumer_that_fails_where_bedrock_does_not_counts() {
        let answer = |direct: &str, through: &[&str]| -> KeyStatus {
            let consumers: Vec<_> =
                through.iter().map(|verdict| json!({"consumer": "litellm", "verdict": verdict, "detail": "so it says"})).collect();
            serde_json::from_value(json!({
                "name": "bedrock", "variable": "K", "env_file": "/e", "state": "ok", "alerts_sent": [], "consumers": consumers,
                "probe": {"verdict": direct, "at": "2026-11-22T15:00:00Z", "detail": "it says"}
            }))
            .unwrap()
        };
        let now = "2026-11-22T16:00:00+01:00[Europe/Berlin]".parse().unwrap();
        assert!(is_good(&answer("works", &[])) && is_good(&answer("denied", &["works"])) && is_good(&answer("works", &["unknown"])));
        assert!(!is_good(&answer("rejected", &["works"])) && !is_good(&answer("works", &["works", "rejected"])));
        assert_eq!(
            told(&answer("works", &["unreachable"]), &now),
            "bedrock: works (it says)\n  through litellm: nobody could be reached: so it says\n"
        );
        assert_eq!(told(&answer("rejected", &[]), &now), "bedrock: rejected: it says\n  credd renew bedrock\n");
        assert_eq!(in_words(ProbeVerdict::Works, "a completion through it works"), "a completion through it works");
        let mut waits = answer("works", &[]);
        let fix = Some("nothing to do: it is tried again at 2026-11-22T15:04:00Z".to_owned());
        waits.not_asked = Some(vec![NotAsked { consumer: "litellm".into(), why: "it waits".into(), fix }]);
        assert!(told(&waits, &now).ends_with("not asked: it waits\n    nothing to do: it is tried again at 16:04\n"));
    }
}
