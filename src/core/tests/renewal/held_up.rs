//! What must not hold a renewal up, or be harmed by one.

use super::*;

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
