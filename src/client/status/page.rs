//! The page that `credd status` shows.

use jiff::Zoned;

use super::worst::{trouble, urgency};
use super::{Current, Layout, StatusArgs, ascii, fold};
use crate::client::terminal::{Terminal, clean, columns};
use crate::client::words;
use crate::core::order;
use crate::paths::Paths;
use crate::protocol::{ConsumerState, ConsumerStatus, KeyStanding, KeyStatus};

pub(super) const RED: &str = "31";
pub(super) const YELLOW: &str = "33";
pub(super) const GREEN: &str = "32";
pub(super) const DIM: &str = "2";
const BOLD: &str = "1";

/// Cells of a standing.
pub(super) const STANDING: usize = 10;
/// So many keys are shown all, and so many consumers: about a screenful.
const SOME_KEYS: usize = 12;
const SOME_CONSUMERS: usize = 20;
/// Of more, so many are shown: those in trouble, up to the second number, else the next to be.
pub(super) const FEWEST: usize = 3;
const MOST: usize = 10;
/// Of 80 columns, a bar has its place beside any name of that length.
const WIDEST_COLUMN: usize = 20;
/// Below this width there is no room for a column of names.
const NARROW: usize = 60;

/// A page that is being written.
pub(super) struct Page {
    text: String,
    pub(super) terminal: Terminal,
    /// Bars are of use.
    pub(super) draws: bool,
    pub(super) now: Zoned,
    /// Width of the left column, which has the names.
    pub(super) column: usize,
    /// Where lines begin that say more of what is named to the left.
    pub(super) indent: usize,
}

/// Lays out what is known.
pub(super) fn full(current: &Current, paths: &Paths, layout: Layout, now: &Zoned, args: &StatusArgs) -> String {
    let Current { status, offline, .. } = current;
    let (Layout { terminal, draws }, all) = (layout, args.all);
    // Of those that use the one key that was asked for, its own paragraph says how they are.
    let is_asked_for = |consumer: &&ConsumerStatus| args.name.as_ref().is_none_or(|name| *name == consumer.name);
    let mut consumers: Vec<&ConsumerStatus> = status.consumers.iter().filter(is_asked_for).collect();
    let names = status.keys.iter().map(|key| &key.name).chain(consumers.iter().map(|consumer| &consumer.name));
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let is_narrow = terminal.width < NARROW;
    let column = (longest + 2).clamp(12, if is_narrow { 16 } else { WIDEST_COLUMN });
    let indent = if is_narrow { 2 } else { column };
    let mut page = Page { text: String::new(), terminal, draws, now: now.clone(), column, indent };
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
    let (shown_keys, other_keys) = keys.split_at(shown);
    for key in shown_keys {
        page.key(key, status, paths);
        page.line("");
    }
    page.more_keys(other_keys);
    order::sort_by_key(&mut consumers, |consumer| trouble(consumer.state));
    let in_trouble = consumers.iter().filter(|consumer| trouble(consumer.state) < trouble(ConsumerState::Current)).count();
    let shown = if all || consumers.len() <= SOME_CONSUMERS { consumers.len() } else { in_trouble.clamp(FEWEST, MOST) };
    for consumer in &consumers[..shown] {
        page.consumer(consumer);
    }
    page.more_consumers(&consumers[shown..]);
    if !consumers.is_empty() {
        page.line("");
    }
    page.problems(&status.problems, shown_keys, &consumers[..shown], all);
    // Between paragraphs, not after the last.
    let end = page.text.trim_end().len();
    page.text.truncate(end);
    page.line("");
    page.text
}

impl Page {
    /// How many more of something there are, with what is to be known of them.
    pub(super) fn sum_up(&mut self, what: &str, count: usize, counts: String, then: [Option<String>; 2]) {
        let plural = if count == 1 { "" } else { "s" };
        let known = [Some(counts)].into_iter().chain(then).flatten().collect::<Vec<_>>().join("; ");
        let text = format!("{} more {what}{plural}: {known}", words::thousands(count));
        for part in self.fold(&text, self.terminal.width) {
            self.line(&part);
        }
        self.step("credd status NAME shows one, credd status --all shows all", 0);
    }

    /// A name, a standing and the rest of a line.
    /// The rest is of this width, and goes to a line of its own where it doesn't fit.
    pub(super) fn head(&mut self, name: &str, standing: &str, colour: &str, rest: &[&str], width: usize) {
        let name = clean(name);
        let length = name.chars().count();
        let gap = self.column.saturating_sub(length).max(2);
        let name = self.terminal.paint(BOLD, &name);
        let fits = length + gap + STANDING + width <= self.terminal.width;
        let standing = self.terminal.paint(colour, standing) + &" ".repeat(STANDING.saturating_sub(standing.len()));
        let rest = rest.concat();
        if fits {
            self.line(&format!("{name}{:gap$}{standing}{rest}", ""));
        } else {
            if length + gap + STANDING <= self.terminal.width {
                self.line(&format!("{name}{:gap$}{standing}", ""));
            } else {
                self.line(&name);
                self.line(&format!("{:1$}{standing}", "", self.indent));
            }
            if width > 0 {
                self.line(&format!("{:1$}{rest}", "", self.indent));
            }
        }
    }

    /// Facts one after the other, where a line has room for the whole of the next.
    pub(super) fn facts(&mut self, facts: &[String]) {
        let width = self.terminal.width - self.indent;
        let mut lines: Vec<String> = Vec::new();
        for fact in facts {
            match lines.last_mut() {
                Some(last) if columns(last) + 2 + columns(fact) <= width => {
                    last.push_str(", ");
                    last.push_str(fact);
                }
                _ => lines.push(fact.clone()),
            }
        }
        for part in lines.iter().flat_map(|line| self.fold(line, width)).collect::<Vec<_>>() {
            self.line(&format!("{:1$}{part}", "", self.indent));
        }
    }

    /// What to do next.
    pub(super) fn step(&mut self, text: &str, indent: usize) {
        let arrow = if self.terminal.unicode { "→ " } else { "> " };
        for (number, part) in self.fold(text, self.terminal.width - indent - 2).into_iter().enumerate() {
            let arrow = if number == 0 { arrow } else { "  " };
            let part = self.terminal.paint(BOLD, &part);
            self.line(&format!("{:indent$}{arrow}{part}", ""));
        }
    }

    /// Breaks text as it will be shown, since what is no character here takes more room.
    pub(super) fn fold(&self, text: &str, width: usize) -> Vec<String> {
        if self.terminal.unicode { fold(text, width) } else { fold(&ascii(text), width) }
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }
}
