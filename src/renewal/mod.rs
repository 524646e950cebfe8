//! Jobs of a worker around keys that AWS makes: asking IAM for true dates, making the next key, retiring the old
//! one, minting short-term keys. All talking to AWS is the AWS CLI's ([`crate::aws`]).

mod ask;
mod in_use;
mod limit;
mod lock;
mod mint;
mod renew;
mod retire;
mod settle;
mod undo;

use crate::worker::job::Answer;

pub use ask::{ask_iam, made_at};
pub use mint::mint;
pub use renew::renew;
pub use retire::retire;
pub use settle::settle;

type Tell<'a> = &'a (dyn Fn(&Answer) + Sync);
