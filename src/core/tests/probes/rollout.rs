//! Before a rollout.

use super::*;

#[test]
fn a_new_key_is_asked_about_and_then_taken_up() {
    let mut world = World::probing();
    assert_eq!(manners(&world), [ProbeManner::Fresh]);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!(manners(&world), [ProbeManner::Fresh; 2]);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K"), world.applies.len()), (ConsumerState::Current, Some(2), 1));
    world.run(HOUR * 24);
    assert_eq!(world.probes.len(), 2 + 4, "four times a day");
    assert_eq!(manners(&world)[2..], [ProbeManner::Scheduled; 4]);
    assert_eq!((world.applies.len(), events(&world, "key-probed")), (1, 2), "that all is as before is no news");
}

#[test]
fn a_rejection_of_a_key_that_has_been_there_for_hours_counts_at_once() {
    let mut world = World::probing();
    world.stop();
    world.rejects.insert(2);
    world.set(FILE, "K", 2);
    world.sleep(HOUR);
    world.start();
    world.run(SECOND * 10);
    assert_eq!(manners(&world).last(), Some(&ProbeManner::First));
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Rejected, 0));
}

#[test]
fn a_rejected_key_touches_nothing_and_is_told_once() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 30);
    assert_eq!(world.state("litellm"), ConsumerState::Pending, "it may yet become known");
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K"), world.applies.len()), (ConsumerState::Stale, Some(1), 0));
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    assert_eq!((world.thresholds(), last_apply(&world).0), (vec!["rejected".into()], Outcome::Refused));
    assert_eq!(world.machine.consumer(&"litellm".into()).unwrap().record.applies.of("refused"), 1);
    assert!(last_apply(&world).1.contains("it rejected") && last_apply(&world).1.contains(FILE), "{:?}", last_apply(&world));
    for _ in 0..20 {
        world.crash();
        world.ask(Request::Refresh);
        world.run(HOUR);
    }
    assert_eq!((world.thresholds(), events(&world, "refused"), world.up.len()), (vec!["rejected".into()], 1, 1));
    assert_eq!(world.machine.consumer(&"litellm".into()).unwrap().record.restarts, []);
    // The next edit is looked at anew.
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(3)));
    assert!(world.up.is_empty());
}

#[test]
fn a_key_that_takes_a_while_to_be_known_everywhere() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 20);
    world.rejects.clear();
    world.run(SECOND * 20);
    assert_eq!((world.state("litellm"), world.thresholds().len()), (ConsumerState::Current, 0));
}

#[test]
fn a_mended_slip_does_not_wait_for_the_key_before() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    world.edit(FILE, "K", 3);
    world.run(SECOND * 10);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(3)));
    world.run(HOUR);
    assert_eq!(world.thresholds().len(), 0, "what is said of the key before concerns nobody");
    // A file that changes all the time doesn't fill the machine with workers.
    world.issuer = Issuer::Silent;
    let before = world.probes.len();
    for value in 10..60 {
        world.edit(FILE, "K", value);
        world.run(SECOND);
    }
    assert_eq!(world.probes.len() - before, 3);
    world.run(MINUTE * 5);
    assert_eq!(world.probes.last().unwrap().1, print(59));
}

#[test]
fn where_nothing_can_be_learned_it_goes_ahead_after_a_minute() {
    for issuer in [UNREACHABLE, Issuer::Says(ProbeVerdict::Unknown), Issuer::Says(ProbeVerdict::Denied), Issuer::Silent] {
        let mut world = World::probing();
        world.issuer = issuer;
        world.edit(FILE, "K", 2);
        world.run(SECOND);
        if issuer == UNREACHABLE {
            assert_eq!(world.state("litellm"), ConsumerState::Pending);
        }
        world.run(if issuer == Issuer::Silent { MINUTE * 6 } else { SECOND * 70 });
        assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1), "{issuer:?}");
        assert!(world.shown.is_empty());
    }
}

#[test]
fn that_nobody_can_be_reached_makes_no_rejected_key_good() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    world.issuer = UNREACHABLE;
    world.run(DAY);
    let ticket = world.ask(Request::Apply("litellm".into(), false));
    world.run(MINUTE * 2);
    assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Refused, _)));
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Rejected, 0));
    assert_eq!(world.thresholds(), ["rejected"]);
}

/// A file of two keys, and a consumer that has them.
fn two_keys() -> World {
    let settings = Settings { keys: shared([probed("bedrock", "K", FILE), probed("second", "L", FILE)]), ..usual() };
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.set(FILE, "L", 11);
    world.launch("litellm", &[("K", 1), ("L", 11)]);
    world.start();
    world.run(MINUTE);
    world
}

