//! One consumer: what it runs with, what it should run with, and what is being done about it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alarm::{AlertSent, Channel, Delivery, Obstacle, PopupRecord};
use super::event::{ConsumerSpec, Facts, Notice, Ticket, Topic};
use super::key::popup_id;
use super::policy::Reason;
use super::record::{ConsumerRecord, HeldBack, LastApply, Pending};
use super::{ApplyReport, Fingerprint, KeyName, Outcome, ProcessReport};
use crate::core::order;

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

/// From the first apply that its worker turned down, since the world had moved on, to the second try;
/// tripled each time.
const TURNED_DOWN_BACKOFF: SignedDuration = SignedDuration::from_secs(5);
/// When to look again after a look that failed.
const LOOK_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// Why a consumer's processes are being looked at: what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// To know; nothing is done.
    Look,
    /// The daemon has started: one that is older than the file's last change is brought up to date.
    Start,
    /// The key changed.
    Change,
    /// The user wants it to have the keys.
    Asked,
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
    /// A worker has it take up keys; `again` if there was reason to do more meanwhile.
    Applying {
        /// The keys.
        targets: Targets,
        /// What the worker is at, after "is".
        progress: String,
        /// What may follow it.
        again: Option<Why>,
    },
}

/// State of a consumer (contract, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Who asked while an apply was under way: for what follows it.
    pub waiting_for_next: Vec<Ticket>,
    /// Who waits for a look.
    pub waiting_for_look: Vec<Ticket>,
    /// What is to follow once its files can be told, or it can be looked at, or the issuers of its keys
    /// have been asked.
    pub owed: Option<Why>,
    /// Keys whose issuers are being asked.
    pub asking: Targets,
    /// Keys whose issuers were asked for the decision that is to be made.
    pub asked: Targets,
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
            waiting_for_next: Vec::new(),
            waiting_for_look: Vec::new(),
            owed: None,
            asking: Targets::new(),
            asked: Targets::new(),
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

    /// Whether its last apply left it not serving and nobody has started it since.
    pub fn is_down(&self) -> bool {
        let Some(last) = self.record.last_apply.as_ref().filter(|last| last.outcome == Outcome::Failed) else { return false };
        let started_since = self.processes.iter().flatten().any(|process| process.started_at > last.at);
        self.record.pending.is_some() && !started_since
    }

    /// Whether a process was started by its last apply. That it is newer than some file then says
    /// nothing about what the user wants it to have.
    pub fn started_by_us(&self, process: &ProcessReport) -> bool {
        self.record.last_apply.as_ref().is_some_and(|last| {
            let ago = last.at.duration_since(process.started_at).as_secs_f64();
            (0.0..=last.seconds + 1.0).contains(&ago)
        })
    }

    /// The keys that some process of it doesn't hold.
    pub fn lacking(&self, targets: &Targets) -> Targets {
        let lacked = self.processes.iter().flatten().flat_map(|process| lacks(process, targets));
        order::gathered(lacked.filter_map(|key| targets.get(key).map(|print| (key.clone(), *print))))
    }

    /// Whether it has a process, as far as is known.
    pub fn runs(&self) -> bool {
        self.processes.as_ref().is_some_and(|processes| !processes.is_empty())
    }

    /// Whether it is to take up keys once their issuers have been asked.
    pub fn waits_for_issuer(&self) -> bool {
        !self.asking.is_empty()
    }

    /// An issuer was asked after one of its keys. Returns whether that was all it waits for.
    pub fn issuer_answered(&mut self, key: &KeyName, print: Fingerprint) -> bool {
        if self.asking.get(key) != Some(&print) {
            return false;
        }
        self.asking.remove(key);
        self.asked.insert(key.clone(), print);
        self.asking.is_empty()
    }

    /// Keeps on record that it isn't given `targets` for their issuers' sake. Returns whether that is news.
    pub fn hold_back(&mut self, targets: &Targets, refused: bool) -> bool {
        let held_back = Some(HeldBack { targets: targets.clone(), refused });
        let is_news = self.record.held_back != held_back;
        self.record.held_back = held_back;
        is_news
    }

    /// Its state.
    pub fn state(&self, targets: &Targets) -> ConsumerState {
        if matches!(self.phase, Phase::Applying { .. }) {
            return ConsumerState::Applying;
        }
        match self.holds(targets) {
            _ if self.is_down() => ConsumerState::Failed,
            None => ConsumerState::Absent,
            Some(true) => ConsumerState::Current,
            Some(false) if self.record.pending.is_some() || self.waits_for_issuer() => ConsumerState::Pending,
            Some(false) => ConsumerState::Stale,
        }
    }

    /// Asks for a look. Returns whether one is to be ordered now.
    pub fn want_look(&mut self, why: Why) -> bool {
        match &mut self.phase {
            Phase::Idle => {
                let why = self.owed.take().map_or(why, |owed| owed.max(why));
                self.phase = Phase::Looking { why, again: None };
                true
            }
            Phase::Looking { again, .. } | Phase::Applying { again, .. } => {
                *again = (*again).max(Some(why));
                false
            }
        }
    }

    /// Takes in a look. Returns what may follow; `None` if nothing may, since it wasn't ordered or has
    /// failed.
    pub fn looked(&mut self, processes: Option<Vec<ProcessReport>>, now: Timestamp) -> Option<Why> {
        let Phase::Looking { why, again } = self.phase else { return None };
        let why = again.map_or(why, |again| again.max(why));
        self.phase = Phase::Idle;
        let Some(processes) = processes else {
            // What was to follow does once a look succeeds, but not at once. Who asked is told.
            self.owed = Some(why.min(Why::Change));
            self.look_again = later(now, LOOK_RETRY).map(|at| (at, LOOK_AGAIN.len() - 1));
            return None;
        };
        self.looked_at = Some(now);
        // Where a process ended meanwhile, this look may have seen it still.
        if !processes.is_empty() && again.is_none() {
            self.look_again = None;
        }
        self.processes = Some(processes);
        Some(why)
    }

    /// The clock was set back: what was to be done at a time that is now far away is done sooner.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        self.count_restarts_as_of(now);
        if let Some(pending) = &mut self.record.pending {
            let longest = backoff(FIRST_BACKOFF, pending.attempts).max(RESTART_WINDOW);
            pending.retry_at = pending.retry_at.min(later(now, longest).unwrap_or(Timestamp::MAX));
        }
        if let Some((at, step)) = self.look_again {
            self.look_again = later(now, LOOK_AGAIN[step]).map(|latest| (at.min(latest), step));
        }
        self.delivery.clock_went_back(now);
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

    /// Restarts in the future were before the clock was set back. How long before can't be told. Those of long ago count no more.
    pub fn count_restarts_as_of(&mut self, now: Timestamp) {
        for restart in &mut self.record.restarts {
            *restart = (*restart).min(now);
        }
        self.record.restarts.retain(|at| now.duration_since(*at) < RESTART_WINDOW);
    }

    /// An apply is about to be ordered.
    pub fn begin(&mut self, targets: &Targets, now: Timestamp) {
        self.record.restarts.push(now);
        self.asked.clear();
        self.record.applying = Some(targets.clone());
        self.phase = Phase::Applying { targets: targets.clone(), progress: "starting".into(), again: None };
    }

    /// An apply that an earlier daemon, or an earlier configuration, ordered is under way, or was.
    pub fn resume(&mut self) -> bool {
        let Some(targets) = self.record.applying.clone() else { return false };
        let progress = "finishing what was begun before credd restarted".into();
        self.phase = Phase::Applying { targets, progress, again: Some(Why::Start) };
        true
    }

    /// An apply ended, `report` tells how if that is known. Returns what is to follow; `None` if none was
    /// under way.
    pub fn end(&mut self, report: Option<&ApplyReport>, now: Timestamp) -> Option<Why> {
        if !matches!(self.phase, Phase::Applying { .. }) {
            return None;
        }
        let Phase::Applying { targets, again, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else { return None };
        // What its worker did not get to do, or may not have: all is compared anew.
        let unsettled = again.max(Some(Why::Change));
        let Some(report) = report else {
            if !self.waiting_for_apply.is_empty() {
                return unsettled.max(Some(Why::Asked));
            }
            return unsettled;
        };
        self.record.applying = None;
        if matches!(report.outcome, Outcome::Superseded | Outcome::Refused) {
            // Nothing was restarted.
            self.record.restarts.pop();
        }
        if report.outcome == Outcome::Superseded {
            let attempts = self.tries(&targets) + 1;
            let retry_at = later(now, backoff(TURNED_DOWN_BACKOFF, attempts)).unwrap_or(Timestamp::MAX);
            self.record.pending = Some(Pending { reason: report.detail.clone(), retry_at, attempts, targets });
            return unsettled;
        }
        let seconds = report.took.as_secs_f64();
        self.record.applied(LastApply { at: now, outcome: report.outcome, seconds, detail: report.detail.clone() });
        match report.outcome {
            Outcome::Applied if self.record.pending.as_ref().is_some_and(|pending| !covers(&targets, &pending.targets)) => {
                self.put_off(now);
            }
            Outcome::Applied => self.record.pending = None,
            _ => self.postpone(report.detail.clone(), &targets, None, now),
        }
        Some(again.unwrap_or(Why::Look))
    }

    /// How often an apply of `targets` was tried without success.
    pub fn tries(&self, targets: &Targets) -> u32 {
        self.record.pending.as_ref().filter(|pending| pending.targets == *targets).map_or(0, |pending| pending.attempts)
    }

    /// Puts an apply off, to `until` or by the back-off.
    pub fn postpone(&mut self, reason: String, targets: &Targets, until: Option<Timestamp>, now: Timestamp) {
        let tries = self.tries(targets);
        let attempts = if until.is_some() { tries } else { tries.saturating_add(1) };
        let retry_at = until.or_else(|| later(now, backoff(FIRST_BACKOFF, attempts))).unwrap_or(Timestamp::MAX);
        self.record.pending = Some(Pending { reason, retry_at, attempts, targets: targets.clone() });
    }

    /// Puts what waits off once more, unchanged, if it is due. Returns whether it was.
    pub fn wait_on(&mut self, now: Timestamp) -> bool {
        let due = self.retry_due(now);
        if due {
            self.put_off(now);
        }
        due
    }

    fn put_off(&mut self, now: Timestamp) {
        if let Some(Pending { reason, targets, .. }) = self.record.pending.clone() {
            self.postpone(reason, &targets, None, now);
        }
    }

    /// When a put-off apply is to be tried, if nothing else decides about it before.
    fn retry_at(&self) -> Option<Timestamp> {
        self.record.pending.as_ref().filter(|_| self.phase == Phase::Idle && self.owed.is_none()).map(|pending| pending.retry_at)
    }

    /// Whether a put-off apply is due.
    pub fn retry_due(&self, now: Timestamp) -> bool {
        self.retry_at().is_some_and(|at| at <= now)
    }

    /// Records an alert about it. The caller saves, then sends.
    pub fn alert(&mut self, reason: Reason, channels: &[Channel], now: Timestamp) {
        let tag = tag_of(&self.spec);
        let id = self.record.popup.take().map_or_else(|| popup_id(&tag), |popup| popup.id);
        self.record.popup = Some(PopupRecord { id, tag });
        self.record.alert = Some(AlertSent::new(now, reason, channels));
        self.delivery.start_over();
    }

    /// Ends its alert, since it is well again. Returns the popup to close.
    pub fn settle(&mut self) -> Option<PopupRecord> {
        self.record.alert = None;
        self.delivery.forget();
        self.record.popup.take()
    }

    /// The alert to be sent now, and the channels to send it by. They are taken to be under way.
    pub fn take_notices(&mut self, now: Timestamp) -> Vec<(Channel, Notice)> {
        self.delivery.wake(now);
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
                self.delivery.started(channel, now);
                (channel, notice.clone())
            })
            .collect()
    }

    /// What keeps its alert from being told by all channels.
    pub fn obstacles<'a>(&'a self, found: &mut dyn FnMut(Obstacle<'a>)) {
        if let Some(alert) = &self.record.alert {
            self.delivery.obstacles(alert, found);
        }
    }

    /// A channel took an alert. Returns whether it was the latest, and a popup that came up too late.
    pub fn delivered(&mut self, channel: Channel, id: Option<u32>, now: Timestamp) -> (bool, Option<PopupRecord>) {
        let ours = self.delivery.ended(self.record.alert.as_mut(), channel, now);
        match (id, &mut self.record.popup) {
            (Some(id), Some(popup)) => popup.id = id,
            (Some(id), None) => return (ours, Some(PopupRecord { id, tag: tag_of(&self.spec) })),
            (None, _) => {}
        }
        (ours, None)
    }

    /// When something is to be done about it.
    pub fn deadline(&self) -> Option<Timestamp> {
        let look = self.look_again.map(|(at, _)| at).filter(|_| self.phase == Phase::Idle);
        let delivery = self.record.alert.as_ref().filter(|_| self.record.popup.is_some()).and_then(|alert| self.delivery.deadline(alert));
        [self.retry_at(), look, delivery].into_iter().flatten().min()
    }
}

/// Whether `targets` speak of all keys of `others`.
fn covers(targets: &Targets, others: &Targets) -> bool {
    others.keys().all(|key| targets.contains_key(key))
}

fn tag_of(spec: &ConsumerSpec) -> String {
    format!("credd-consumer-{}", spec.name)
}

fn backoff(first: SignedDuration, attempts: u32) -> SignedDuration {
    let factor = 3_i32.saturating_pow(attempts.saturating_sub(1).min(12));
    first.checked_mul(factor).unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF)
}

/// The targets that a process doesn't hold.
pub fn lacks<'a>(process: &'a ProcessReport, targets: &'a Targets) -> impl Iterator<Item = &'a KeyName> {
    targets.iter().filter(|(key, print)| process.keys.get(*key).copied().flatten() != Some(**print)).map(|(key, _)| key)
}

fn later(now: Timestamp, wait: SignedDuration) -> Option<Timestamp> {
    now.checked_add(wait).ok()
}
