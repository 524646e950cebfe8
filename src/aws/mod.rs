//! Talking to AWS through the user's own AWS CLI, so that profiles, SSO, MFA and `AWS_ENDPOINT_URL_*` work as they do
//! in the user's terminal, and no SDK is needed. All of it runs in a worker (see [`crate::worker`]).

mod cli;
pub mod iam;
pub mod mint;
pub mod session;
mod trouble;

pub use cli::Cli;
pub use trouble::{Failure, Kind};
