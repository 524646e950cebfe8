//! The checks: a file each, and a line here.

mod aws_cli;
mod clock;
mod confinement;
mod daemon;
mod duplicates;
mod git;
mod iam;
mod left_out;
mod linger;
mod litellm;
mod mode;
mod old_in_files;
mod old_in_processes;
mod path;
mod popup;
mod region;
mod revoke;
mod search;
mod service;
mod standing;
mod status;

use super::finding::Finding;
use super::situation::Situation;

/// One of them, and what it goes by.
pub struct Check {
    find: fn(&Situation) -> Vec<Finding>,
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The machine as it is.
    Nothing,
    /// What is tracked: told by a daemon, else by a configuration.
    Tracked,
    /// What issuers were asked, which nobody but a daemon does.
    Asked,
}

impl Check {
    const fn of(find: fn(&Situation) -> Vec<Finding>, needs: Needs) -> Self {
        Self { find, needs }
    }

    /// What it finds; `None` where it has nothing to go by.
    pub fn run(&self, situation: &Situation) -> Option<Vec<Finding>> {
        left_out::can_be_made(situation, self.needs).then(|| (self.find)(situation))
    }
}

/// All of them; of findings that are equally bad, those of the first stand first.
pub const ALL: &[Check] = &[
    Check::of(daemon::check, Needs::Nothing),
    Check::of(service::check, Needs::Nothing),
    Check::of(path::check, Needs::Nothing),
    Check::of(status::check, Needs::Tracked),
    Check::of(standing::check, Needs::Tracked),
    Check::of(mode::check, Needs::Tracked),
    Check::of(duplicates::check, Needs::Tracked),
    Check::of(git::check, Needs::Tracked),
    Check::of(old_in_processes::check, Needs::Tracked),
    Check::of(old_in_files::check, Needs::Tracked),
    Check::of(region::check, Needs::Tracked),
    Check::of(revoke::check, Needs::Tracked),
    Check::of(litellm::check, Needs::Tracked),
    Check::of(popup::check, Needs::Nothing),
    Check::of(iam::check, Needs::Asked),
    Check::of(aws_cli::check, Needs::Tracked),
    Check::of(linger::check, Needs::Nothing),
    Check::of(clock::check, Needs::Nothing),
    Check::of(search::check, Needs::Tracked),
    Check::of(confinement::check, Needs::Nothing),
];

/// What was not looked at, in one finding.
pub use left_out::finding as left_out;
