//! A consumer on the page.

use super::page::{DIM, GREEN, Page, RED, YELLOW};
use super::worst::{counted, state_word, trouble};
use crate::client::terminal::clean;
use crate::client::words;
use crate::core::Outcome;
use crate::protocol::{ConsumerState, ConsumerStatus};

impl Page {
    pub(super) fn consumer(&mut self, consumer: &ConsumerStatus) {
        let word = state_word(consumer);
        let colour = match consumer.state {
            ConsumerState::Current => GREEN,
            ConsumerState::Stale | ConsumerState::Applying | ConsumerState::Pending => YELLOW,
            ConsumerState::Failed => RED,
            ConsumerState::Absent => DIM,
        };
        let what = match consumer.state {
            ConsumerState::Absent if consumer.detail.is_none() => "no such process runs".to_owned(),
            _ => consumer.pid.map(|pid| format!("process {pid}")).unwrap_or_default(),
        };
        self.head(&consumer.name, word, colour, &[&what], what.len());
        // What the last apply says is said below.
        let said = |detail: &&String| consumer.last_apply.as_ref().is_some_and(|last| last.detail == **detail);
        if let Some(detail) = consumer.detail.as_ref().filter(|detail| !said(detail)) {
            self.facts(&[clean(detail)]);
        }
        if let Some(at) = consumer.retry_at {
            self.facts(&[format!("next try {}", words::moment_short(at, &self.now))]);
        }
        if let Some(last) = &consumer.last_apply {
            let ago = words::ago(last.at, self.now.timestamp());
            let why = if last.detail.is_empty() { String::new() } else { format!(": {}", clean(&last.detail)) };
            let how = match last.outcome {
                Outcome::Applied => format!("took up {} {ago}, in {} s", taken_up(consumer), last.seconds),
                Outcome::RolledBack => format!("could not take up the key {ago}, and kept its old one{why}"),
                Outcome::Failed => format!("its restart failed {ago}{why}"),
                // Why stands with the key.
                Outcome::Refused => format!("left as it was {ago}: its new key was rejected"),
                Outcome::Superseded => format!("left as it was {ago}{why}"),
            };
            self.facts(&[how]);
            // All else that is said of one that has the key is that it works.
            let stopped = last.detail.split_once("it was stopped first").filter(|_| last.outcome == Outcome::Applied);
            if let Some((_, why)) = stopped {
                self.facts(&[format!("it was stopped first{}", clean(why))]);
            }
        }
    }

    pub(super) fn more_consumers(&mut self, consumers: &[&ConsumerStatus]) {
        if !consumers.is_empty() {
            let counts = counted(consumers.iter().map(|consumer| (trouble(consumer.state), state_word(consumer))));
            self.sum_up("consumer", consumers.len(), counts, [None, None]);
        }
    }
}

/// What a consumer took up last: where another key counts by now, that is not to be taken for this one.
fn taken_up(consumer: &ConsumerStatus) -> &'static str {
    let has_all = consumer.key_fingerprints.values().all(Option::is_some);
    match consumer.state {
        ConsumerState::Current => "the key",
        ConsumerState::Stale | ConsumerState::Pending if has_all => "an earlier key",
        _ => "a key",
    }
}
