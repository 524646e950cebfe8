//! One consumer: what it runs with, what it should run with, and what is being done about it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::alarm::{AlertSent, Channel, Delivery, PopupRecord};
use super::event::{ConsumerSpec, Facts, Notice, Ticket, Topic};
use super::key::popup_id;
use super::policy::Reason;
use super::record::{ConsumerRecord, LastApply, Pending};
use super::{ApplyReport, Fingerprint, KeyName, Outcome, ProcessReport};

/// What keys a consumer should run with.
pub type Targets = BTreeMap<KeyName, Fingerprint>;

/// At most so many restarts …
pub const MAX_RESTARTS: usize = 3;
/// … within this time (contract, promise 3).
pub const RESTART_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// From the first failed apply to the second try; tripled each time.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_mins(5);
/// Longest wait between tries.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(6);
/// When to look again after a consumer's process ended: people restart by hand, and a new process is
/// not told of by the kernel.
const LOOK_AGAIN: [SignedDuration; 4] =
    [SignedDuration::from_secs(1), SignedDuration::from_secs(5), SignedDuration::from_secs(20), SignedDuration::from_secs(60)];

/// Why a consumer's processes are being looked at: what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// To know; nothing is done.
    Look,
    /// The daemon has started: one that is older than the file's last change is brought up to date.
    Start,
    /// The key changed, or a try is due again.
    Change,
    /// The user wants it; restarted even if it is current.
    Force,
}

/// What is being done about a consumer.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// Its processes are being looked at; `again` if there was reason to look anew meanwhile.
    Looking {
        /// What may follow.
        why: Why,
        /// What may follow a second look.
        again: Option<Why>,
    },
    /// A worker has it take up keys; `again` if the keys changed meanwhile.
    Applying {
        /// The keys.
        targets: Targets,
        /// What the worker is at, after "is".
        progress: String,
        /// The keys changed meanwhile.
        again: bool,
    },
}

/// State of a consumer (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// It runs with the file's keys.
    Current,
    /// It runs with another one.
    Stale,
    /// A worker is at it.
    Applying,
    /// It runs with another one, and a try is to come.
    Pending,
    /// The last try left it not serving.
    Failed,
    /// It doesn't run.
    Absent,
}

/// A consumer, as the core follows it.
#[derive(Debug)]
pub struct Consumer {
    /// What the configuration says of it.
    pub spec: ConsumerSpec,
    /// What is saved of it.
    pub record: ConsumerRecord,
    /// Its processes when last looked at; `None` before the first look.
    pub processes: Option<Vec<ProcessReport>>,
    /// When they were last looked at.
    pub looked_at: Option<Timestamp>,
    /// What is being done.
    pub phase: Phase,
    /// How the sending of its latest alert goes.
    pub delivery: Delivery,
    /// Who waits for the end of an apply.
    pub waiting_for_apply: Vec<Ticket>,
    /// Who waits for a look.
    pub waiting_for_look: Vec<Ticket>,
    look_again: Option<(Timestamp, usize)>,
}

impl Consumer {
    /// A consumer with what was saved of it.
    pub fn new(spec: ConsumerSpec, record: ConsumerRecord) -> Self {
        Self {
            spec,
            record,
            processes: None,
            looked_at: None,
            phase: Phase::Idle,
            delivery: Delivery::default(),
            waiting_for_apply: Vec::new(),
            waiting_for_look: Vec::new(),
            look_again: None,
        }
    }

    /// Whether it uses a key.
    pub fn uses(&self, key: &KeyName) -> bool {
        self.spec.keys.is_empty() || self.spec.keys.contains(key)
    }

    /// Whether each of its processes holds `targets`. `None` if it has no process or wasn't looked at.
    pub fn holds(&self, targets: &Targets) -> Option<bool> {
        let processes = self.processes.as_ref().filter(|processes| !processes.is_empty())?;
        Some(processes.iter().all(|process| lacks(process, targets).next().is_none()))
    }

