//! Consumers: touched only when that helps, and never more often than that (contract, promises 2 and 3).

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

#[test]
fn a_live_edit_is_applied_once() {
    let mut world = World::running();
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    assert_eq!(world.state("litellm"), ConsumerState::Applying);
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
    assert_eq!((world.holds("litellm", "K"), world.applies.len()), (Some(2), 1));
    world.run(DAY);
    assert_eq!(world.applies.len(), 1);
}

#[test]
fn the_same_value_restarts_nobody_even_if_it_is_stale() {
    let mut world = World::new(usual());
    world.set(FILE, "K", 1);
    world.run(MINUTE);
    world.launch("litellm", &[("K", 9)]);
    world.start();
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Stale, "it is newer than the file");
    world.edit(FILE, "K", 1);
    world.run(DAY);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Stale, 0));
}

#[test]
fn edits_while_the_daemon_was_down() {
    for (file_first, applied) in [(false, true), (true, false)] {
        let mut world = World::running();
        world.stop();
        world.sleep(HOUR);
        if file_first {
            world.set(FILE, "K", 2);
            world.sleep(HOUR);
            world.processes.clear();
            world.launch("litellm", &[("K", 1)]);
        } else {
            world.set(FILE, "K", 2);
        }
        world.sleep(HOUR);
        world.start();
        world.run(MINUTE);
        assert_eq!(world.applies.len(), usize::from(applied));
        assert_eq!(world.state("litellm"), if applied { ConsumerState::Current } else { ConsumerState::Stale });
    }
}

#[test]
fn edits_during_an_apply_end_in_the_last_value_once() {
    let mut world = World::running();
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    for value in [3, 4, 5] {
        world.edit(FILE, "K", value);
        world.run(SECOND);
    }
    world.run(MINUTE);
    // The first worker finds that its value is gone: nothing was restarted by it.
    let restarts: Vec<_> = world.applies.iter().filter(|apply| apply.3).collect();
    assert_eq!(restarts.len(), 1);
    assert_eq!((world.holds("litellm", "K"), world.state("litellm")), (Some(5), ConsumerState::Current));
}

#[test]
fn edits_after_a_worker_has_read_the_file_are_taken_up_next() {
    let mut world = World::running();
    world.workers_read_first = true;
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    for value in [3, 4, 5] {
        world.edit(FILE, "K", value);
        world.run(SECOND / 2);
    }
    world.run(MINUTE);
    // Once with the value that it had read, once with the last.
    assert!(world.applies.iter().all(|apply| apply.3));
    assert_eq!(world.applies.len(), 2);
    assert_eq!((world.holds("litellm", "K"), world.state("litellm")), (Some(5), ConsumerState::Current));
}

#[test]
fn a_worker_that_is_turned_down_again_and_again_makes_no_storm() {
    let mut world = World::running();
    world.plans = std::iter::repeat_n(Plan::Ends(Outcome::Superseded), 1000).collect();
    world.edit(FILE, "K", 2);
    world.run(HOUR);
    assert!(world.applies.len() < 10, "{}", world.applies.len());
    assert_eq!(world.state("litellm"), ConsumerState::Pending);
    world.plans.clear();
    world.run(DAY);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
}

#[test]
fn what_was_rolled_back_is_tried_again_with_growing_pauses() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack); 4].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Pending);
    assert_eq!(world.thresholds(), ["rolled-back"]);
    // Also after a restart of the daemon, and not sooner for that.
    for _ in 0..10 {
        world.crash();
        world.run(SECOND * 10);
    }
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Pending, 1));
    assert_eq!(world.up.len(), 1);
    world.run(HOUR * 12);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 5));
    let minutes: Vec<_> = world.applies.windows(2).map(|pair| (pair[1].0 - pair[0].0) / 60_000).collect();
    assert_eq!(minutes, [5, 15, 45, 135]);
    assert_eq!(world.thresholds(), ["rolled-back"], "told once");
    assert!(world.up.is_empty(), "all is well again");
}

#[test]
fn the_way_back_in_the_file_ends_the_waiting() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.edit(FILE, "K", 1);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1));
    assert!(world.up.is_empty());
}

#[test]
fn another_value_does_not_wait_for_the_one_that_failed() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(3)));
    let counted = &world.machine.consumer(&"litellm".into()).unwrap().record.applies;
    assert_eq!(counted.iter().collect::<Vec<_>>(), [("rolled-back", 1), ("applied", 1)]);
}

#[test]
fn at_most_three_restarts_in_ten_minutes_then_one_alert() {
    let mut world = World::running();
    for value in 2..12 {
        world.edit(FILE, "K", value);
        world.run(SECOND * 20);
    }
    assert_eq!((world.applies.len(), world.state("litellm")), (3, ConsumerState::Pending));
    assert_eq!(world.thresholds(), ["too-many-restarts"]);
    let said = format!("{:?}", world.shown[0].facts);
    assert!(said.contains("3 times"), "why, and not how the last apply went: {said}");
    assert!(is_refused(&{
        let ticket = apply(&mut world, true);
        world.run(SECOND);
        world.reply(ticket).clone()
    }));
    world.run(MINUTE * 10);
    assert_eq!((world.applies.len(), world.holds("litellm", "K")), (4, Some(11)));
    assert!(world.up.is_empty());
}

