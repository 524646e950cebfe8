//! What is worse than what, and the words for it.

use crate::client::offline::is_unseen;
use crate::client::words;
use crate::core::order;
use crate::protocol::{ConsumerState, ConsumerStatus, KeyStanding, KeyStatus};

/// Lower is worse.
pub fn urgency(key: &KeyStatus) -> f64 {
    match key.state {
        KeyStanding::Expired => -5.0e6,
        KeyStanding::Rejected => -4.0e6,
        KeyStanding::Missing => -3.0e6,
        KeyStanding::Unreadable => -2.0e6,
        KeyStanding::Dynamic => -1.0e6,
        KeyStanding::Due => key.days_left.unwrap_or(0.0) - 1.0e5,
        KeyStanding::Ok => key.days_left.unwrap_or(1.0e6),
    }
}

/// Lower is worse.
pub fn standing_rank(state: KeyStanding) -> u8 {
    match state {
        KeyStanding::Expired => 0,
        KeyStanding::Rejected => 1,
        KeyStanding::Missing => 2,
        KeyStanding::Unreadable => 3,
        KeyStanding::Dynamic => 4,
        KeyStanding::Due => 5,
        KeyStanding::Ok => 6,
    }
}

pub fn standing_word(state: KeyStanding) -> &'static str {
    match state {
        KeyStanding::Ok => "ok",
        KeyStanding::Due => "due",
        KeyStanding::Expired => "expired",
        KeyStanding::Rejected => "rejected",
        KeyStanding::Missing => "missing",
        KeyStanding::Dynamic => "dynamic",
        KeyStanding::Unreadable => "unreadable",
    }
}

/// Lower is worse.
pub fn trouble(state: ConsumerState) -> u8 {
    match state {
        ConsumerState::Failed => 0,
        ConsumerState::Stale => 1,
        ConsumerState::Pending => 2,
        ConsumerState::Applying => 3,
        ConsumerState::Current => 4,
        ConsumerState::Absent => 5,
    }
}

pub fn state_word(consumer: &ConsumerStatus) -> &'static str {
    match consumer.state {
        _ if is_unseen(consumer) => "unknown",
        ConsumerState::Failed => "failed",
        ConsumerState::Stale => "stale",
        ConsumerState::Pending => "pending",
        ConsumerState::Applying => "applying",
        ConsumerState::Current => "current",
        ConsumerState::Absent => "absent",
    }
}

/// How many there are of each, as words, in the order of their ranks.
pub fn counted(all: impl Iterator<Item = (u8, &'static str)>) -> String {
    let counts = order::counted(all);
    counts.iter().map(|((_, word), count)| format!("{} {word}", words::thousands(*count))).collect::<Vec<_>>().join(", ")
}
