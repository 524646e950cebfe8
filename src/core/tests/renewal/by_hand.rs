//! After a change by hand.

use super::*;

#[test]
fn the_user_is_reminded_once_to_revoke_a_key_that_was_replaced_by_hand() {
    let mut world = world(Iam::Off);
    world.run(DAY * 5);
    world.edit(FILE, "K", 2);
    world.run(HOUR);
    assert_eq!(shown(&world, Reason::Revoke), 0);
    assert_eq!(world.key("bedrock").former(world.now()).len(), 1);
    world.run(DAY);
    world.crash();
    world.run(DAY * 3);
    assert_eq!(shown(&world, Reason::Revoke), 1);
    let popup = world.shown.iter().find(|shown| shown.reason == Reason::Revoke).unwrap();
    assert_eq!(popup.popup.tag, "credd-news-bedrock", "an alert about its end doesn't take its place");
    world.run(DAY * 30);
    assert_eq!(shown(&world, Reason::Revoke), 1);
    assert!(world.key("bedrock").former(world.now()).is_empty(), "it has ended by itself");
}

#[test]
fn nobody_is_reminded_to_revoke_a_key_while_its_successor_does_not_work() {
    let mut world = world(Iam::Off);
    world.run(DAY * 5);
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(DAY * 2);
    assert_eq!((world.key_state("bedrock"), shown(&world, Reason::Revoke)), (KeyState::Rejected, 0));
    world.rejects.clear();
    world.run(DAY * 2);
    assert_eq!((world.key_state("bedrock"), shown(&world, Reason::Revoke)), (KeyState::Ok, 1));
}

#[test]
fn nor_while_somebody_runs_with_it() {
    let mut by_hand = settings(Iam::Off);
    by_hand.consumers[0].restartable = false;
    let mut world = world_of(by_hand);
    world.edit(FILE, "K", 2);
    world.run(DAY * 3);
    assert_eq!((world.holds("litellm", "K"), shown(&world, Reason::Revoke)), (Some(1), 0));
    world.kill("litellm");
    world.launch("litellm", &[("K", 2)]);
    world.ask(Request::Refresh);
    world.run(DAY * 2);
    assert_eq!((world.holds("litellm", "K"), shown(&world, Reason::Revoke)), (Some(2), 1));
}

#[test]
fn what_renew_has_put_there_has_its_date_from_that() {
    let mut world = world(Iam::Off);
    world.run(DAY * 5);
    world.set(FILE, "K", 2);
    let ticket = world.ask(Request::Renewed("bedrock".into(), print(2)));
    world.run(SECOND * 2);
    assert_eq!(*world.reply(ticket), Reply::Done);
    let known = world.key("bedrock").record.known_now().unwrap();
    assert_eq!((known.fingerprint, known.issued.source), (print(2), IssuedSource::Renewed));
    let ticket = world.ask(Request::Renewed("bedrock".into(), print(3)));
    world.run(SECOND * 20);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })));
}
