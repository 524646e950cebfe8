//! Retiring a key that was replaced.

use std::io;

use super::Tell;
use super::in_use::InUse;
use crate::aws::{Cli, Kind, iam};
use crate::core::{RetireReport, RetireStep, Trouble};
use crate::salt::Salt;
use crate::worker::job::{Answer, RetireOrder};

/// Takes a step of retiring a credential, unless a tracked file holds it.
pub fn retire(order: &RetireOrder, answer: Tell<'_>) -> io::Result<()> {
    let salt = Salt::load(&order.state_dir)?;
    answer(&Answer::Retired(step(order, &salt).unwrap_or_else(RetireReport::Trouble)));
    Ok(())
}

fn step(order: &RetireOrder, salt: &Salt) -> Result<RetireReport, Trouble> {
    if InUse::read(&order.tracked)?.has(order.fingerprint, salt) {
        return Ok(RetireReport::InUse);
    }
    let cli = Cli::new(order.profile.as_deref());
    let done = match order.step {
        RetireStep::Deactivate => iam::deactivate(&cli, &order.user, &order.id),
        RetireStep::Delete => iam::delete(&cli, &order.user, &order.id),
    };
    match done {
        Err(failure) if failure.kind != Kind::NoSuchEntity => Err(failure.trouble),
        _ => Ok(RetireReport::Done),
    }
}
