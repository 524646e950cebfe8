//! The checks: a file each, and a line here.

mod aws_cli;
mod clock;
mod confinement;
mod daemon;
mod duplicates;
mod git;
mod iam;
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

type Check = fn(&Situation) -> Vec<Finding>;

/// All of them; of findings that are equally bad, those of the first stand first.
pub const ALL: &[Check] = &[
    daemon::check,
    service::check,
    path::check,
    status::check,
    standing::check,
    mode::check,
    duplicates::check,
    git::check,
    old_in_processes::check,
    old_in_files::check,
    region::check,
    revoke::check,
    litellm::check,
    popup::check,
    iam::check,
    aws_cli::check,
    linger::check,
    clock::check,
    search::check,
    confinement::check,
];
