//! Findings as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::Examined;
use super::finding::Finding;
use super::why::why;
use crate::client::json as laid_out;
use crate::client::status::{ascii, fold};
use crate::client::terminal::Terminal;
use crate::protocol::{Problem, Severity};

/// Wider lines are hard to read.
const WIDEST: usize = 80;
/// Before what is said of a finding.
const INDENT: usize = 2;

/// The document of `--json`.
#[derive(Serialize)]
struct Document<'f> {
    findings: Vec<Told<'f>>,
    ok: bool,
}

#[derive(Serialize)]
struct Told<'f> {
    code: &'f str,
    severity: Severity,
    message: &'f str,
    why: &'f str,
    fix: &'f str,
}

/// Whether there is nothing worse than good to know.
pub fn is_ok(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.problem.severity <= Severity::Info)
}

/// As JSON.
pub fn json(findings: &[Finding]) -> Result<String, serde_json::Error> {
    let document = Document { findings: findings.iter().map(told).collect(), ok: is_ok(findings) };
    laid_out::text(&document)
}

fn told(finding: &Finding) -> Told<'_> {
    let Problem { code, severity, message, fix, .. } = &finding.problem;
    Told { code, severity: *severity, message, why: why(code), fix }
}

/// For people, the worst first. Whoever is about to be asked for repairs isn't told that there are some.
pub fn text(examined: &Examined, is_to_repair: bool, terminal: Terminal) -> String {
    let findings: Vec<&Finding> = examined.findings.iter().collect();
    let mut summary = summary(examined);
    let repairs = findings.iter().filter(|finding| finding.repair.is_some()).count();
    if repairs > 0 && !is_to_repair {
        let _ = write!(summary, " credd doctor --fix can repair {repairs} of them.");
    }
    if examined.has_shown {
        summary.push_str(" A test popup was sent, and has arrived.");
    }
    page(&findings, &summary, terminal)
}

/// What there is after repairs that was told `before` them is summed up.
pub fn rest(before: &Examined, after: &Examined, terminal: Terminal) -> String {
    let is_news = |finding: &&Finding| !before.findings.iter().any(|told| told.problem == finding.problem);
    let news: Vec<&Finding> = after.findings.iter().filter(is_news).collect();
    let mut codes: Vec<&str> = Vec::new();
    for finding in &after.findings {
        if !codes.contains(&finding.problem.code.as_str()) {
            codes.push(&finding.problem.code);
        }
    }
    let mut summary = summary(after);
    if !codes.is_empty() {
        let _ = write!(summary, " Left: {}.", codes.join(", "));
    }
    format!("\n{}", page(&news, &summary, terminal))
}

fn page(findings: &[&Finding], summary: &str, terminal: Terminal) -> String {
    let width = terminal.width.min(WIDEST);
    let mut text = String::new();
    for finding in findings {
        let problem = &finding.problem;
        let (mark, word, colour) = match problem.severity {
            Severity::Error => ('✗', "error", "31"),
            Severity::Warning => ('!', "warning", "33"),
            Severity::Info => ('·', "note", "2"),
        };
        let mark = match mark {
            mark if terminal.unicode => mark,
            '✗' => 'x',
            '·' => '-',
            mark => mark,
        };
        let _ = writeln!(text, "{} {}", terminal.paint(colour, &format!("{mark} {word}:")), terminal.paint("1", &problem.code));
        for part in fold(&problem.message, width - INDENT) {
            let _ = writeln!(text, "{:INDENT$}{part}", "");
        }
        for (label, what) in [("why", why(&problem.code)), ("fix", &problem.fix)] {
            for (number, part) in fold(&format!("{label}: {what}"), width - INDENT - INDENT).iter().enumerate() {
                // What goes on belongs to what is above.
                let indent = if number == 0 { INDENT } else { INDENT + INDENT };
                let _ = writeln!(text, "{:indent$}{part}", "");
            }
        }
        text.push('\n');
    }
    for part in fold(summary, width) {
        let _ = writeln!(text, "{part}");
    }
    if terminal.unicode { text } else { ascii(&text) }
}

fn summary(Examined { findings, checks, .. }: &Examined) -> String {
    let count = |severity, one: &str, many: &str| {
        let number = findings.iter().filter(|finding| finding.problem.severity == severity).count();
        (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { many }))
    };
    let counts = [
        count(Severity::Error, "error", "errors"),
        count(Severity::Warning, "warning", "warnings"),
        count(Severity::Info, "note", "notes"),
    ];
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    match counts.as_slice() {
        [] => format!("Nothing to fix: {checks} checks."),
        counts if is_ok(findings) => format!("Nothing is wrong: {checks} checks, {}.", counts.join(", ")),
        counts => format!("{checks} checks: {}.", counts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { colour: false, unicode: false, width: 100 };

    #[test]
    fn a_page_of_eighty_columns() {
        let findings = vec![
            Finding::error("env-file-mode", &"something went wrong at some length ".repeat(4), "do this"),
            Finding::info("clock-went-back", "good to know…", "nothing"),
        ];
        assert_eq!(
            text(&Examined { findings, checks: 9, has_shown: false }, false, PLAIN),
            "\
x error: env-file-mode
  something went wrong at some length something went wrong at some length
  something went wrong at some length something went wrong at some length
  why: whoever reads it can use your keys
  fix: do this

- note: clock-went-back
  good to know...
  why: days are counted by this clock
  fix: nothing

9 checks: 1 error, 1 note.
"
        );
    }

    #[test]
    fn nothing_is_said_in_a_line() {
        assert_eq!(text(&Examined { findings: Vec::new(), checks: 9, has_shown: false }, false, PLAIN), "Nothing to fix: 9 checks.\n");
        let shown = Examined { findings: Vec::new(), checks: 9, has_shown: true };
        assert_eq!(text(&shown, false, PLAIN), "Nothing to fix: 9 checks. A test popup was sent, and has arrived.\n");
        assert_eq!(json(&[]).unwrap(), "{\n  \"findings\": [],\n  \"ok\": true\n}\n");
    }

    #[test]
    fn names_can_t_steer_the_terminal() {
        let findings = vec![Finding::warning("a-code", "~/a\u{1b}[2Jb has it", "x\u{202e}y")];
        assert!(!json(&findings).unwrap().contains("u001b"));
        assert!(!text(&Examined { findings, checks: 1, has_shown: false }, false, PLAIN).contains('\u{1b}'));
    }

    #[test]
    fn after_repairs_what_was_told_is_summed_up() {
        let mode = || Finding::warning("env-file-mode", "~/a can be read by others (mode 0644)", "chmod 600 ~/a");
        let stays = || Finding::info("not-on-path", "there is no credd on this terminal's PATH", "add it");
        let examined = |findings| Examined { findings, checks: 9, has_shown: false };
        let before = examined(vec![mode(), stays()]);
        assert_eq!(rest(&before, &examined(vec![stays()]), PLAIN), "\nNothing is wrong: 9 checks, 1 note. Left: not-on-path.\n");
        assert_eq!(rest(&before, &examined(Vec::new()), PLAIN), "\nNothing to fix: 9 checks.\n");
        let news = rest(&examined(vec![stays()]), &examined(vec![mode(), stays()]), PLAIN);
        assert!(news.contains("chmod 600 ~/a") && news.ends_with("Left: env-file-mode, not-on-path.\n"), "{news}");
    }
}
