//! Looking for them, and finding them changed.

use super::*;

#[test]
fn a_look_that_fails_loses_no_edit() {
    let mut world = World::running();
    world.inspections_fail = true;
    world.edit(FILE, "K", 2);
    world.run(HOUR);
    assert!(world.inspections < 70, "{}", world.inspections);
    world.inspections_fail = false;
    world.run(MINUTE * 2);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
}

#[test]
fn one_that_is_not_there() {
    let mut world = World::new(usual());
    world.set(FILE, "K", 1);
    world.start();
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Absent);
    for force in [false, true] {
        let ticket = apply(&mut world, force);
        world.run(SECOND);
        assert!(is_refused(world.reply(ticket)));
    }
    world.launch("litellm", &[("K", 1)]);
    let ticket = world.ask(Request::Refresh);
    world.run(SECOND);
    assert_eq!((world.reply(ticket), world.state("litellm")), (&Reply::Done, ConsumerState::Current));
}

#[test]
fn one_that_is_restarted_by_hand_is_found_again() {
    let mut world = World::running();
    world.kill("litellm");
    world.run(SECOND * 3);
    assert_eq!(world.state("litellm"), ConsumerState::Absent);
    world.launch("litellm", &[("K", 1)]);
    world.run(SECOND * 10);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
    let before = world.inspections;
    world.run(DAY);
    assert_eq!(world.inspections, before, "who runs is not polled");
}

#[test]
fn a_look_that_is_asked_for_amid_an_apply_is_not_made_twice() {
    let looks = |asked: bool| {
        let mut world = World::running();
        world.edit(FILE, "K", 2);
        while world.state("litellm") != ConsumerState::Applying {
            world.run(SignedDuration::from_millis(10));
        }
        if asked {
            world.ask(Request::Refresh);
        }
        world.run(SECOND * 10);
        assert_eq!(world.state("litellm"), ConsumerState::Current);
        world.inspections
    };
    assert_eq!(looks(true), looks(false));
}

#[test]
fn one_that_ended_is_looked_for_ever_more_seldom() {
    let mut world = World::running();
    let (before, end) = (world.inspections, world.now());
    world.kill("litellm");
    let mut looks = Vec::new();
    while world.now() < end + MINUTE * 2 {
        world.run(SignedDuration::from_millis(500));
        if world.inspections > before + looks.len() {
            looks.push(world.now().duration_since(end).as_secs());
        }
    }
    // At once, and 1, 5, 20 and 60 seconds after the one before.
    assert_eq!(looks.len(), 5, "{looks:?}");
    let gaps: Vec<_> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().zip([1, 5, 20, 60]).all(|(gap, wanted)| (wanted..=wanted + 1).contains(gap)), "{looks:?}");
}

#[test]
fn one_that_vanishes_while_it_is_looked_at_is_seen_to_be_gone() {
    let mut world = World::running();
    world.edit(FILE, "K", 1);
    world.ask(Request::Apply("litellm".into(), false));
    world.run(SignedDuration::from_millis(25));
    world.kill("litellm");
    world.run(SECOND * 5);
    assert_eq!(world.state("litellm"), ConsumerState::Absent);
}

#[test]
fn hands_off_is_hands_off() {
    let mut settings = usual();
    settings.consumers[0].restartable = false;
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.launch("litellm", &[("K", 1)]);
    world.start();
    world.run(MINUTE);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Stale, 0));
    let ticket = apply(&mut world, true);
    world.run(SECOND);
    assert!(is_refused(world.reply(ticket)));
}
