//! Finishing or undoing a renewal that ended unseen.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;

use super::in_use::InUse;
use super::undo::{remove, undo};
use super::{Tell, lock};
use crate::aws::iam::{self, Record};
use crate::aws::{Cli, Kind};
use crate::core::{MadeKey, RenewalReport, Trouble};
use crate::salt::Salt;
use crate::worker::job::{Answer, KeyVariable, SettleOrder};

/// Between lists, until IAM has to know a key that was just made: 20 seconds in all.
const PAUSES: [Duration; 5] =
    [Duration::from_secs(2), Duration::from_secs(3), Duration::from_secs(4), Duration::from_secs(5), Duration::from_secs(6)];

/// A worker that makes a key gets there within this, or never; what is younger is somebody else's.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// Finishes or undoes what an earlier [`super::renew`] left.
pub fn settle(order: &SettleOrder, answer: Tell<'_>) -> io::Result<()> {
    // Had by a worker that is still at it, or a CLI that it left behind when it was killed.
    let lock = lock::renewals(&order.state_dir)?;
    let salt = Salt::load(&order.state_dir)?;
    let cli = Cli::new(order.profile.as_deref()).holding(lock.as_fd());
    let report = match &order.made {
        Some(made) => known(order, made, &cli, &salt),
        None => unknown(order, &cli),
    };
    answer(&Answer::RenewalEnded(report.unwrap_or_else(RenewalReport::Left)));
    Ok(())
}

/// Of a key that is known to have been made.
fn known(order: &SettleOrder, made: &MadeKey, cli: &Cli<'_>, salt: &Salt) -> Result<RenewalReport, Trouble> {
    if InUse::read(std::slice::from_ref(&order.key))?.has(made.fingerprint, salt) {
        return Ok(RenewalReport::Written(made.clone()));
    }
    if InUse::read(&order.tracked)?.has(made.fingerprint, salt) {
        return Err(Trouble {
            detail: format!("the new key {} of {} is in another tracked file than the one it was made for", made.id, made.user),
            fix: format!("put it into {} as well, or take it out of the other", order.key.env_file.display()),
            sign_in: false,
        });
    }
    // It was there when the key was made: on a disk that is away now, it may hold the key.
    if !order.key.env_file.exists() {
        return Err(Trouble {
            detail: format!("{} isn't there, so whether it holds the new key {} isn't known", order.key.env_file.display(), made.id),
            fix: "put the file back, or make one: credd goes on by itself".to_owned(),
            sign_in: false,
        });
    }
    Ok(undo(cli, &made.user, &made.id, interrupted()))
}

/// Of a key that may have been made: whatever the user has now and hadn't before, and no file holds.
fn unknown(order: &SettleOrder, cli: &Cli<'_>) -> Result<RenewalReport, Trouble> {
    let mut pauses = PAUSES.iter();
    loop {
        let new = match iam::list(cli, &order.user) {
            Ok(records) => new(records, order)?,
            // The user is gone, and all its keys.
            Err(failure) if failure.kind == Kind::NoSuchEntity => Vec::new(),
            Err(failure) => return Err(failure.trouble),
        };
        match new.as_slice() {
            [] => match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Ok(RenewalReport::Undone(interrupted())),
            },
            [one] if one.has_name() && one.credential.created_at <= order.begun_at + LONGEST => {
                return remove(cli, &order.user, &one.credential.id).map(|()| RenewalReport::Undone(interrupted()));
            }
            several => {
                return Err(Trouble {
                    detail: format!(
                        "new keys of {} are in no tracked file, and which one credd made, if any, isn't known ({} in all)",
                        order.user,
                        several.len()
                    ),
                    fix: format!("look, and revoke the ones that nobody uses: {}", iam::list_line(cli, &order.user)),
                    sign_in: false,
                });
            }
        }
    }
}

fn new(mut records: Vec<Record>, order: &SettleOrder) -> Result<Vec<Record>, Trouble> {
    records.retain(|record| !order.known.contains(&record.credential.id));
    if !records.is_empty() {
        let mut places: Vec<KeyVariable> = order.tracked.clone();
        places.push(order.key.clone());
        let in_use = InUse::read(&places)?;
        records.retain(|record| !in_use.has_named(|name| record.is_named(name)));
    }
    Ok(records)
}

fn interrupted() -> Trouble {
    Trouble { detail: "the renewal was interrupted, and the old key stays".to_owned(), fix: "renew again".to_owned(), sign_in: false }
}
