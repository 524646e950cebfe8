//! The next key: dates from IAM, making, retiring, minting.

mod by_hand;
mod held_up;
mod iam;
mod next_key;
mod short_term;

use super::world::*;
use crate::core::key::KeyState;
use crate::core::*;

fn settings(iam: Iam) -> Settings {
    let spec = KeySpec { iam, ..probed("bedrock", "K", FILE) };
    Settings { keys: shared([spec]), ..usual() }
}

/// The usual world with a long-term key that IAM knows since the start.
fn world(iam: Iam) -> World {
    world_of(settings(iam))
}

fn world_of(settings: Settings) -> World {
    let mut world = World::new(settings);
    world.kind = KeyKind::BedrockLongTerm;
    let now = world.now();
    world.issue(1, now, Some(now + DAY * 30));
    world.set(FILE, "K", 1);
    world.launch("litellm", &[("K", 1)]);
    world.start();
    world.run(MINUTE);
    world
}

fn held(world: &World) -> Option<u8> {
    world.files[std::path::Path::new(FILE)].values.as_ref()?.get("K").copied()
}

fn shown(world: &World, reason: Reason) -> usize {
    world.shown.iter().filter(|shown| shown.reason == reason).count()
}

fn events(world: &World, event: &str) -> usize {
    world.told.iter().filter(|entry| entry.event == event).count()
}

/// The world is as if nothing had happened, or as if all had.
fn is_sound(world: &World, what: &str) {
    let value = held(world).unwrap();
    assert_eq!(world.iam.status_of(value), Some(CredentialStatus::Active), "{what}: the key in the file works");
    assert_eq!(world.holds("litellm", "K"), Some(value), "{what}: and is used");
    let active = world.iam.issued.iter().filter(|issued| issued.credential.status == CredentialStatus::Active).count();
    assert_eq!(active, 1, "{what}: there is no surplus key: {:?}", world.iam.issued);
}
