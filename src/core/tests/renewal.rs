//! The next key: dates from IAM, making, retiring, minting.

use super::world::*;
use crate::core::key::KeyState;
use crate::core::*;

fn settings(iam: Iam) -> Settings {
    let spec = KeySpec { iam, ..probed("bedrock", "K", FILE) };
    Settings { keys: shared([spec]), ..usual() }
}

/// The usual world with a long-term key that IAM knows since the start.
fn world(iam: Iam) -> World {
    let mut world = World::new(settings(iam));
    world.kind = KeyKind::BedrockLongTerm;
    let now = world.now();
    world.issue(1, now, Some(now + DAY * 30));
    world.set(FILE, "K", 1);
    world.launch("litellm", &[("K", 1)]);
    world.start();
    world.run(MINUTE);
    world
}

fn held(world: &World) -> Option<u8> {
    world.files[std::path::Path::new(FILE)].values.as_ref()?.get("K").copied()
}

fn shown(world: &World, reason: Reason) -> usize {
    world.shown.iter().filter(|shown| shown.reason == reason).count()
}

fn events(world: &World, event: &str) -> usize {
    world.told.iter().filter(|entry| entry.event == event).count()
}

// What IAM says

#[test]
fn iam_s_dates_are_gone_by() {
    let mut world = World::new(settings(Iam::Read));
    world.kind = KeyKind::BedrockLongTerm;
    let made = world.now() - DAY * 80;
    world.issue(1, made, Some(made + DAY * 90));
    world.set(FILE, "K", 1);
    world.start();
    world.run(MINUTE);
    let known = world.key("bedrock").record.known_now().unwrap();
    assert_eq!(known.issued, Issued { at: made, source: IssuedSource::Iam });
    assert_eq!(world.key("bedrock").life().unwrap().expires_at, Some(made + DAY * 90));
    assert_eq!(world.thresholds(), Vec::<String>::new());
    world.run(DAY * 6);
    assert_eq!(world.thresholds(), ["day-25"], "five days before its end");
    assert_eq!(world.iam.asked, 7, "once a day");
    world.crash();
    world.run(MINUTE);
    assert_eq!(world.key("bedrock").life().unwrap().expires_at, Some(made + DAY * 90), "known across a restart");
}

#[test]
fn a_key_that_iam_says_never_ends_has_no_alert() {
    let mut world = World::new(settings(Iam::Read));
    world.kind = KeyKind::BedrockLongTerm;
    let now = world.now();
    world.issue(1, now, None);
    world.set(FILE, "K", 1);
    world.start();
    world.run(DAY * 40);
    assert_eq!(world.alerts(), Vec::<String>::new());
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
}

#[test]
fn trouble_with_iam_costs_nothing_but_a_note() {
    let mut world = world(Iam::Read);
    world.iam.trouble = Some(refused());
    world.run(DAY * 2);
    assert_eq!(world.key("bedrock").iam.trouble.as_deref(), Some(&refused()));
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    world.run(DAY * 24);
    assert_eq!(world.thresholds(), ["day-25"]);
    world.iam.trouble = None;
    world.run(HOUR * 5);
    assert_eq!(world.key("bedrock").iam.trouble, None);
}

#[test]
fn who_doesn_t_want_it_isn_t_looked_up() {
    let mut world = world(Iam::Off);
    world.run(DAY * 3);
    assert_eq!(world.iam.asked, 0);
}

#[test]
fn a_new_key_is_looked_up_at_once() {
    let mut world = world(Iam::Read);
    let asked = world.iam.asked;
    let now = world.now();
    world.issue(2, now, Some(now + DAY));
    world.edit(FILE, "K", 2);
    world.run(SECOND * 2);
    assert_eq!(world.iam.asked, asked + 1);
    assert_eq!(world.key("bedrock").life().unwrap().expires_at, Some(now + DAY));
}

// The next key

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

