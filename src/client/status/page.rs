//! The page that `credd status` shows.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Zoned;

use super::fold;
use super::worst::{counted, standing_rank, standing_word, state_word, trouble, urgency};
use crate::client::terminal::{Terminal, clean};
use crate::client::{Failure, words};
use crate::core::{IssuedSource, Outcome, ProbeVerdict, Reason, order};
use crate::paths::{Paths, tilde};
use crate::protocol::{ConsumerState, ConsumerStatus, FormerKey, KeyStanding, KeyStatus, Problem, Severity, Status};

const RED: &str = "31";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const DIM: &str = "2";
const BOLD: &str = "1";

/// Cells of a bar.
const BAR: usize = 30;
/// Cells of a standing.
const STANDING: usize = 10;
/// So many keys are shown all, and so many consumers: about a screenful.
const SOME_KEYS: usize = 12;
const SOME_CONSUMERS: usize = 20;
/// Of more, so many are shown: those in trouble, up to the second number, else the next to be.
const FEWEST: usize = 3;
const MOST: usize = 10;
/// So many problems of one kind are shown all; of more, the first few.
const SOME_ALIKE: usize = 5;

/// Below this width there is no room for a column of names.
const NARROW: usize = 60;

/// A page that is being written.
struct Page {
    text: String,
    terminal: Terminal,
    now: Zoned,
    /// Width of the left column, which has the names.
    column: usize,
    /// Where lines begin that say more of what is named to the left.
    indent: usize,
}

/// Lays `status` out.
pub fn full(status: &Status, offline: Option<&Failure>, paths: &Paths, terminal: Terminal, now: &Zoned, all: bool) -> String {
    let names = status.keys.iter().map(|key| &key.name).chain(status.consumers.iter().map(|consumer| &consumer.name));
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let column = (longest + 2).clamp(12, 26);
    let indent = if terminal.width < NARROW { 2 } else { column };
    let mut page = Page { text: String::new(), terminal, now: now.clone(), column, indent };
    if let Some(failure) = offline {
        for part in fold(&format!("{}: this is the last saved state", clean(&failure.message)), terminal.width) {
            page.line(&terminal.paint(YELLOW, &part));
        }
        if let Some(hint) = &failure.hint {
            page.step(&clean(hint), 0);
        }
        page.line("");
    }
    if status.keys.is_empty() && status.consumers.is_empty() {
        page.line("Nothing is known yet.");
        page.line("");
    }
    let mut keys: Vec<&KeyStatus> = status.keys.iter().collect();
    order::sort_by(&mut keys, |a, b| urgency(a).total_cmp(&urgency(b)));
    let in_trouble = keys.iter().filter(|key| key.state != KeyStanding::Ok).count();
    let shown = if all || keys.len() <= SOME_KEYS { keys.len() } else { in_trouble.clamp(FEWEST, MOST) };
    for key in &keys[..shown] {
        page.key(key, paths);
        page.line("");
    }
    page.more_keys(&keys[shown..]);
    let mut consumers: Vec<&ConsumerStatus> = status.consumers.iter().collect();
    order::sort_by_key(&mut consumers, |consumer| trouble(consumer.state));
    let in_trouble = consumers.iter().filter(|consumer| trouble(consumer.state) < trouble(ConsumerState::Current)).count();
    let shown = if all || consumers.len() <= SOME_CONSUMERS { consumers.len() } else { in_trouble.clamp(FEWEST, MOST) };
    for consumer in &consumers[..shown] {
        page.consumer(consumer);
    }
    page.more_consumers(&consumers[shown..]);
    if !status.consumers.is_empty() {
        page.line("");
    }
    page.problems(&status.problems, all);
    // Between paragraphs, not after the last.
    let end = page.text.trim_end().len();
    page.text.truncate(end);
    page.line("");
    page.text
}

impl Page {
    fn key(&mut self, key: &KeyStatus, paths: &Paths) {
        let colour = match key.state {
            KeyStanding::Ok => GREEN,
            KeyStanding::Due => YELLOW,
            _ => RED,
        };
        let left = match (key.state, key.days_left) {
            (KeyStanding::Expired, Some(left)) => format!("{} ago", words::days(-left)),
            (KeyStanding::Ok | KeyStanding::Due, Some(left)) => format!("{} left", words::days(left)),
            (KeyStanding::Ok, None) => "doesn't expire".into(),
            _ => String::new(),
        };
        let bar = bar(key, self.terminal)
            .filter(|_| self.terminal.width >= self.column + STANDING + BAR + 20)
            .map(|bar| format!("{}  ", self.terminal.paint(colour, &bar)))
            .unwrap_or_default();
        self.head(&key.name, standing_word(key.state), colour, &format!("{bar}{left}"));
        let place = tilde(Path::new(&key.env_file), &paths.home);
        self.facts(&[format!("{} in {}", clean(&key.variable), clean(&place))]);
        if let Some(detail) = &key.detail {
            self.facts(&[clean(detail)]);
        }
        let facts = self.dates(key);
        self.facts(&facts);
        if let (Some(user), Some(account)) = (&key.user, &key.account) {
            self.facts(&[format!("IAM user {} of account {}", clean(user), clean(account))]);
        }
        if let Some(renewal) = &key.renewal {
            self.facts(&[format!("credd is {}", clean(renewal))]);
        }
        for former in &key.former {
            let facts = self.former(former);
            self.facts(&facts);
        }
        match key.state {
            KeyStanding::Due | KeyStanding::Expired | KeyStanding::Rejected | KeyStanding::Missing => {
                self.step(&format!("credd renew {}", clean(&key.name)), self.indent);
            }
            KeyStanding::Ok | KeyStanding::Dynamic | KeyStanding::Unreadable => {}
        }
    }

