//! Asking after keys: before they are rolled out, on a schedule, and when somebody wants to know.

mod asked;
mod rollout;
mod scheduled;

use std::sync::Arc;

use jiff::SignedDuration;

use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::key::KeyState;
use crate::core::*;

const UNREACHABLE: Issuer = Issuer::Says(ProbeVerdict::Unreachable);

fn manners(world: &World) -> Vec<ProbeManner> {
    world.probes.iter().map(|probe| probe.2).collect()
}

fn events(world: &World, event: &str) -> usize {
    world.told.iter().filter(|entry| entry.event == event).count()
}

fn last_apply(world: &World) -> (Outcome, String) {
    let record = &world.machine.consumer(&"litellm".into()).unwrap().record;
    record.last_apply.as_ref().map(|last| (last.outcome, last.detail.clone())).unwrap()
}

fn verify(world: &mut World) -> Ticket {
    world.ask(Request::Verify("bedrock".into()))
}

fn verdict(world: &World, ticket: Ticket) -> ProbeVerdict {
    match world.reply(ticket) {
        Reply::Verified(report) => report.verdict,
        other => panic!("{other:?}"),
    }
}

// Whom to ask

#[test]
fn nothing_but_a_key_of_bedrock_s_is_sent_to_bedrock() {
    let of_kind = |spec: KeySpec, kind| {
        let mut world = World::new(Settings { keys: shared([spec]), ..usual() });
        world.set(FILE, "K", 1);
        world.set(FILE, "AWS_BEARER_TOKEN_BEDROCK", 1);
        world.kind = kind;
        world.start();
        world.run(MINUTE);
        !world.probes.is_empty()
    };
    let spec =
        |probed, endpoint: Option<&str>, variable| KeySpec { probed, endpoint: endpoint.map(Into::into), ..key("k", variable, FILE) };
    assert!(!of_kind(spec(true, None, "K"), KeyKind::Opaque));
    assert!(!of_kind(spec(true, None, "K"), KeyKind::Jwt));
    assert!(of_kind(spec(true, None, "K"), KeyKind::BedrockLongTerm));
    assert!(of_kind(spec(true, None, "K"), KeyKind::BedrockShortTerm));
    assert!(of_kind(spec(true, None, "AWS_BEARER_TOKEN_BEDROCK"), KeyKind::Opaque));
    assert!(of_kind(spec(true, Some("https://gateway"), "K"), KeyKind::Opaque), "whom to ask was named");
    assert!(!of_kind(spec(false, Some("https://gateway"), "AWS_BEARER_TOKEN_BEDROCK"), KeyKind::BedrockLongTerm), "off is off");
}