/// The world is as if nothing had happened, or as if all had.
fn is_sound(world: &World, what: &str) {
    let value = held(world).unwrap();
    assert_eq!(world.iam.status_of(value), Some(CredentialStatus::Active), "{what}: the key in the file works");
    assert_eq!(world.holds("litellm", "K"), Some(value), "{what}: and is used");
    let active = world.iam.issued.iter().filter(|issued| issued.credential.status == CredentialStatus::Active).count();
    assert_eq!(active, 1, "{what}: there is no surplus key: {:?}", world.iam.issued);
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

// What must not hold a renewal up, or be harmed by one

#[test]
fn a_rejected_neighbour_doesn_t_hold_a_renewal_up() {
    let keys = vec![KeySpec { iam: Iam::Renew, ..probed("bedrock", "K", FILE) }, probed("other", "L", "/other")];
    let mut world = World::new(Settings { keys: shared(keys), ..usual() });
    world.kind = KeyKind::BedrockLongTerm;
    let now = world.now();
    world.issue(1, now, Some(now + DAY * 30));
    world.set(FILE, "K", 1);
    world.set("/other", "L", 50);
    world.launch("litellm", &[("K", 1), ("L", 50)]);
    world.start();
    world.run(DAY);
    world.rejects.insert(51);
    world.edit("/other", "L", 51);
    world.run(DAY * 25);
    assert_eq!(world.holds("litellm", "K"), Some(101));
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    assert_eq!(shown(&world, Reason::Renewed), 1);
}

#[test]
fn a_worker_that_is_lost_each_time_is_not_sent_for_ever() {
    let mut world = world(Iam::Renew);
    world.iam.workers_die = true;
    world.iam.settling_fails = true;
    world.run(DAY * 25 - MINUTE * 2);
    while world.key("bedrock").record.renewal.is_none() {
        world.run(MOMENT);
    }
    world.crash();
    world.run(HOUR * 2);
    assert!(world.iam.sent < 20, "{}", world.iam.sent);
    assert_eq!(world.thresholds(), ["day-25"], "and the alert isn't lost");
    assert!(world.key("bedrock").renewing.trouble.is_some());
    world.iam.settling_fails = false;
    world.run(DAY);
    is_sound(&world, "settled in the end");
}

#[test]
fn whoever_waits_is_answered_when_the_key_moves_to_another_file() {
    let mut world = world(Iam::Off);
    let ticket = world.ask(Request::Renew("bedrock".into()));
    let waits = world.ask(Request::Renewed("bedrock".into(), print(3)));
    let keys = vec![KeySpec { env_file: std::path::Path::new("/moved").into(), ..probed("bedrock", "K", FILE) }];
    world.iam.at_random = true;
    world.reconfigure(Settings { keys: shared(keys), ..usual() });
    world.run(MINUTE);
    let _ = (world.reply(ticket), world.reply(waits));
}

#[test]
fn nothing_is_made_before_iam_has_said_how_long_the_key_lives() {
    let mut world = World::new(settings(Iam::Renew));
    world.kind = KeyKind::BedrockLongTerm;
    let made = world.now() - DAY * 80;
    world.issue(1, made, Some(made + DAY * 365));
    world.set(FILE, "K", 1);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(made);
    world.launch("litellm", &[("K", 1)]);
    world.start();
    world.run(DAY);
    assert_eq!((held(&world), world.iam.made), (Some(1), 0));
    assert_eq!(world.alerts(), Vec::<String>::new());
}

#[test]
fn trouble_is_forgotten_with_the_key_that_it_was_about() {
    let mut world = world(Iam::Renew);
    world.iam.trouble = Some(refused());
    world.run(DAY * 26);
    assert!(world.key("bedrock").renewing.trouble.is_some());
    world.edit(FILE, "K", 9);
    world.run(MINUTE);
    assert_eq!(world.key("bedrock").renewing.trouble, None);
}

#[test]
fn what_was_in_trouble_is_tried_again_once_the_configuration_is_edited() {
    let mut world = world(Iam::Renew);
    world.iam.trouble = Some(refused());
    world.run(DAY * 25 + MINUTE);
    assert!(world.key("bedrock").renewing.trouble.is_some());
    world.iam.trouble = None;
    world.reconfigure(settings(Iam::Renew));
    assert!(world.key("bedrock").renewing.trouble.is_some(), "it isn't over yet");
    world.run(MINUTE);
    assert_eq!(held(&world), Some(101));
}

#[test]
fn a_clock_set_back_makes_no_renewal_wait_for_it() {
    let mut world = world(Iam::Renew);
    world.iam.trouble = Some(refused());
    world.run(DAY * 26);
    world.iam.trouble = None;
    world.jump(-HOUR * 12);
    world.run(HOUR);
    assert_eq!(held(&world), Some(101));
}

#[test]
fn trouble_is_forgotten_where_nothing_is_to_be_renewed_any_more() {
    let mut world = world(Iam::Renew);
    world.iam.trouble = Some(refused());
    world.run(DAY * 25 + MINUTE);
    assert!(world.key("bedrock").renewing.trouble.is_some());
    world.reconfigure(settings(Iam::Read));
    assert_eq!(world.key("bedrock").renewing.trouble, None);
}

#[test]
fn a_file_that_cannot_be_read_for_a_while_is_not_taken_for_another_key() {
    let mut world = world(Iam::Renew);
    world.run(DAY * 25 - MINUTE);
    while held(&world) == Some(1) {
        world.run(MOMENT);
    }
    world.reads_fail = true;
    world.run(HOUR * 5);
    assert_eq!(events(&world, "renewal-superseded"), 0);
    assert_eq!(world.thresholds(), ["day-25"], "alerts are not held for ever");
    world.reads_fail = false;
    world.run(HOUR);
    is_sound(&world, "read again");
    assert_eq!(shown(&world, Reason::Renewed), 1);
}

#[test]
fn a_consumer_that_came_back_unseen_with_the_old_key_is_seen_before_that_is_retired() {
    let mut world = world(Iam::Renew);
    world.kill("litellm");
    world.run(DAY * 25 - MINUTE * 2);
    world.iam.retire_trouble = Some(refused());
    world.run(HOUR);
    assert_eq!(held(&world), Some(101));
    world.launch("litellm", &[("K", 1)]);
    world.iam.retire_trouble = None;
    world.run(DAY);
    assert!(world.holds("litellm", "K") == Some(101) || world.iam.status_of(1) == Some(CredentialStatus::Active));
}

#[test]
fn a_key_that_was_back_in_the_file_has_its_grace_anew() {
    let mut world = world(Iam::Renew);
    world.run(DAY * 26);
    world.edit(FILE, "K", 1);
    world.run(DAY * 10);
    world.edit(FILE, "K", 101);
    world.run(DAY * 6);
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
    world.run(DAY * 2);
    assert_eq!(world.iam.status_of(1), None);
}

#[test]
fn whoever_waits_is_answered_when_the_key_is_gone_by_then() {
    let mut world = world(Iam::Off);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().values = None;
    let ticket = world.ask(Request::Renew("bedrock".into()));
    world.run(MINUTE);
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })));
}

