//! A value is taken up, once, and not too often.

use super::*;

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
    assert!(said.contains("3 restarts of litellm"), "why, and not how the last apply went: {said}");
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
