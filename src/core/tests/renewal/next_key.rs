//! The next key: made, taken up, the old one retired.

use super::*;

#[test]
fn at_the_first_alert_the_next_key_is_made_and_taken_up() {
    let mut world = world(Iam::Renew);
    world.run(DAY * 26);
    assert_eq!(held(&world), Some(101));
    assert_eq!(world.holds("litellm", "K"), Some(101));
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    assert_eq!(world.iam.status_of(101), Some(CredentialStatus::Active));
    assert_eq!(world.thresholds(), ["renewed"], "one notification, and no other");
    let known = world.key("bedrock").record.known_now().unwrap();
    assert_eq!(known.issued.source, IssuedSource::Iam);
    world.run(DAY * 7);
    assert_eq!(world.iam.status_of(1), None, "deleted after its grace");
    assert_eq!(world.iam.issued.len(), 1);
    world.run(DAY * 60);
    assert_eq!(world.iam.made, 3, "and so on, for ever");
    assert_eq!(shown(&world, Reason::Day(25)), 0);
    assert_eq!(world.applies.len(), 3);
}

#[test]
fn where_iam_says_no_the_user_is_told_as_ever_and_it_is_tried_again() {
    let mut world = world(Iam::Renew);
    world.iam.trouble = Some(refused());
    world.run(DAY * 25 + MINUTE * 5);
    assert_eq!(world.thresholds(), ["day-25"]);
    assert_eq!(world.key("bedrock").renewing.trouble.as_deref(), Some(&refused()));
    assert_eq!(held(&world), Some(1));
    world.run(DAY);
    assert_eq!(events(&world, "renewal-failed"), 5, "every six hours");
    world.iam.trouble = None;
    world.run(HOUR * 7);
    assert_eq!(held(&world), Some(101));
    assert_eq!(world.thresholds(), ["day-25", "renewed"]);
    assert_eq!(world.key("bedrock").renewing.trouble, None);
}

#[test]
fn by_hand_it_works_whatever_iam_says() {
    let mut world = world(Iam::Off);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert_eq!(*world.reply(ticket), Reply::Renewed);
    assert_eq!(world.holds("litellm", "K"), Some(101));
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    let ticket = world.ask(Request::Renew("nobody".into()));
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::UnknownKey(_))));
}

#[test]
fn by_hand_a_refusal_is_an_answer() {
    let mut world = world(Iam::Off);
    world.iam.trouble = Some(refused());
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { message, .. }) if message == "IAM says no"));
    assert_eq!(world.key("bedrock").renewing.trouble, None, "nothing is left to be done");
    world.kind = KeyKind::Opaque;
    world.iam.trouble = None;
    world.edit(FILE, "K", 7);
    world.run(MINUTE);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { message, .. }) if message.contains("no long-term key")));
}

#[test]
fn the_old_key_lives_as_long_as_a_consumer_runs_with_it() {
    let mut world = world(Iam::Renew);
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.run(DAY * 25 + SECOND * 20);
    assert_eq!(held(&world), Some(101));
    assert_eq!(world.holds("litellm", "K"), Some(1));
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Active));
    assert_eq!(shown(&world, Reason::Renewed), 0);
    world.run(HOUR);
    assert_eq!(world.holds("litellm", "K"), Some(101), "it is tried again");
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    assert_eq!(shown(&world, Reason::Renewed), 1);
}

#[test]
fn a_key_that_is_back_in_the_file_is_not_deleted() {
    let mut world = world(Iam::Renew);
    world.run(DAY * 26);
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    world.edit(FILE, "K", 1);
    world.run(DAY * 10);
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
}

#[test]
fn a_user_who_edits_meanwhile_has_the_last_word() {
    for moments in 0..30 {
        let mut world = world(Iam::Renew);
        world.run(DAY * 25 - MINUTE + MOMENT * moments);
        world.set(FILE, "K", 9);
        world.hint_later(FILE, MOMENT);
        world.run(DAY);
        assert_eq!((held(&world), world.holds("litellm", "K")), (Some(9), Some(9)), "{moments}");
        assert_ne!(world.iam.status_of(101), Some(CredentialStatus::Active), "{moments}: nobody's");
        world.run(DAY * 8);
        assert_eq!(world.iam.status_of(101), None, "{moments}");
    }
}

#[test]
fn a_crash_before_any_effect_is_picked_up() {
    let mut points = 0;
    for workers_die in [false, true] {
        for second in [None, Some(3), Some(9)] {
            for effects in 0.. {
                let mut world = world(Iam::Renew);
                world.iam.workers_die = workers_die;
                world.run(DAY * 25 - MINUTE * 2);
                world.crash_after = Some(effects);
                world.run(MINUTE * 2 + SECOND);
                let crashed = world.crash_after.is_none();
                if crashed {
                    world.crash_after = second;
                }
                world.run(MINUTE * 9);
                world.crash_after = None;
                let what = format!("crash before effect {effects}, then {second:?}, workers die: {workers_die}");
                // A renewal that was undone by a crash is tried again within hours.
                world.run(HOUR * 14);
                is_sound(&world, &what);
                assert!(held(&world) != Some(1), "{what}: it was renewed in the end");
                world.run(DAY * 8);
                assert_eq!(world.iam.issued.len(), 1, "{what}: the old one is gone");
                let heard = world.shown.iter().filter(|shown| shown.reason == Reason::Renewed && !shown.unheard).count();
                assert!((1..=2).contains(&heard), "{what}: told {heard} times");
                points += usize::from(crashed);
                if !crashed {
                    break;
                }
            }
        }
    }
    assert!(points >= 100, "{points} points");
}