#[test]
fn a_key_that_is_taken_out_of_the_configuration_and_put_back_meanwhile_is_sound() {
    for moments in 0..40 {
        let mut world = world(Iam::Renew);
        world.run(DAY * 25 - MINUTE + MOMENT * moments);
        world.reconfigure(Settings { keys: vec![], ..usual() });
        world.run(MOMENT);
        world.reconfigure(settings(Iam::Renew));
        world.run(HOUR * 14);
        is_sound(&world, &format!("{moments}"));
        world.run(DAY * 9);
        assert_eq!(world.iam.issued.len(), 1, "{moments}: {:?}", world.iam.issued);
    }
}

#[test]
fn a_week_of_suspension_or_a_clock_set_back_meanwhile_is_sound() {
    for by in [DAY * 7, -DAY * 7, HOUR * 2, -HOUR] {
        for moments in 0..40 {
            let mut world = world(Iam::Renew);
            world.run(DAY * 25 - MINUTE + MOMENT * moments * 3);
            world.jump(by);
            world.run(HOUR * 14);
            if by.is_negative() {
                world.run(DAY * 8);
            }
            is_sound(&world, &format!("{by} {moments}"));
            assert_eq!(world.iam.made, 1, "{by} {moments}");
            world.run(DAY * 9);
            assert_eq!(world.iam.issued.len(), 1, "{by} {moments}: {:?}", world.iam.issued);
        }
    }
}

#[test]
fn a_file_that_is_unreadable_or_gone_meanwhile_is_sound() {
    for how in 0..3 {
        for moments in 0..40 {
            let mut world = world(Iam::Renew);
            world.run(DAY * 25 - MINUTE + MOMENT * moments);
            let file = world.files.get_mut(std::path::Path::new(FILE)).unwrap();
            match how {
                0 => file.unreadable = true,
                1 => file.busy = true,
                _ => {}
            }
            let kept = file.values.clone();
            if how == 2 {
                file.values = None;
                world.iam.at_random = true;
            }
            world.hint(FILE);
            world.run(MINUTE * 10);
            let file = world.files.get_mut(std::path::Path::new(FILE)).unwrap();
            (file.unreadable, file.busy) = (false, false);
            if how == 2 {
                file.values = file.values.take().or(kept);
            }
            world.hint(FILE);
            world.run(DAY);
            let value = held(&world).unwrap();
            assert_eq!(world.holds("litellm", "K"), Some(value), "{how} {moments}");
            if how < 2 {
                is_sound(&world, &format!("{how} {moments}"));
            }
        }
    }
}

// After the change

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

// Short-term keys

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

/// Another tracked file holds the same key.
#[test]
fn a_key_that_another_file_holds_is_not_retired() {
    let keys = vec![KeySpec { iam: Iam::Renew, ..probed("bedrock", "K", FILE) }, probed("copy", "L", "/copy")];
    let mut world = World::new(Settings { keys: shared(keys), ..usual() });
    world.kind = KeyKind::BedrockLongTerm;
    let now = world.now();
    world.issue(1, now, Some(now + DAY * 30));
    world.set(FILE, "K", 1);
    world.set("/copy", "L", 1);
    world.launch("litellm", &[("K", 1)]);
    world.start();
    world.run(DAY * 27);
    assert_eq!((held(&world), world.iam.status_of(1)), (Some(101), Some(CredentialStatus::Active)));
    world.edit("/copy", "L", 101);
    world.run(HOUR);
    assert_eq!(world.iam.status_of(1), Some(CredentialStatus::Inactive));
}
