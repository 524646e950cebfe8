//! When somebody asks for it.

use super::*;

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