#[test]
fn whoever_asks_in_the_middle_of_one_that_fails_is_told_of_that() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    assert_eq!(world.state("litellm"), ConsumerState::Applying);
    let ticket = apply(&mut world, false);
    world.run(MINUTE);
    assert_eq!((outcome(world.reply(ticket)), world.applies.len()), (Some(Outcome::RolledBack), 1));
}

#[test]
fn whoever_asks_sees_one_that_was_started_meanwhile() {
    let mut world = World::running();
    world.kill("litellm");
    world.step(Event::ConsumerGone("litellm".into()));
    world.run(DAY);
    assert_eq!(world.state("litellm"), ConsumerState::Absent);
    world.launch("litellm", &[("K", 1)]);
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Absent, "nobody has told of that");
    world.ask(Request::Refresh);
    world.run(SECOND);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
    // Of one that is current, the end is told.
    world.run(DAY);
    let looks = world.inspections;
    world.ask(Request::Refresh);
    world.run(SECOND);
    assert_eq!(world.inspections, looks);
}

#[test]
fn a_clock_set_back_grants_no_more_restarts() {
    let mut world = World::running();
    for value in 2..12 {
        world.edit(FILE, "K", value);
        world.run(SECOND * 20);
        world.jump(-HOUR);
    }
    assert_eq!(world.applies.len(), 3);
    world.run(MINUTE * 11);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
}

#[test]
fn a_refused_key_touches_nothing_and_counts_for_nothing() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::Refused); 5].into();
    for value in 2..7 {
        world.edit(FILE, "K", value);
        world.run(SECOND * 20);
    }
    assert_eq!(world.state("litellm"), ConsumerState::Pending);
    world.edit(FILE, "K", 7);
    world.run(MINUTE);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
}

#[test]
fn one_that_is_down_says_so_until_it_is_started() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::Failed)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    assert_eq!((world.state("litellm"), world.thresholds()), (ConsumerState::Failed, vec!["apply-failed".into()]));
    world.crash();
    world.run(HOUR);
    assert_eq!(world.state("litellm"), ConsumerState::Failed);
    world.launch("litellm", &[("K", 2)]);
    world.run(DAY);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1));
    assert!(world.up.is_empty());
    world.kill("litellm");
    world.run(HOUR);
    assert_eq!(world.state("litellm"), ConsumerState::Absent, "the user stopped it");
}

#[test]
fn asked_for() {
    let mut world = World::running();
    let ticket = apply(&mut world, false);
    world.run(SECOND);
    assert_eq!((outcome(world.reply(ticket)), world.applies.len()), (Some(Outcome::Applied), 0));
    let ticket = apply(&mut world, true);
    world.run(SECOND * 10);
    assert_eq!((outcome(world.reply(ticket)), world.applies.len()), (Some(Outcome::Applied), 1));
    // A change that nobody told of is seen.
    world.set(FILE, "K", 2);
    let ticket = apply(&mut world, false);
    world.run(SECOND * 10);
    assert_eq!((outcome(world.reply(ticket)), world.holds("litellm", "K")), (Some(Outcome::Applied), Some(2)));
    let ticket = world.ask(Request::Apply("nobody".into(), false));
    assert_eq!(world.reply(ticket), &Reply::Denied(Denial::UnknownConsumer("nobody".into())));
}

#[test]
fn asked_for_in_the_middle_of_everything() {
    for force in [false, true] {
        for plan in [Plan::Ends(Outcome::Applied), Plan::Ends(Outcome::RolledBack), Plan::Ends(Outcome::Failed), Plan::Dies, Plan::DiesDone]
        {
            for pause in [1, 30, 100, 250, 290, 1000, 4400, 6000] {
                let mut world = World::running();
                world.plans = [plan].into();
                world.edit(FILE, "K", 2);
                world.run(SignedDuration::from_millis(pause));
                let tickets = [apply(&mut world, force), apply(&mut world, false)];
                world.run(SECOND);
                let refresh = world.ask(Request::Refresh);
                world.run(MINUTE);
                for ticket in tickets {
                    world.reply(ticket);
                }
                assert_eq!(world.reply(refresh), &Reply::Done);
            }
        }
    }
}

#[test]
fn asked_for_while_a_file_is_held_open_or_can_not_be_looked_at() {
    let mut world = World::new(usual());
    world.set(FILE, "K", 1);
    world.launch("litellm", &[("K", 9)]);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = true;
    world.start();
    let ticket = apply(&mut world, false);
    world.run(SECOND);
    assert!(is_refused(world.reply(ticket)), "there is no telling when it ends");
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = false;
    world.reads_fail = true;
    let ticket = apply(&mut world, false);
    world.run(SECOND * 3);
    assert!(is_refused(world.reply(ticket)));
    world.reads_fail = false;
    world.inspections_fail = true;
    let ticket = apply(&mut world, false);
    world.run(SECOND * 5);
    assert!(is_refused(world.reply(ticket)));
    world.inspections_fail = false;
    world.run(MINUTE * 2);
    let ticket = apply(&mut world, false);
    world.run(SECOND * 10);
    assert_eq!(outcome(world.reply(ticket)), Some(Outcome::Applied));
}

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
