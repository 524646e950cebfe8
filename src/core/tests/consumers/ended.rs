//! Ends that were not seen, and who else waits.

use super::*;

#[test]
fn an_apply_whose_end_was_not_seen() {
    for (plan, restarts) in [(Plan::Dies, 2), (Plan::DiesDone, 1)] {
        let mut world = World::running();
        world.plans = [plan].into();
        world.edit(FILE, "K", 2);
        world.run(MINUTE);
        assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, restarts));
        assert_eq!(world.ledger.consumers[&"litellm".into()].applying, None);
    }
    let mut world = World::running();
    world.plans = [Plan::Dies; 100].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Pending, 3));
}

#[test]
fn a_crash_between_any_two_effects_of_an_apply() {
    for plan in [Outcome::Applied, Outcome::RolledBack, Outcome::Failed] {
        for effects in 0..25 {
            let mut world = World::running();
            world.plans = [Plan::Ends(plan)].into();
            world.crash_after = Some(effects);
            world.edit(FILE, "K", 2);
            world.run(HOUR * 2);
            let state = if plan == Outcome::Failed { ConsumerState::Absent } else { ConsumerState::Current };
            if plan != Outcome::Failed || world.state("litellm") != ConsumerState::Failed {
                assert_eq!(world.state("litellm"), state, "{plan:?} after {effects} effects");
            }
            assert!(world.applies.len() <= 2, "{plan:?} {effects}: {:?}", world.applies);
        }
    }
}

#[test]
fn a_daemon_that_comes_back_during_an_apply_waits_for_it() {
    let mut world = World::running();
    world.edit(FILE, "K", 2);
    world.run(SECOND * 2);
    world.crash();
    world.run(SECOND);
    assert_eq!(world.state("litellm"), ConsumerState::Applying);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1));
}

#[test]
fn two_keys_for_one_variable_go_to_who_has_them() {
    let settings = Settings {
        keys: shared([key("a", "K", "/a"), key("b", "K", "/b")]),
        consumers: vec![consumer("one", &[]), consumer("two", &[])],
        ..usual()
    };
    let mut world = World::new(settings);
    world.set("/a", "K", 1);
    world.set("/b", "K", 2);
    world.launch("one", &[("K", 1)]);
    world.launch("two", &[("K", 2)]);
    world.start();
    world.run(MINUTE);
    assert!(world.applies.is_empty());
    assert_eq!((world.state("one"), world.state("two")), (ConsumerState::Current, ConsumerState::Current));
    world.edit("/b", "K", 3);
    world.run(MINUTE);
    assert_eq!((world.holds("one", "K"), world.holds("two", "K")), (Some(1), Some(3)));
    // What follows a key doesn't get another because its own is lost.
    world.remove("/a");
    world.run(MINUTE);
    world.edit("/b", "K", 4);
    world.run(MINUTE);
    assert_eq!((world.holds("one", "K"), world.holds("two", "K")), (Some(1), Some(4)));
    assert_eq!(world.applies.len(), 2);
}

#[test]
fn a_status_waits_for_all_looks_that_it_ordered() {
    let settings = Settings { consumers: vec![consumer("a", &[]), consumer("b", &[]), consumer("c", &[])], ..usual() };
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.run(MINUTE);
    // Of the last one a look is already under way.
    world.step(Event::ConsumerGone("c".into()));
    for name in ["a", "b", "c"] {
        world.launch(name, &[("K", 1)]);
    }
    let ticket = world.ask(Request::Refresh);
    while !world.replies.contains_key(&ticket) {
        world.run(SignedDuration::from_millis(1));
    }
    for name in ["a", "b", "c"] {
        assert_eq!(world.state(name), ConsumerState::Current);
    }
}
