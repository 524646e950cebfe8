//! Consumers: touched only when that helps, and never more often than that (contract, promises 2 and 3).

mod asked;
mod ended;
mod found;
mod taken_up;

use jiff::SignedDuration;

use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::*;

fn outcome(reply: &Reply) -> Option<Outcome> {
    match reply {
        Reply::Applied(outcome, _) => Some(*outcome),
        _ => None,
    }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Denied(Denial::Refused { .. }))
}

fn apply(world: &mut World, force: bool) -> Ticket {
    world.ask(Request::Apply("litellm".into(), force))
}
