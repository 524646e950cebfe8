//! Jobs of a worker around keys that AWS makes: asking IAM for true dates, making the next key, retiring the old
//! one, minting short-term keys. All talking to AWS is the AWS CLI's ([`crate::aws`]).

use std::io::{self, BufRead};
use std::path::Path;

use crate::worker::job::{Answer, IamOrder, MintOrder, RenewOrder, RetireOrder, SettleOrder};

type Tell<'a> = &'a (dyn Fn(&Answer) + Sync);

/// Asks IAM about keys, one after another; each gives one [`Answer::IamSaid`].
pub fn ask_iam(state_dir: &Path, orders: Vec<IamOrder>, answer: Tell<'_>) -> io::Result<()> {
    let _ = (state_dir, orders, answer);
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the next key and puts it into the file.
pub fn renew(order: &RenewOrder, go_on: &mut dyn BufRead, answer: Tell<'_>) -> io::Result<()> {
    let _ = (order, go_on, answer);
    Err(io::ErrorKind::Unsupported.into())
}

/// Finishes or undoes what an earlier [`renew`] left.
pub fn settle(order: &SettleOrder, answer: Tell<'_>) -> io::Result<()> {
    let _ = (order, answer);
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes a step of retiring a credential.
pub fn retire(order: &RetireOrder, answer: Tell<'_>) -> io::Result<()> {
    let _ = (order, answer);
    Err(io::ErrorKind::Unsupported.into())
}

/// Mints a short-term key and puts it into the file.
pub fn mint(order: &MintOrder, answer: Tell<'_>) -> io::Result<()> {
    let _ = (order, answer);
    Err(io::ErrorKind::Unsupported.into())
}
