//! Asking the issuer whether a key works: `GET {endpoint}/foundation-models` with the key as bearer, and
//! a completion through the consumers that hold it.
//!
//! All of this runs in a short-lived worker (see [`crate::worker`]). What can be decided without asking is
//! pure: `form` looks at the key, `endpoint` and `proxy` say whom to ask and how to get there,
//! `classify` what an answer means, `patience` whether to ask again, `combine` what everything comes to.

mod candidate;
mod classify;
mod combine;
mod endpoint;
mod finding;
mod form;
mod patience;
mod proxy;
mod queue;
mod request;
mod route;

pub use candidate::candidate;
pub use queue::probe;
