//! Short-term keys.

use super::*;

fn minting() -> World {
    let spec = KeySpec { minted: true, lifetime: None, ..probed("bedrock", "K", FILE) };
    let mut world = World::new(Settings { keys: shared([spec]), ..usual() });
    world.kind = KeyKind::BedrockShortTerm;
    world
}

#[test]
fn a_short_term_key_is_minted_well_before_the_one_there_ends() {
    let mut world = minting();
    world.launch("litellm", &[]);
    world.start();
    world.run(MINUTE);
    assert_eq!(held(&world), Some(201));
    assert_eq!(world.holds("litellm", "K"), Some(201));
    world.run(HOUR * 8);
    assert_eq!(held(&world), Some(202), "with a third of its twelve hours left");
    assert_eq!(world.holds("litellm", "K"), Some(202));
    world.run(DAY * 3);
    assert_eq!(world.thresholds(), Vec::<String>::new(), "nobody is bothered");
    assert_eq!(world.iam.minted, 11);
}

#[test]
fn a_session_that_ends_earlier_counts() {
    let mut world = minting();
    world.iam.session = Some(HOUR);
    world.start();
    world.run(MINUTE);
    assert_eq!(world.key("bedrock").life().unwrap().expires_at.map(|end| end < world.now() + HOUR), Some(true));
    world.run(MINUTE * 45);
    assert_eq!(held(&world), Some(202));
}

#[test]
fn the_user_is_told_to_sign_in_once_and_it_goes_on_by_itself() {
    let mut world = minting();
    world.start();
    world.run(MINUTE);
    world.iam.mint_trouble = Some(Trouble { sign_in: true, ..refused() });
    world.run(HOUR * 9);
    assert_eq!(shown(&world, Reason::SignIn), 1);
    world.run(HOUR);
    assert_eq!(shown(&world, Reason::SignIn), 1);
    world.iam.mint_trouble = None;
    world.run(MINUTE * 10);
    assert_eq!(held(&world), Some(202));
    assert!(world.up.is_empty(), "the popup is gone: {:?}", world.up);
}

#[test]
fn an_end_of_the_session_is_told_ahead() {
    let mut world = minting();
    let end = world.now() + HOUR * 7;
    world.iam.sign_in_by = Some(end);
    world.start();
    world.run(HOUR * 5 + MINUTE * 50);
    assert_eq!(shown(&world, Reason::SignIn), 0);
    world.run(MINUTE * 20);
    assert_eq!(shown(&world, Reason::SignIn), 1);
}

#[test]
fn a_key_of_another_kind_is_not_overwritten() {
    let mut world = minting();
    world.kind = KeyKind::BedrockLongTerm;
    world.set(FILE, "K", 1);
    world.start();
    world.run(DAY);
    assert_eq!((held(&world), world.iam.minted), (Some(1), 0));
    assert!(world.key("bedrock").mint_obstacle().is_some());
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(SECOND);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })));
}

#[test]
fn a_new_short_term_key_can_be_asked_for() {
    let mut world = minting();
    world.start();
    world.run(MINUTE);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(SECOND * 5);
    assert_eq!(*world.reply(ticket), Reply::Renewed);
    assert_eq!(held(&world), Some(202));
}

#[test]
fn a_minted_key_that_is_rejected_is_not_replaced_each_minute() {
    let mut world = minting();
    world.launch("litellm", &[]);
    world.rejects = (200..=250).collect();
    world.start();
    world.run(DAY);
    assert!(world.iam.minted <= 25, "{}", world.iam.minted);
    world.rejects.clear();
    world.run(HOUR * 2);
    assert_eq!(world.holds("litellm", "K"), held(&world));
}

#[test]
fn whoever_asks_for_a_short_term_key_that_can_t_be_minted_is_answered() {
    let mut world = minting();
    world.start();
    world.run(MINUTE);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().unreadable = true;
    world.hint(FILE);
    world.run(MINUTE);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })));
}

#[test]
fn an_edit_that_can_t_be_read_yet_doesn_t_set_minting_spinning() {
    let mut world = minting();
    world.start();
    world.run(MINUTE);
    world.set(FILE, "K", 9);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = true;
    world.hint(FILE);
    world.run(MINUTE);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    let before = world.iam.sent;
    world.run(MINUTE * 10);
    assert!(world.iam.sent - before <= 12, "{}", world.iam.sent - before);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })));
}

#[test]
fn a_session_that_goes_on_ending_when_it_does_costs_no_restart() {
    let mut world = minting();
    world.iam.session_end = Some(world.now() + HOUR * 6);
    world.launch("litellm", &[]);
    world.start();
    world.run(HOUR * 5 + MINUTE * 40);
    assert_eq!((world.iam.minted, world.applies.len()), (1, 1), "no key of that session lives longer than the first");
    assert!(world.iam.sent <= 12, "{}", world.iam.sent);
    assert_eq!(world.key("bedrock").minting.trouble, None);
    world.iam.session_end = Some(world.now() + HOUR * 6);
    world.run(MINUTE * 10);
    assert_eq!((world.iam.minted, world.holds("litellm", "K")), (2, held(&world)));
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert_eq!(*world.reply(ticket), Reply::Renewed, "by hand all the same");
}

#[test]
fn a_restart_of_the_daemon_doesn_t_tell_the_user_to_sign_in_again() {
    let mut world = minting();
    world.start();
    world.run(MINUTE);
    world.iam.mint_trouble = Some(Trouble { sign_in: true, ..refused() });
    world.run(HOUR * 9);
    for _ in 0..3 {
        world.crash();
        world.run(MINUTE * 10);
    }
    assert_eq!(shown(&world, Reason::SignIn), 1);
    world.edit(FILE, "K", 9);
    world.run(MINUTE);
    assert!(world.up.is_empty(), "a key from elsewhere ends that: {:?}", world.up);
    world.run(HOUR * 9);
    assert_eq!(shown(&world, Reason::SignIn), 2, "and the next time it is told anew");
}
