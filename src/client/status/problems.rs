//! What is wrong, on the page.

use super::keys::renewal;
use super::page::{DIM, FEWEST, Page, RED, YELLOW};
use crate::client::terminal::clean;
use crate::client::words;
use crate::core::order;
use crate::protocol::{ConsumerStatus, KeyStanding, KeyStatus, Problem, Severity};

/// So many problems of one kind are shown all; of more, the first few.
const SOME_ALIKE: usize = 5;

impl Page {
    /// Problems, the worst first; many of one kind are summed up.
    pub(super) fn problems(&mut self, problems: &[Problem], keys: &[&KeyStatus], consumers: &[&ConsumerStatus], all: bool) {
        // A key that is shown says itself that it is rejected, and what to do.
        let said = |problem: &Problem| {
            let rejected = keys.iter().filter(|key| key.state == KeyStanding::Rejected && key.detail.is_some());
            problem.code == "rejected-key" && rejected.into_iter().any(|key| problem.fix == renewal(key))
        };
        let problems: Vec<&Problem> = problems.iter().filter(|problem| !said(problem)).collect();
        // Of each code: how many there are, and were shown.
        let counts = order::counted(problems.iter().map(|problem| &*problem.code));
        let mut counts: Vec<_> = counts.into_iter().map(|(code, alike)| (code, alike, 0)).collect();
        for problem in problems {
            let Some((_, alike, shown)) = counts.iter_mut().find(|(code, ..)| *code == problem.code) else { continue };
            let alike = *alike;
            *shown += 1;
            if all || alike <= SOME_ALIKE || *shown <= FEWEST {
                self.problem(problem, without_reason(&problem.message, consumers));
            }
            if !all && alike > SOME_ALIKE && *shown == FEWEST {
                let rest = words::thousands(alike - FEWEST);
                self.facts(&[format!("and {rest} more like it ({})", clean(&problem.code))]);
                self.step("credd status --all", self.indent);
            }
        }
    }

    fn problem(&mut self, problem: &Problem, message: &str) {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", RED),
            Severity::Warning => ("warning", YELLOW),
            Severity::Info => ("note", DIM),
        };
        let text = format!("{} ({})", clean(message), clean(&problem.code));
        let word = self.terminal.paint(colour, word) + &" ".repeat(self.column.saturating_sub(word.len()));
        if self.indent < self.column {
            self.line(&word);
            self.facts(&[text]);
        } else {
            for (number, part) in self.fold(&text, self.terminal.width - self.indent).into_iter().enumerate() {
                let left = if number == 0 { word.clone() } else { " ".repeat(self.indent) };
                self.line(&format!("{left}{part}"));
            }
        }
        self.step(&clean(&problem.fix), self.indent);
    }
}

/// What is wrong with a consumer that is shown, without the reason, which it says itself.
fn without_reason<'p>(message: &'p str, consumers: &[&ConsumerStatus]) -> &'p str {
    let mut reasons = consumers.iter().filter_map(|consumer| consumer.detail.as_deref()).filter(|reason| !reason.is_empty());
    reasons.find_map(|reason| message.strip_suffix(reason)?.strip_suffix(": ")).unwrap_or(message)
}
