//! A key on the page.

use std::path::Path;

use super::bar::bar;
use super::former::needed_until;
use super::page::{GREEN, Page, RED, STANDING, YELLOW};
use super::worst::{counted, standing_rank, standing_word, state_word, trouble};
use crate::client::terminal::clean;
use crate::client::words;
use crate::core::order;
use crate::core::{IssuedSource, ProbeVerdict, Reason};
use crate::paths::{Paths, tilde};
use crate::protocol::{ConsumerState, ConsumerStatus, FormerKey, KeyStanding, KeyStatus, Status};

/// Cells of a bar beside a name, and at most of one on a line of its own.
const BAR: usize = 30;
/// What stands behind a bar.
const LEFT: usize = 20;
/// So many of those who use a key are named.
const SOME_USERS: usize = 4;

impl Page {
    pub(super) fn key(&mut self, key: &KeyStatus, status: &Status, paths: &Paths) {
        let colour = match key.state {
            KeyStanding::Ok => GREEN,
            KeyStanding::Due => YELLOW,
            _ => RED,
        };
        let mut left = match (key.state, key.days_left) {
            (KeyStanding::Expired, Some(left)) => format!("{} ago", words::days(-left)),
            (KeyStanding::Ok | KeyStanding::Due, Some(left)) => format!("{} left", words::days(left)),
            (KeyStanding::Ok, None) => "doesn't expire".into(),
            _ => String::new(),
        };
        let beside = self.terminal.width >= self.column + STANDING + BAR + LEFT;
        let cells = if beside { BAR } else { (self.terminal.width - self.indent).min(BAR) };
        let bar = bar(key, cells, self.terminal.unicode).filter(|_| self.draws);
        if !self.draws {
            left.extend(day_of_life(key));
        }
        match bar {
            Some(bar) if beside => {
                let bar = self.terminal.paint(colour, &bar);
                self.head(&key.name, standing_word(key.state), colour, &[&bar, "  ", &left], BAR + 2 + left.len());
            }
            bar => {
                self.head(&key.name, standing_word(key.state), colour, &[&left], left.len());
                if let Some(bar) = bar {
                    let bar = self.terminal.paint(colour, &bar);
                    self.line(&format!("{:1$}{bar}", "", self.indent));
                }
            }
        }
        let place = tilde(Path::new(&key.env_file), &paths.home);
        self.facts(&[format!("{} in {}", clean(&key.variable), clean(&place))]);
        if let Some(detail) = &key.detail {
            self.facts(&[clean(detail)]);
        }
        if is_told(key) {
            let facts = self.dates(key);
            self.facts(&facts);
            self.facts(&users(key, &status.consumers));
            self.facts(&owner(key).into_iter().collect::<Vec<_>>());
        } else {
            let facts = self.last(key);
            self.facts(&facts.into_iter().collect::<Vec<_>>());
        }
        if let Some(renewal) = &key.renewal {
            self.facts(&[format!("credd is {}", clean(renewal))]);
        }
        for (number, former) in key.former.iter().enumerate() {
            let facts = self.former(former, number == 0, needed_until(former, key, status));
            self.facts(&facts);
        }
        if let Some(step) = next_step(key, &place) {
            self.step(&clean(&step), self.indent);
        }
    }

    /// What is left of a key that was replaced. Of several, those but the latest are told apart by when that was.
    fn former(&self, former: &FormerKey, is_latest: bool, needed_until: Option<String>) -> Vec<String> {
        let whose = former.user.as_ref().map(|user| format!(" (IAM user {})", clean(user))).unwrap_or_default();
        let which = if is_latest { "the one before" } else { "an earlier one" };
        let replaced =
            if is_latest { words::ago(former.replaced_at, self.now.timestamp()) } else { words::moment(former.replaced_at, &self.now) };
        let what = match former.delete_at {
            Some(at) => {
                let replaced = if is_latest { String::new() } else { format!(", replaced {replaced},") };
                format!("{which}{whose}{replaced} is inactive and is deleted {}", words::moment_short(at, &self.now))
            }
            None => {
                let what = needed_until.map_or("revoke it".into(), |until| format!("keep it until {}", clean(&until)));
                format!("{which}{whose}, replaced {replaced}, may still be accepted: {what}")
            }
        };
        let holders = former.consumers.iter().map(|name| format!("{} still runs with it", clean(name)));
        let files = former.env_files.iter().map(|file| format!("still in {}", clean(file)));
        [what].into_iter().chain(holders).chain(files).collect()
    }

