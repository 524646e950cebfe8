//! `credd doctor`: checks everything around the keys, and says what to do about each thing it finds.
//!
//! Keys are told by their fingerprints, and looked for in this short-lived process: what it reads is wiped, and
//! no finding has a part of it.

mod checks;
mod finding;
mod ignore;
pub(super) mod look;
mod repair;
mod report;
mod situation;
mod sweep;
mod tokens;
mod walk;
mod wanted;
mod why;

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::io::{self, IsTerminal as _, Write as _};

use super::Failure;
use super::terminal::Terminal;
use super::trial::Trial;
use crate::core::order;
use crate::paths::Paths;
use finding::Finding;
use situation::Situation;

/// Arguments of `credd doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Repair what can be repaired safely, asking before each repair
    #[arg(long)]
    fix: bool,
    /// Answer yes to each repair
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Send no test popup
    #[arg(long)]
    no_popup: bool,
}

/// Checks, repairs what is to be repaired, and tells what is left: 0 if that is nothing worse than a note.
pub fn run(paths: &Paths, args: &DoctorArgs) -> Result<u8, Failure> {
    super::harden();
    let popup = OnceCell::new();
    if args.no_popup {
        let _ = popup.set(None);
    }
    let mut examined = examine(paths, &popup)?;
    let terminal = Terminal::of_stdout();
    if !args.json {
        // Whoever is asked is to know what and why.
        super::say(&report::text(&examined, args.fix, terminal))?;
    }
    if args.fix && repair(&examined, args, paths)? {
        let before = std::mem::replace(&mut examined, examine(paths, &popup)?);
        if !args.json {
            super::say(&report::rest(&before, &examined, terminal))?;
        }
    }
    if args.json {
        super::say(&report::json(&examined.findings).map_err(|error| Failure::failed(error.to_string()))?)?;
    }
    // A person wants to see it. GNOME takes it away with its sender.
    if let Some(trial) = popup.into_inner().flatten().filter(|_| !args.json && io::stdout().is_terminal()) {
        trial.linger();
    }
    Ok(u8::from(!report::is_ok(&examined.findings)))
}

/// What checks came to.
struct Examined {
    /// The worst first.
    findings: Vec<Finding>,
    /// How many checks were made.
    checks: usize,
    /// The test popup that was sent has arrived.
    has_shown: bool,
}

fn examine(paths: &Paths, popup: &OnceCell<Option<Trial>>) -> Result<Examined, Failure> {
    let situation = Situation::look(paths, popup)?;
    let made: Vec<_> = checks::ALL.iter().filter_map(|check| check.run(&situation)).collect();
    let checks = made.len();
    let mut findings: Vec<_> = made.into_iter().flatten().chain(checks::left_out(&situation)).collect();
    order::sort_by_key(&mut findings, |finding| Reverse(finding.problem.severity));
    Ok(Examined { findings, checks, has_shown: matches!(situation.popup, Some(Ok(()))) })
}

/// Carries repairs out, each after asking unless all are agreed to; whether any was tried.
fn repair(examined: &Examined, args: &DoctorArgs, paths: &Paths) -> Result<bool, Failure> {
    let (mut tried, mut answered) = (false, false);
    for finding in &examined.findings {
        let Some(repair) = &finding.repair else { continue };
        if !args.yes {
            if args.json {
                // Nothing else has said so yet.
                writeln!(io::stderr(), "{}: {}", finding.problem.message, why::why(&finding.problem.code))?;
            }
            let Some(agreed) = agreed(&repair.question(&paths.home))? else {
                if answered {
                    break;
                }
                return Err(Failure::usage("--fix asks before each repair, and nobody answers")
                    .hint("to have all safe repairs made without asking: credd doctor --fix --yes"));
            };
            answered = true;
            if !agreed {
                continue;
            }
        }
        tried = true;
        let (Ok(said) | Err(said)) = repair.carry_out(&paths.home);
        writeln!(io::stderr(), "{said}")?;
    }
    Ok(tried)
}

/// Asks a question, and takes an answer from wherever there is one (`yes | credd doctor --fix`).
fn agreed(question: &str) -> io::Result<Option<bool>> {
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        writeln!(err)?;
        return Ok(None);
    }
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}
