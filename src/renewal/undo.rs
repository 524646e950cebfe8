//! Removing a key that was made and isn't wanted.

use std::thread;
use std::time::Duration;

use crate::aws::iam;
use crate::aws::{Cli, Kind};
use crate::core::{RenewalReport, Trouble};

/// Between tries.
const PAUSE: Duration = Duration::from_secs(2);
/// While it isn't known everywhere yet, a fresh key can't be deleted either.
const TRIES: u32 = 3;

/// Removes a fresh key. Done as well where IAM knows no such key and still doesn't after a few seconds.
pub(super) fn remove(cli: &Cli<'_>, user: &str, id: &str) -> Result<(), Trouble> {
    let mut tries = 0;
    loop {
        tries += 1;
        match iam::delete(cli, user, id) {
            Ok(()) => return Ok(()),
            Err(failure) if tries == TRIES => {
                return if failure.kind == Kind::NoSuchEntity { Ok(()) } else { Err(left(cli, user, id, &failure.trouble)) };
            }
            Err(failure) if failure.kind == Kind::Other => return Err(left(cli, user, id, &failure.trouble)),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Removes it, which ends a renewal for that reason.
pub(super) fn undo(cli: &Cli<'_>, user: &str, id: &str, why: Trouble) -> RenewalReport {
    match remove(cli, user, id) {
        Ok(()) => RenewalReport::Undone(why),
        Err(left) => RenewalReport::Left(Trouble { detail: format!("{}; {}", why.detail, left.detail), ..left }),
    }
}

fn left(cli: &Cli<'_>, user: &str, id: &str, why: &Trouble) -> Trouble {
    Trouble {
        detail: format!("the new key {id} of {user} is in no file and couldn't be removed: {}", why.detail),
        fix: if why.sign_in { why.fix.clone() } else { format!("remove it: {}", iam::deletion_line(cli, user, id)) },
        sign_in: why.sign_in,
    }
}