    /// What is left of a key that was replaced.
    fn former(&self, former: &FormerKey) -> Vec<String> {
        let whose = former.user.as_ref().map(|user| format!(" (IAM user {})", clean(user))).unwrap_or_default();
        let replaced = words::ago(former.replaced_at, self.now.timestamp());
        let what = match former.delete_at {
            Some(at) => format!("the one before{whose} is inactive and is deleted {}", words::moment_short(at, &self.now)),
            None => format!("the one before{whose}, replaced {replaced}, may still be accepted: revoke it"),
        };
        let holders = former.consumers.iter().map(|name| format!("{} still runs with it", clean(name)));
        let files = former.env_files.iter().map(|file| format!("still in {}", clean(file)));
        [what].into_iter().chain(holders).chain(files).collect()
    }

    fn dates(&self, key: &KeyStatus) -> Vec<String> {
        let now = &self.now;
        let told = told_of_dates(key);
        let waits = key.alerts_sent.last().is_some_and(|alert| !alert.delivered);
        let expires = key.expires_at.map(|at| {
            let word = if key.state == KeyStanding::Expired { "expired" } else { "expires" };
            format!("{word} {}", words::moment_short(at, now))
        });
        let next = match (key.snoozed_until, key.next_alert_at) {
            (None, _) if waits => Some("an alert waits until it can be shown".into()),
            (Some(until), _) => Some(format!("quiet until {}", words::moment_short(until, now))),
            (None, Some(at)) if at > now.timestamp() => {
                let what = if told { "next reminder" } else { "first alert" };
                Some(format!("{what} {}", words::moment_short(at, now)))
            }
            (None, _) => None,
        };
        let issued = key.issued_at.map(|at| {
            let day = words::day(at, now);
            match key.issued_source {
                Some(IssuedSource::File) => format!("issued {day} or earlier (the file's date)"),
                Some(IssuedSource::Observed) => format!("issued {day} (seen to arrive)"),
                Some(IssuedSource::Renewed) => format!("issued {day} (renewed by credd)"),
                Some(IssuedSource::Declared) => format!("issued {day} (as you said)"),
                Some(IssuedSource::Iam) => format!("issued {day} (IAM says so)"),
                Some(IssuedSource::Key) => format!("issued {day} (the key says so)"),
                None => format!("issued {day}"),
            }
        });
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
        [expires, next, issued, probe].into_iter().flatten().collect()
    }