    fn dates(&self, key: &KeyStatus) -> Vec<String> {
        let now = &self.now;
        let probe = key.probe.as_ref().and_then(|probe| {
            let ago = words::ago(probe.at, now.timestamp());
            match probe.verdict {
                ProbeVerdict::Works => Some(format!("accepted {ago}")),
                ProbeVerdict::Denied => Some(format!("accepted {ago}, but lacks a permission")),
                ProbeVerdict::Rejected => Some(format!("rejected {ago}")),
                ProbeVerdict::Unreachable => Some(format!("nobody could be asked {ago}")),
                // Where nothing was learned there is nothing to say.
                ProbeVerdict::Unknown => None,
            }
        });
        [self.expires(key), self.next_alert(key), self.issued(key), probe].into_iter().flatten().collect()
    }

    /// What is known of the value that was there last. What was learned of it since by asking is of no use now.
    fn last(&self, key: &KeyStatus) -> Option<String> {
        // Alerts go on where it may still be there.
        let next = if key.state == KeyStanding::Unreadable { self.next_alert(key) } else { None };
        let known: Vec<String> = [self.expires(key), next, self.issued(key), owner(key)].into_iter().flatten().collect();
        (!known.is_empty()).then(|| format!("the last one: {}", known.join(", ")))
    }

    fn expires(&self, key: &KeyStatus) -> Option<String> {
        let at = key.expires_at?;
        let word = if at <= self.now.timestamp() { "expired" } else { "expires" };
        Some(format!("{word} {}", words::moment_short(at, &self.now)))
    }

    fn next_alert(&self, key: &KeyStatus) -> Option<String> {
        let now = &self.now;
        let told = told_of_dates(key);
        let waits = key.alerts_sent.last().is_some_and(|alert| !alert.delivered);
        match (key.snoozed_until, key.next_alert_at) {
            (None, _) if waits => Some("an alert waits until it can be shown".into()),
            (Some(until), _) => Some(format!("quiet until {}", words::moment_short(until, now))),
            // When it ends is said: that it is told then is no reminder.
            (None, Some(at)) if told && key.expires_at.is_some_and(|end| at >= end) => None,
            (None, Some(at)) if at > now.timestamp() => {
                let what = if told { "next reminder" } else { "first alert" };
                Some(format!("{what} {}", words::moment_short(at, now)))
            }
            (None, _) => None,
        }
    }

    fn issued(&self, key: &KeyStatus) -> Option<String> {
        let day = words::day(key.issued_at?, &self.now);
        Some(match key.issued_source {
            Some(IssuedSource::File) => format!("issued {day} or earlier (the file's date)"),
            Some(IssuedSource::Observed) => format!("issued {day} (seen to arrive)"),
            Some(IssuedSource::Renewed) => format!("issued {day} (renewed by credd)"),
            Some(IssuedSource::Declared) => format!("issued {day} (as you said)"),
            Some(IssuedSource::Iam) => format!("issued {day} (IAM says so)"),
            Some(IssuedSource::Key) => format!("issued {day} (the key says so)"),
            None => format!("issued {day}"),
        })
    }