    /// Its state.
    pub fn state(&self, targets: &Targets) -> ConsumerState {
        if matches!(self.phase, Phase::Applying { .. }) {
            return ConsumerState::Applying;
        }
        let failed = matches!(&self.record.last_apply, Some(last) if last.outcome == Outcome::Failed);
        match self.holds(targets) {
            None if failed && self.record.pending.is_some() => ConsumerState::Failed,
            None => ConsumerState::Absent,
            Some(true) => ConsumerState::Current,
            Some(false) if self.record.pending.is_some() => ConsumerState::Pending,
            Some(false) => ConsumerState::Stale,
        }
    }

    /// Asks for a look. Returns whether one is to be ordered now.
    pub fn want_look(&mut self, why: Why) -> bool {
        match &mut self.phase {
            Phase::Idle => {
                self.phase = Phase::Looking { why, again: None };
                true
            }
            Phase::Looking { again, .. } => {
                *again = (*again).max(Some(why));
                false
            }
            Phase::Applying { again, .. } => {
                *again |= why >= Why::Change;
                false
            }
        }
    }

    /// Takes in a look. Returns why it was made, and whether another is to be ordered.
    pub fn looked(&mut self, processes: Option<Vec<ProcessReport>>, now: Timestamp) -> Option<Why> {
        let Phase::Looking { why, again } = self.phase.clone() else { return None };
        self.looked_at = Some(now);
        if processes.is_none() && self.record.pending.as_ref().is_some_and(|pending| pending.retry_at <= now) {
            // The look failed: not at once again.
            let soon = later(now, LOOK_AGAIN[LOOK_AGAIN.len() - 1]);
            if let (Some(pending), Some(soon)) = (&mut self.record.pending, soon) {
                pending.retry_at = soon;
            }
        }
        if let Some(processes) = processes {
            if !processes.is_empty() {
                self.look_again = None;
            }
            self.processes = Some(processes);
        }
        self.phase = Phase::Idle;
        Some(why.max(again.unwrap_or(why)))
    }