    fn consumer(&mut self, consumer: &ConsumerStatus) {
        let word = state_word(consumer.state);
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
        self.head(&consumer.name, word, colour, &what);
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
                Outcome::Applied => format!("took up the key {ago}, in {} s", last.seconds),
                Outcome::RolledBack => format!("kept its old key {ago}{why}"),
                Outcome::Failed => format!("its restart failed {ago}{why}"),
                // Why stands with the key.
                Outcome::Refused => format!("left as it was {ago}: its new key was rejected"),
                Outcome::Superseded => format!("left as it was {ago}{why}"),
            };
            self.facts(&[how]);
        }
    }

    /// What keys come to that aren't shown, the first of which is the next to be due.
    fn more_keys(&mut self, keys: &[&KeyStatus]) {
        if keys.is_empty() {
            return;
        }
        let due = keys.iter().find(|key| key.state == KeyStanding::Ok).and_then(|key| key.next_alert_at);
        let due = due.map(|at| format!("the next first alert is {}", words::moment_short(at, &self.now)));
        let counts = counted(keys.iter().map(|key| (standing_rank(key.state), standing_word(key.state))));
        self.sum_up("key", keys.len(), &counts, due);
        self.line("");
    }

    fn more_consumers(&mut self, consumers: &[&ConsumerStatus]) {
        if !consumers.is_empty() {
            let counts = counted(consumers.iter().map(|consumer| (trouble(consumer.state), state_word(consumer.state))));
            self.sum_up("consumer", consumers.len(), &counts, None);
        }
    }

    fn sum_up(&mut self, what: &str, count: usize, counts: &str, then: Option<String>) {
        let plural = if count == 1 { "" } else { "s" };
        let text = format!("{} more {what}{plural}: {counts}", words::thousands(count));
        let text = [Some(text), then].into_iter().flatten().collect::<Vec<_>>().join("; ");
        for part in fold(&text, self.terminal.width) {
            self.line(&part);
        }
        self.step("credd status NAME shows one, credd status --all shows all", 0);
    }

    /// Problems, the worst first; many of one kind are summed up.
    fn problems(&mut self, problems: &[Problem], all: bool) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for problem in problems {
            *counts.entry(&problem.code).or_default() += 1;
        }
        let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
        for problem in problems {
            let (alike, shown) = (counts.get(&*problem.code).copied().unwrap_or_default(), shown.entry(&problem.code).or_default());
            *shown += 1;
            if all || alike <= SOME_ALIKE || *shown <= FEWEST {
                self.problem(problem);
            }
            if !all && alike > SOME_ALIKE && *shown == FEWEST {
                let rest = words::thousands(alike - FEWEST);
                self.facts(&[format!("and {rest} more like it ({})", clean(&problem.code))]);
                self.step("credd status --all", self.indent);
            }
        }
    }

    fn problem(&mut self, problem: &Problem) {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", RED),
            Severity::Warning => ("warning", YELLOW),
            Severity::Info => ("note", DIM),
        };
        let text = format!("{} ({})", clean(&problem.message), clean(&problem.code));
        let word = self.terminal.paint(colour, word) + &" ".repeat(self.column.saturating_sub(word.len()));
        if self.indent < self.column {
            self.line(&word);
            self.facts(&[text]);
        } else {
            for (number, part) in fold(&text, self.terminal.width - self.indent).into_iter().enumerate() {
                let left = if number == 0 { word.clone() } else { " ".repeat(self.indent) };
                self.line(&format!("{left}{part}"));
            }
        }
        self.step(&clean(&problem.fix), self.indent);
    }

    /// A name, a standing and the rest of a line.
    fn head(&mut self, name: &str, standing: &str, colour: &str, rest: &str) {
        let name = clean(name);
        let gap = " ".repeat(self.column.saturating_sub(name.chars().count()).max(2));
        let name = self.terminal.paint(BOLD, &name);
        let standing = self.terminal.paint(colour, standing) + &" ".repeat(STANDING.saturating_sub(standing.len()));
        self.line(&format!("{name}{gap}{standing}{rest}"));
    }

    /// Facts one after the other, where a line has room for the whole of the next.
    fn facts(&mut self, facts: &[String]) {
        let width = self.terminal.width - self.indent;
        let mut lines: Vec<String> = Vec::new();
        for fact in facts {
            match lines.last_mut() {
                Some(last) if last.chars().count() + 2 + fact.chars().count() <= width => {
                    last.push_str(", ");
                    last.push_str(fact);
                }
                _ => lines.push(fact.clone()),
            }
        }
        for part in lines.iter().flat_map(|line| fold(line, width)) {
            self.line(&format!("{:1$}{part}", "", self.indent));
        }
    }

    /// What to do next.
    fn step(&mut self, text: &str, indent: usize) {
        let arrow = if self.terminal.unicode { "→ " } else { "> " };
        for (number, part) in fold(text, self.terminal.width - indent - 2).into_iter().enumerate() {
            let arrow = if number == 0 { arrow } else { "  " };
            let part = self.terminal.paint(BOLD, &part);
            self.line(&format!("{:indent$}{arrow}{part}", ""));
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }
}

/// Whether the first alert of its end is past.
fn told_of_dates(key: &KeyStatus) -> bool {
    key.alerts_sent.iter().any(|alert| alert.delivered && alert.reason != Reason::Rejected.to_string())
}

/// The key's life as a bar, with a mark where the first alert will be.
fn bar(key: &KeyStatus, terminal: Terminal) -> Option<String> {
    let (age, left) = (key.age_days?, key.days_left?);
    let life = age + left;
    if life <= 0.0 || !matches!(key.state, KeyStanding::Ok | KeyStanding::Due | KeyStanding::Expired) {
        return None;
    }
    let first_alert = key.next_alert_at.filter(|_| key.state == KeyStanding::Ok && !told_of_dates(key));
    let mark = first_alert.zip(key.issued_at).map(|(at, issued)| at.duration_since(issued).as_secs_f64() / 86_400.0);
    #[expect(clippy::cast_precision_loss, reason = "thirty")]
    let cells = BAR as f64;
    let place = |days: f64| (days / life).clamp(0.0, 1.0) * cells;
    let (done, mark) = (place(age), mark.map(place));
    let (full, rest, tick) = if terminal.unicode { ('━', '─', '┃') } else { ('=', '-', '|') };
    let mut bar = String::new();
    let mut cell = 0.0;
    while cell < cells {
        bar.push(if mark.is_some_and(|mark| cell <= mark && mark < cell + 1.0) {
            tick
        } else if cell + 0.5 <= done {
            full
        } else {
            rest
        });
        cell += 1.0;
    }
    Some(bar)
}