    /// What keys come to that aren't shown, the first of which is the next to be due.
    pub(super) fn more_keys(&mut self, keys: &[&KeyStatus]) {
        if keys.is_empty() {
            return;
        }
        // The worst of each comes first.
        let first = |state| keys.iter().find(|key| key.state == state);
        let end = first(KeyStanding::Due).and_then(|key| Some((&key.name, key.expires_at?)));
        let end = end.map(|(name, at)| format!("{} expires {}", clean(name), words::moment_short(at, &self.now)));
        let alert = first(KeyStanding::Ok).and_then(|key| key.next_alert_at);
        let alert = alert.map(|at| format!("the next first alert is {}", words::moment_short(at, &self.now)));
        let counts = counted(keys.iter().map(|key| (standing_rank(key.state), standing_word(key.state))));
        self.sum_up("key", keys.len(), counts, [end, alert]);
        self.line("");
    }
}

/// What to do about a key whose file is at `place`.
pub(in crate::client) fn next_step(key: &KeyStatus, place: &str) -> Option<String> {
    match key.state {
        KeyStanding::Due | KeyStanding::Expired | KeyStanding::Rejected | KeyStanding::Missing => Some(renewal(key)),
        KeyStanding::Dynamic => Some(format!("mend that in {place}, or write the value itself there: export {}='…'", key.variable)),
        KeyStanding::Unreadable => Some(format!("make {place} a file that you can read")),
        KeyStanding::Ok => None,
    }
}

/// The value that counts is there and can be told; else what is known is of the last one.
pub(in crate::client) fn is_told(key: &KeyStatus) -> bool {
    !matches!(key.state, KeyStanding::Missing | KeyStanding::Dynamic | KeyStanding::Unreadable)
}

fn owner(key: &KeyStatus) -> Option<String> {
    Some(format!("IAM user {} of account {}", clean(key.user.as_ref()?), clean(key.account.as_ref()?)))
}

/// The next step where a key is due or dead.
pub(super) fn renewal(key: &KeyStatus) -> String {
    format!("credd renew {}", key.name)
}

/// Whether the first alert of its end is past.
fn told_of_dates(key: &KeyStatus) -> bool {
    key.alerts_sent.iter().any(|alert| alert.delivered && alert.reason != Reason::Rejected.to_string())
}

/// It runs with this value of a key.
pub(super) fn has(consumer: &ConsumerStatus, key: &KeyStatus) -> bool {
    key.fingerprint.is_some() && consumer.key_fingerprints.get(&key.name) == Some(&key.fingerprint)
}

/// Who runs with a key, or should: the worst first.
fn users(key: &KeyStatus, consumers: &[ConsumerStatus]) -> Vec<String> {
    let uses = |consumer: &&ConsumerStatus| {
        // One that runs as it should without it has no use for it, nor one that has its variable from another key.
        let is_to_have_it = consumer.state != ConsumerState::Current && !consumer.overruled.contains_key(&key.name);
        consumer.key_fingerprints.contains_key(&key.name) && (is_to_have_it || has(consumer, key))
    };
    let mut users: Vec<&ConsumerStatus> = consumers.iter().filter(uses).collect();
    order::sort_by_key(&mut users, |consumer| trouble(consumer.state));
    let said = |consumer: &&ConsumerStatus| {
        // It may lack another of its keys.
        let word = if has(consumer, key) && consumer.state == ConsumerState::Stale { "current" } else { state_word(consumer) };
        format!("{} ({word})", clean(&consumer.name))
    };
    let mut all: Vec<String> = users.iter().take(SOME_USERS).map(said).collect();
    if let Some(first) = all.first_mut() {
        first.insert_str(0, "used by ");
    }
    if users.len() > SOME_USERS {
        all.push(format!("and {} more", words::thousands(users.len() - SOME_USERS)));
    }
    all
}

/// What a bar would show.
fn day_of_life(key: &KeyStatus) -> Option<String> {
    let (age, left) = (key.age_days?, key.days_left?);
    let is_alive = matches!(key.state, KeyStanding::Ok | KeyStanding::Due);
    (is_alive && left > 0.0 && age + left >= 2.0).then(|| format!(", day {} of {}", age.floor() + 1.0, (age + left).round()))
}
