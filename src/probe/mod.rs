//! Asking the issuer whether a key works: `GET {endpoint}/foundation-models` with the key as bearer, and
//! a completion through the consumers that hold it.
//!
//! All of this runs in a short-lived worker (see [`crate::worker`]), and the talking itself in a child of that which can
//! do nothing else: `talk`, by way of `talker`. What can be decided without asking is
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
mod talk;
mod talker;

pub use candidate::candidate;
pub use queue::probe;
pub use talk::talk;
pub use talker::unconfined;
