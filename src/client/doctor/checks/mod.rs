//! The checks: a file each, and a line here.

mod confinement;
mod daemon;
mod duplicates;
mod git;
mod iam;
mod mode;
mod old_in_files;
mod old_in_processes;
mod region;
mod revoke;
mod search;
mod standing;
mod status;

use super::finding::Finding;
use super::situation::Situation;

type Check = fn(&Situation) -> Vec<Finding>;

/// All of them; of findings that are equally bad, those of the first stand first.
pub const ALL: &[Check] = &[
    daemon::check,
    status::check,
    standing::check,
    mode::check,
    duplicates::check,
    git::check,
    old_in_processes::check,
    old_in_files::check,
    region::check,
    revoke::check,
    iam::check,
    search::check,
    confinement::check,
];