    /// The clock was set back: what was to be done at a time that is now far away is done sooner.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        if let (Some(pending), Some(latest)) = (&mut self.record.pending, later(now, LONGEST_BACKOFF)) {
            pending.retry_at = pending.retry_at.min(latest);
        }
        self.look_again = self.look_again.and_then(|(_, step)| later(now, LOOK_AGAIN[step])).map(|at| (at, 0));
    }

    /// A process of it ended.
    pub fn gone(&mut self, now: Timestamp) {
        self.look_again = later(now, LOOK_AGAIN[0]).map(|at| (at, 0));
    }

    /// Whether a look is due since a process ended.
    pub fn take_due_look(&mut self, now: Timestamp) -> bool {
        let Some((at, step)) = self.look_again else { return false };
        if at > now {
            return false;
        }
        self.look_again = LOOK_AGAIN.get(step + 1).and_then(|wait| later(now, *wait)).map(|at| (at, step + 1));
        true
    }

    /// When the limit of restarts allows the next; `None` if it does now.
    pub fn limited_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.record.restarts.retain(|at| *at <= now && now.duration_since(*at) < RESTART_WINDOW);
        let earliest = self.record.restarts.len().checked_sub(MAX_RESTARTS)?;
        later(self.record.restarts[earliest], RESTART_WINDOW)
    }

    /// An apply is about to be ordered.
    pub fn begin(&mut self, targets: &Targets, now: Timestamp) {
        self.record.restarts.push(now);
        self.record.applying = Some(targets.clone());
        self.phase = Phase::Applying { targets: targets.clone(), progress: "starting".into(), again: false };
    }

    /// An apply that an earlier daemon ordered is under way, or was.
    pub fn resume(&mut self) -> bool {
        let Some(targets) = self.record.applying.clone() else { return false };
        self.phase = Phase::Applying { targets, progress: "finishing what was begun before credd restarted".into(), again: true };
        true
    }

    /// An apply ended. Returns whether the keys changed meanwhile.
    pub fn end(&mut self, report: &ApplyReport, now: Timestamp) -> bool {
        let Phase::Applying { targets, again, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else { return false };
        self.record.applying = None;
        if report.outcome == Outcome::Superseded {
            self.record.restarts.pop();
            return true;
        }
        self.record.last_apply =
            Some(LastApply { at: now, outcome: report.outcome, seconds: report.took.as_secs_f64(), detail: report.detail.clone() });
        match report.outcome {
            Outcome::Applied => self.record.pending = None,
            _ => self.postpone(report.detail.clone(), &targets, None, now),
        }
        again
    }

    /// Puts an apply off, to `until` or by the back-off.
    pub fn postpone(&mut self, reason: String, targets: &Targets, until: Option<Timestamp>, now: Timestamp) {
        let tries = self.record.pending.as_ref().filter(|pending| pending.targets == *targets).map_or(0, |pending| pending.attempts);
        let attempts = if until.is_some() { tries } else { tries + 1 };
        let backoff = FIRST_BACKOFF
            .checked_mul(3_i32.saturating_pow(attempts.saturating_sub(1).min(8)))
            .unwrap_or(LONGEST_BACKOFF)
            .min(LONGEST_BACKOFF);
        let retry_at = until.or_else(|| later(now, backoff)).unwrap_or(Timestamp::MAX);
        self.record.pending = Some(Pending { reason, retry_at, attempts, targets: targets.clone() });
    }

    /// Whether a put-off apply is due.
    pub fn retry_due(&self, now: Timestamp) -> bool {
        self.phase == Phase::Idle && self.record.pending.as_ref().is_some_and(|pending| pending.retry_at <= now)
    }

    /// Records an alert about it. The caller saves, then sends.
    pub fn alert(&mut self, reason: Reason, channels: &[Channel], now: Timestamp) {
        let tag = format!("credd-consumer-{}", self.spec.name);
        let id = self.record.popup.take().map_or_else(|| popup_id(&tag), |popup| popup.id);
        self.record.popup = Some(PopupRecord { id, tag });
        self.record.alert = Some(AlertSent::new(now, reason, channels));
        self.delivery.hurry();
    }

    /// Ends its alert, since it is well again. Returns the popup to close.
    pub fn settle(&mut self) -> Option<PopupRecord> {
        self.record.alert = None;
        self.delivery = Delivery::default();
        self.record.popup.take()
    }

    /// The alert to be sent now, and the channels to send it by. They are taken to be under way.
    pub fn take_notices(&mut self, now: Timestamp) -> Vec<(Channel, Notice)> {
        let (Some(alert), Some(popup)) = (&self.record.alert, &self.record.popup) else { return Vec::new() };
        let due = self.delivery.due(alert, now);
        let detail = match alert.reason {
            Reason::TooManyRestarts => self.record.pending.as_ref().map(|pending| pending.reason.clone()),
            _ => self.record.last_apply.as_ref().map(|last| last.detail.clone()),
        };
        let notice = Notice {
            topic: Topic::Consumer(self.spec.name.clone()),
            reason: alert.reason,
            popup: popup.clone(),
            facts: Facts::Apply { detail: detail.unwrap_or_default() },
        };
        due.into_iter()
            .map(|channel| {
                self.delivery.started(channel);
                (channel, notice.clone())
            })
            .collect()
    }

    /// A channel took the alert.
    pub fn delivered(&mut self, channel: Channel, id: Option<u32>, now: Timestamp) {
        if let (Some(id), Some(popup)) = (id, &mut self.record.popup) {
            popup.id = id;
        }
        if let Some(alert) = &mut self.record.alert {
            self.delivery.succeeded(alert, channel, now);
        }
    }

    /// When something is to be done about it.
    pub fn deadline(&self) -> Option<Timestamp> {
        let retry = (self.phase == Phase::Idle).then_some(self.record.pending.as_ref().map(|pending| pending.retry_at)).flatten();
        let look = (self.phase == Phase::Idle).then_some(self.look_again.map(|(at, _)| at)).flatten();
        let delivery = self.record.alert.as_ref().and_then(|alert| self.delivery.deadline(alert));
        [retry, look, delivery].into_iter().flatten().min()
    }
}

/// The targets that a process doesn't hold.
pub fn lacks<'a>(process: &'a ProcessReport, targets: &'a Targets) -> impl Iterator<Item = &'a KeyName> {
    targets.iter().filter(|(key, print)| process.keys.get(*key).copied().flatten() != Some(**print)).map(|(key, _)| key)
}

fn later(now: Timestamp, wait: SignedDuration) -> Option<Timestamp> {
    now.checked_add(wait).ok()
}
