//! Has the consumers of a key take it up, and shows how far they are.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::progress::Progress;
use crate::client::{Failure, http, path};
use crate::config::Restart;
use crate::core::Outcome;
use crate::paths::Paths;
use crate::protocol::{ApplyAnswer, ApplyRequest, ConsumerState, ConsumerStatus, Status};

/// Between two looks at how far they are.
pub const LOOK: Duration = Duration::from_millis(300);

/// What became of the consumers that run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// They serve with the new key.
    pub serving: Vec<String>,
    /// credd isn't to restart them.
    pub yours: Vec<String>,
    /// They don't have it, and why.
    pub lacking: Vec<(String, String)>,
}

/// Has all that use the key take it up, side by side, and waits for each.
pub fn take_up(paths: &Paths, key: &str, progress: &mut Progress) -> Result<Taken, Failure> {
    let status: Status = http::get(&paths.socket, "/v1/status")?;
    let mut taken = Taken::default();
    let (answers, answered) = mpsc::channel();
    let mut waiting = Vec::new();
    for consumer in status.consumers.iter().filter(|consumer| uses(consumer, key)) {
        if consumer.restart == Restart::None.as_str() {
            // One that reads the file itself needs nothing.
            let list = if consumer.state == ConsumerState::Current { &mut taken.serving } else { &mut taken.yours };
            list.push(consumer.name.clone());
            continue;
        }
        let (name, socket, answers) = (consumer.name.clone(), paths.socket.clone(), answers.clone());
        let request = path(&["v1", "consumers", &name, "apply"])?;
        waiting.push(name.clone());
        thread::spawn(move || {
            let answer = http::post::<ApplyAnswer>(&socket, &request, &ApplyRequest { force: false }, None);
            // Nobody listens once the program ends.
            let _ = answers.send((name, answer));
        });
    }
    while !waiting.is_empty() {
        match answered.recv_timeout(LOOK) {
            Ok((name, answer)) => {
                waiting.retain(|other| *other != name);
                match answer {
                    Ok(answer) if answer.outcome == Outcome::Applied => taken.serving.push(name),
                    Ok(answer) => taken.lacking.push((name, answer.detail)),
                    Err(failure) => taken.lacking.push((name, failure.message)),
                }
            }
            Err(RecvTimeoutError::Timeout) => show(paths, &waiting, progress),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.clear();
    Ok(taken)
}

/// Runs, and is to have the key.
fn uses(consumer: &ConsumerStatus, key: &str) -> bool {
    consumer.state != ConsumerState::Absent && consumer.key_fingerprints.contains_key(key)
}

fn show(paths: &Paths, waiting: &[String], progress: &mut Progress) {
    // Whoever waits for a consumer is told why there is no daemon any more; this is only to look at.
    let Ok(status) = http::get::<Status>(&paths.socket, "/v1/status") else { return };
    let phases = status.consumers.iter().filter(|consumer| waiting.contains(&consumer.name)).map(|consumer| {
        let detail = consumer.detail.as_deref().unwrap_or("takes up the new key");
        format!("{}: {detail}", consumer.name)
    });
    progress.show(&phases.collect::<Vec<_>>().join("; "));
}