#[test]
fn what_is_rejected_does_not_hold_up_the_rest() {
    let mut world = two_keys();
    world.rejects.insert(2);
    world.set(FILE, "K", 2);
    world.edit(FILE, "L", 12);
    world.run(MINUTE * 2);
    assert_eq!((world.holds("litellm", "K"), world.holds("litellm", "L")), (Some(1), Some(12)));
    assert_eq!((world.applies.len(), world.state("litellm")), (1, ConsumerState::Stale));
    let targets = world.applies[0].2.clone();
    assert_eq!(world.machine.withheld(&targets), ["K"], "it stands in the same file");
    world.crash();
    world.run(MINUTE * 2);
    assert_eq!((world.applies.len(), last_apply(&world).0), (1, Outcome::Applied));
    // It becomes known after all.
    world.rejects.clear();
    world.run(HOUR * 7);
    assert_eq!((world.state("litellm"), world.applies.len(), world.up.len()), (ConsumerState::Current, 2, 0));
    assert!(world.machine.withheld(&world.applies[1].2).is_empty());
}

#[test]
fn what_waits_for_a_rejected_key_still_does_when_the_rest_is_taken_up() {
    let mut world = two_keys();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.set(FILE, "K", 2);
    world.edit(FILE, "L", 12);
    world.run(MINUTE);
    world.rejects.insert(2);
    verify(&mut world);
    world.run(MINUTE * 6);
    assert_eq!((world.applies.len(), world.holds("litellm", "K"), world.holds("litellm", "L")), (2, Some(1), Some(12)));
    let pending = world.machine.consumer(&"litellm".into()).unwrap().record.pending.as_ref().unwrap();
    assert!(pending.targets.contains_key(&KeyName::from("bedrock")), "{pending:?}");
}

#[test]
fn what_was_held_back_is_forgotten_once_the_user_has_given_it_to_the_consumer() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    let is_held_back = |world: &World| world.machine.consumer(&"litellm".into()).unwrap().record.held_back.is_some();
    assert!(is_held_back(&world));
    world.kill("litellm");
    world.launch("litellm", &[("K", 2)]);
    world.step(Event::ConsumerGone("litellm".into()));
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), is_held_back(&world)), (ConsumerState::Current, false));
}

#[test]
fn whoever_asks_gets_an_answer_of_their_own() {
    for force in [false, true] {
        let mut world = World::probing();
        world.rejects.insert(2);
        world.edit(FILE, "K", 2);
        world.run(MINUTE * 2);
        let before = world.probes.len();
        let ticket = world.ask(Request::Apply("litellm".into(), force));
        world.run(MINUTE * 2);
        assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Refused, _)));
        assert_eq!((world.probes.len(), world.applies.len()), (before + 1, 0));
        world.rejects.clear();
        let ticket = world.ask(Request::Apply("litellm".into(), force));
        world.run(MINUTE);
        assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Applied, _)));
        assert_eq!((world.applies.len(), world.up.len()), (1, 0));
    }
}

#[test]
fn a_restart_for_its_own_sake_asks_nobody() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    let before = world.probes.len();
    let ticket = world.ask(Request::Apply("litellm".into(), true));
    world.run(SECOND * 20);
    assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Applied, _)));
    assert_eq!(world.probes.len(), before);
}

#[test]
fn one_that_is_down_is_not_hidden_by_a_refusal() {
    let mut world = World::probing();
    world.plans = [Plan::Ends(Outcome::Failed)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    assert_eq!(world.state("litellm"), ConsumerState::Failed);
    world.rejects.insert(3);
    world.edit(FILE, "K", 3);
    world.run(HOUR);
    assert_eq!(world.state("litellm"), ConsumerState::Failed);
}

#[test]
fn a_crash_at_any_moment_loses_no_edit() {
    for rejected in [false, true] {
        for pause in [10, 255, 280, 300, 320, 1000, 30_000, 59_000, 60_300, 60_320, 61_000] {
            for effects in 0..8 {
                let mut world = World::probing();
                world.run(HOUR);
                if rejected {
                    world.rejects.insert(2);
                }
                world.set(FILE, "K", 2);
                world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2026-10-01T11:00:00Z"));
                world.hint(FILE);
                world.run(jiff::SignedDuration::from_millis(pause));
                world.crash_after = Some(effects);
                world.run(SECOND);
                world.crash();
                world.run(MINUTE * 3);
                if pause >= 300 && effects == 7 {
                    let state = if rejected { ConsumerState::Stale } else { ConsumerState::Current };
                    assert_eq!(world.state("litellm"), state, "{rejected} {pause} {effects}");
                }
                let seen = (world.applies.len(), world.up.len(), world.state("litellm"), events(&world, "refused"));
                assert!(seen.0 <= 1 && seen.1 == usize::from(rejected) && seen.3 <= 2, "{rejected} {pause} {effects}: {seen:?}");
            }
        }
    }
}

#[test]
fn a_daemon_that_ends_while_it_waits_for_an_answer() {
    let mut world = World::probing();
    world.run(HOUR);
    world.issuer = UNREACHABLE;
    // Older than the process: only what is on record tells that it is to be taken up.
    world.set(FILE, "K", 2);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2026-10-01T11:00:00Z"));
    world.hint(FILE);
    for _ in 0..3 {
        world.run(SECOND * 30);
        assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Pending, 0));
        world.crash();
    }
    world.issuer = Issuer::Truthful;
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1));
}
