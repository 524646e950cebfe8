//! When somebody wants to know.

use super::*;

#[test]
fn asked_whether_it_works() {
    let mut world = World::probing();
    let tickets = [verify(&mut world), verify(&mut world)];
    world.run(SECOND);
    assert_eq!(tickets.map(|ticket| verdict(&world, ticket)), [ProbeVerdict::Works; 2]);
    assert_eq!(manners(&world), [ProbeManner::Fresh, ProbeManner::Asked], "once for both");
    world.rejects.insert(1);
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Rejected);
    assert_eq!((world.key_state("bedrock"), world.thresholds()), (KeyState::Rejected, vec!["rejected".into()]));
}

#[test]
fn an_edit_just_before_is_asked_about() {
    let mut world = World::probing();
    world.set(FILE, "K", 2);
    let ticket = verify(&mut world);
    world.run(MINUTE);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Works);
    assert_eq!(world.probes.last().unwrap(), &("bedrock".into(), print(2), ProbeManner::Asked));
    // And one that comes in between.
    world.rejects.insert(3);
    world.edit(FILE, "K", 3);
    world.run(SECOND * 10);
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    world.edit(FILE, "K", 4);
    world.run(MINUTE);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Works);
}

#[test]
fn a_probe_of_another_manner_is_not_enough() {
    let mut world = World::probing();
    world.issuer = UNREACHABLE;
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    let ticket = verify(&mut world);
    world.run(SECOND * 40);
    assert!(!world.replies.contains_key(&ticket), "the first minute isn't over");
    world.run(SECOND * 20);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unreachable);
    assert_eq!(manners(&world)[1..], [ProbeManner::Fresh, ProbeManner::Asked]);
}

#[test]
fn asked_about_what_nobody_can_be_asked_about() {
    let denied = |world: &World, ticket| match world.reply(ticket) {
        Reply::Denied(Denial::Refused { message, .. }) => message.clone(),
        other => panic!("{other:?}"),
    };
    let mut world = World::running();
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert!(denied(&world, ticket).contains("off"));
    let mut settings = usual();
    Arc::make_mut(&mut settings.keys[0]).probed = true;
    world.reconfigure(settings);
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert!(denied(&world, ticket).contains("no key of Bedrock's"));
    let ticket = world.ask(Request::Verify("nobody".into()));
    assert_eq!(world.reply(ticket), &Reply::Denied(Denial::UnknownKey("nobody".into())));
    let mut world = World::probing();
    world.remove(FILE);
    world.run(MINUTE);
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    assert!(denied(&world, ticket).contains("there is no key"));
}

#[test]
fn an_answer_about_the_value_before_is_not_enough() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let before = verify(&mut world);
    world.run(SECOND);
    world.issuer = Issuer::Truthful;
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    assert_eq!(verdict(&world, before), ProbeVerdict::Works);
    // The one about the value before has still to come, or is lost.
    let after = verify(&mut world);
    world.run(SECOND * 10);
    assert_eq!(verdict(&world, after), ProbeVerdict::Works);
}

#[test]
fn what_a_verdict_is_good_for() {
    let settled = |world: &World, insists, after: SignedDuration| {
        let key = world.key("bedrock");
        key.is_settled(insists, key.probe().unwrap().at + after)
    };
    let ages = [-SECOND, SignedDuration::ZERO, MINUTE * 10 - SECOND, MINUTE * 10, DAY];
    let mut world = World::probing();
    assert_eq!(ages.map(|age| settled(&world, false, age)), [false, true, true, false, false], "ten minutes");
    assert_eq!(ages.map(|age| settled(&world, true, age)), [false, true, true, false, false]);
    // Of a key that is rejected nothing more need be known, unless somebody hopes for better.
    world.rejects.insert(1);
    verify(&mut world);
    world.run(SECOND);
    assert_eq!(ages.map(|age| settled(&world, false, age)), [true; 5]);
    assert_eq!(ages.map(|age| settled(&world, true, age)), [false; 5]);
    // Nor of one that nobody is asked about any more.
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).probed = false;
    world.reconfigure(settings);
    assert_eq!(ages.map(|age| settled(&world, true, age)), [true; 5]);
}

#[test]
fn an_answer_is_given_its_time_anew_after_a_suspend() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let ticket = verify(&mut world);
    world.run(SECOND);
    world.jump(HOUR);
    world.run(MINUTE * 4);
    assert!(!world.replies.contains_key(&ticket), "its worker slept as well");
    world.run(MINUTE * 2);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unknown);
}

#[test]
fn nobody_waits_for_ever() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let ticket = verify(&mut world);
    world.run(MINUTE * 6);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unknown);
    let gone = verify(&mut world);
    world.run(SECOND);
    let moved = verify(&mut world);
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).variable = "L".into();
    world.reconfigure(settings.clone());
    world.run(MINUTE);
    assert!(matches!(world.reply(gone), Reply::Denied(_)));
    assert!(matches!(world.reply(moved), Reply::Denied(_)));
    Arc::make_mut(&mut settings.keys[0]).variable = "K".into();
    world.reconfigure(settings.clone());
    world.run(SECOND);
    let gone = verify(&mut world);
    world.reconfigure(Settings { keys: Vec::new(), ..settings });
    assert!(matches!(world.reply(gone), Reply::Denied(Denial::UnknownKey(_))));
}

#[test]
fn asked_and_found_good_again_it_is_taken_up() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    assert_eq!(world.state("litellm"), ConsumerState::Stale);
    world.rejects.clear();
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    assert_eq!((verdict(&world, ticket), world.state("litellm")), (ProbeVerdict::Works, ConsumerState::Current));
}

#[test]
fn a_stale_one_of_the_user_s_is_left_alone_when_a_key_becomes_good() {
    let mut world = World::new(Settings { keys: shared([probed("bedrock", "K", FILE)]), ..usual() });
    world.rejects.insert(1);
    world.set(FILE, "K", 1);
    world.run(MINUTE);
    world.launch("litellm", &[("K", 9)]);
    world.start();
    world.run(MINUTE * 2);
    assert_eq!((world.state("litellm"), world.key_state("bedrock")), (ConsumerState::Stale, KeyState::Rejected));
    world.rejects.clear();
    world.run(DAY);
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Ok, 0));
}
