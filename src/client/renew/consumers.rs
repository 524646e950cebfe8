//! Has the consumers of a key take it up, and shows how far they are.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
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

/// What one does of which nothing more is known.
const UNDER_WAY: &str = "takes up the new key";

/// What became of the consumers that run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// They serve with the new key.
    pub serving: Vec<String>,
    /// credd isn't to restart them.
    pub yours: Vec<String>,
    /// They have its variable from another key, and which that is.
    pub elsewhere: Vec<(String, String)>,
    /// They don't have it, and why.
    pub lacking: Vec<(String, String)>,
}

/// Has all that use the key take it up, side by side, and waits for each.
pub fn take_up(paths: &Paths, key: &str, progress: &mut Progress) -> Result<Taken, Failure> {
    let status: Status = http::get(&paths.socket, "/v1/status")?;
    let mut taken = Taken::default();
    let (answers, answered) = mpsc::channel();
    let (mut waiting, mut applied) = (Vec::new(), Vec::new());
    for consumer in status.consumers.iter().filter(|consumer| uses(consumer, key)) {
        let name = consumer.name.clone();
        match stands(&status, consumer, key) {
            // A restart wouldn't give it this one.
            Stands::Elsewhere(other) => {
                taken.elsewhere.push((name, other.to_owned()));
                continue;
            }
            // One that reads the file itself needs nothing.
            Stands::Serving if is_yours(consumer) => {
                taken.serving.push(name);
                continue;
            }
            Stands::Without if is_yours(consumer) => {
                taken.yours.push(name);
                continue;
            }
            Stands::Serving | Stands::Without => {}
        }
        ask(paths, &name, false, &answers)?;
        waiting.push(name);
    }
    while !waiting.is_empty() {
        match answered.recv_timeout(LOOK) {
            Ok((name, answer)) => {
                waiting.retain(|other| *other != name);
                match answer {
                    Ok(answer) if answer.outcome == Outcome::Applied => applied.push(name),
                    Ok(answer) => taken.lacking.push((name, answer.detail)),
                    Err(failure) => taken.lacking.push((name, failure.message)),
                }
            }
            Err(RecvTimeoutError::Timeout) => show(paths, &waiting, progress),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.clear();
    if !applied.is_empty() {
        // What it was given is one thing, what it runs with another.
        let status: Status = http::get(&paths.socket, "/v1/status")?;
        for name in applied {
            let consumer = status.consumers.iter().find(|consumer| consumer.name == name);
            match consumer.map(|consumer| stands(&status, consumer, key)) {
                Some(Stands::Serving) => taken.serving.push(name),
                Some(Stands::Elsewhere(other)) => taken.elsewhere.push((name, other.to_owned())),
                Some(Stands::Without) => taken.lacking.push((name, "it runs with another key".into())),
                None => taken.lacking.push((name, "it is no longer configured".into())),
            }
        }
    }
    Ok(taken)
}

/// The name of a consumer, and the daemon's answer.
type Answered = (String, Result<ApplyAnswer, Failure>);

/// Asks the daemon to have it take up the keys; the answer comes when it is known.
fn ask(paths: &Paths, name: &str, force: bool, answers: &Sender<Answered>) -> Result<(), Failure> {
    let request = path(&["v1", "consumers", name, "apply"])?;
    let (name, socket, answers) = (name.to_owned(), paths.socket.clone(), answers.clone());
    thread::spawn(move || {
        let answer = http::post::<ApplyAnswer>(&socket, &request, &ApplyRequest { force }, None);
        // Nobody listens once the program ends.
        let _ = answers.send((name, answer));
    });
    Ok(())
}

/// Has one take up the keys, and shows meanwhile how far it is.
pub fn apply(paths: &Paths, name: &str, force: bool, progress: &mut Progress) -> Result<ApplyAnswer, Failure> {
    let (answers, answered) = mpsc::channel();
    ask(paths, name, force, &answers)?;
    progress.show(&format!("{name}: {UNDER_WAY}"));
    // Each look has the daemon look as well.
    let pause = if progress.is_told() { LOOK } else { Duration::MAX };
    loop {
        // This sender is there as long as the other.
        if let Ok((_, answer)) = answered.recv_timeout(pause) {
            progress.clear();
            return answer;
        }
        show(paths, &[name.to_owned()], progress);
    }
}

/// What a consumer has to do with a key.
#[derive(Debug, PartialEq, Eq)]
enum Stands<'s> {
    /// It runs with it.
    Serving,
    /// It has its variable from this key.
    Elsewhere(&'s str),
    /// It is to have it.
    Without,
}

fn stands<'s>(status: &Status, consumer: &'s ConsumerStatus, key: &str) -> Stands<'s> {
    let now = status.keys.iter().find(|there| there.name == key).and_then(|there| there.fingerprint);
    if now.is_some() && consumer.key_fingerprints.get(key) == Some(&now) {
        return Stands::Serving;
    }
    consumer.overruled.get(key).map_or(Stands::Without, |other| Stands::Elsewhere(other))
}

/// credd isn't to restart it.
fn is_yours(consumer: &ConsumerStatus) -> bool {
    consumer.restart == Restart::None.as_str()
}

/// Runs, and is to have the key.
fn uses(consumer: &ConsumerStatus, key: &str) -> bool {
    consumer.state != ConsumerState::Absent && consumer.key_fingerprints.contains_key(key)
}

fn show(paths: &Paths, waiting: &[String], progress: &mut Progress) {
    // Whoever waits for a consumer is told why there is no daemon any more; this is only to look at.
    let Ok(status) = http::get::<Status>(&paths.socket, "/v1/status") else { return };
    let phases = status.consumers.iter().filter(|consumer| waiting.contains(&consumer.name)).map(|consumer| {
        let detail = consumer.detail.as_deref().unwrap_or(UNDER_WAY);
        format!("{}: {detail}", consumer.name)
    });
    progress.show(&phases.collect::<Vec<_>>().join("; "));
}
