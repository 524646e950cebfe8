//! Alerts: each threshold once, whatever happens (contract, promise 1).

use std::sync::Arc;

use jiff::SignedDuration;

use super::world::*;
use crate::core::key::KeyState;
use crate::core::*;

#[test]
fn each_threshold_once_and_reminders_daily_until_the_end() {
    let mut world = World::running();
    world.run(DAY * 60);
    let shown = world.alerts();
    assert_eq!(shown.first().unwrap(), "10-26T12:00:00 day-25");
    assert_eq!(shown[1..5], ["10-27T10:00:00 reminder", "10-28T10:00:00 reminder", "10-29T10:00:00 reminder", "10-30T10:00:00 reminder"]);
    assert_eq!(shown[5..], ["10-31T10:00:00 reminder", "10-31T12:00:00 expired"], "and none after");
    assert_eq!(world.key_state("bedrock"), KeyState::Expired);
    let told = world.machine.key(&"bedrock".into()).unwrap().record.told.as_ref().unwrap();
    assert_eq!(["day-25", "reminder", "expired"].map(|reason| told.of(reason)), [1, 5, 1]);
    assert!(!told.is_empty());
}

#[test]
fn a_daemon_that_is_restarted_every_hour_tells_the_same() {
    let mut world = World::running();
    for _ in 0..40 * 24 {
        world.run(HOUR);
        world.crash();
    }
    assert_eq!(world.thresholds(), ["day-25", "expired"]);
    assert_eq!(world.shown.len(), 7);
}

#[test]
fn a_crash_between_any_two_effects_shows_no_second_popup() {
    for effects in 0..60 {
        let mut world = World::running();
        world.run(DAY * 25 - HOUR);
        world.crash_after = Some(effects);
        world.run(DAY * 10);
        world.crash_after = None;
        let by_reason = |reason| world.shown.iter().filter(|shown| shown.reason == reason).collect::<Vec<_>>();
        for reason in [Reason::Day(25), Reason::Expired] {
            let shown = by_reason(reason);
            assert!(!shown.is_empty(), "{reason} is lost after {effects} effects");
            assert!(shown.len() == 1 || (shown.len() == 2 && shown[0].unheard && shown[0].popup == shown[1].popup), "{reason} {effects}");
        }
        assert_eq!(world.up.len(), 1, "one popup is up");
    }
}

#[test]
fn several_missed_ones_collapse_into_the_last() {
    let mut settings = usual();
    settings.days = vec![20, 25, 28];
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.run(MINUTE);
    world.stop();
    world.sleep(DAY * 26);
    world.start();
    world.run(MINUTE);
    assert_eq!(world.thresholds(), ["day-25"]);
    world.run(DAY * 10);
    assert_eq!(world.thresholds(), ["day-25", "day-28", "expired"]);
}

#[test]
fn a_suspend_over_a_threshold_and_over_the_end() {
    let mut world = World::running();
    world.run(DAY * 24);
    world.jump(DAY * 2);
    world.run(MINUTE);
    assert_eq!(world.thresholds(), ["day-25"]);
    world.jump(DAY * 30);
    world.run(DAY * 3);
    assert_eq!(world.thresholds(), ["day-25", "expired"]);
    assert_eq!(world.shown.len(), 2, "missed reminders are not made up for");
}

#[test]
fn a_snooze_ends_with_a_reminder() {
    let mut world = World::running();
    world.run(DAY * 25 + HOUR);
    let until = at("2026-10-28T15:00:00Z");
    let ticket = world.ask(Request::Snooze("bedrock".into(), Some(until)));
    assert_eq!(world.reply(ticket), &Reply::Done);
    assert!(world.up.is_empty(), "quiet is quiet");
    world.run(DAY * 3);
    assert_eq!(world.alerts()[1..3], ["10-28T15:00:00 reminder", "10-29T10:00:00 reminder"]);
}

#[test]
fn a_snooze_never_goes_past_the_end() {
    let mut world = World::running();
    world.run(DAY * 25 + HOUR);
    world.ask(Request::Snooze("bedrock".into(), Some(at("2027-10-28T15:00:00Z"))));
    assert_eq!(world.key("bedrock").record.snoozed_until, Some(at("2026-10-31T12:00:00Z")));
    world.run(DAY * 60);
    assert_eq!(world.alerts()[1..], ["10-31T12:00:00 expired"]);
    let ticket = world.ask(Request::Snooze("bedrock".into(), Some(at("2027-10-28T15:00:00Z"))));
    assert!(matches!(world.reply(ticket), Reply::Denied(Denial::Refused { .. })), "there is nothing left to be quiet about");
}

#[test]
fn a_snooze_put_over_a_threshold_puts_it_off() {
    let mut settings = usual();
    settings.days = vec![25, 28];
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.run(DAY * 24);
    world.ask(Request::Snooze("bedrock".into(), Some(at("2026-10-27T09:00:00Z"))));
    world.until("2026-10-29T13:00:00Z");
    assert_eq!(
        world.alerts(),
        ["10-27T09:00:00 day-25", "10-27T10:00:00 reminder", "10-28T10:00:00 reminder", "10-29T10:00:00 reminder", "10-29T12:00:00 day-28"]
    );
}

#[test]
fn an_alert_that_nobody_took_is_quiet_too() {
    let mut world = World::running();
    world.notifier = Notifier::Refuses;
    world.run(DAY * 25 + HOUR);
    world.ask(Request::Snooze("bedrock".into(), Some(at("2026-10-27T09:00:00Z"))));
    world.notifier = Notifier::Takes;
    world.step(Event::NotifierAppeared);
    world.until("2026-10-27T08:59:59Z");
    assert!(world.shown.is_empty());
    world.run(MINUTE);
    assert_eq!(world.alerts(), ["10-27T09:00:00 day-25"]);
}

#[test]
fn remind_me_tomorrow() {
    let mut world = World::running();
    world.run(DAY * 25 + HOUR);
    world.step(Event::RemindTomorrow(Topic::Key("bedrock".into())));
    world.run(DAY);
    assert_eq!(world.alerts()[1..], ["10-27T10:00:00 reminder"]);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.step(Event::RemindTomorrow(Topic::Key("bedrock".into())));
    assert_eq!(world.key("bedrock").record.snoozed_until, None, "the popup was about another key");
}

#[test]
fn a_new_key_closes_the_popup_and_starts_afresh() {
    let mut world = World::running();
    world.run(DAY * 26);
    assert_eq!(world.up.len(), 1);
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    assert!(world.up.is_empty());
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    assert_eq!(world.machine.key(&"bedrock".into()).unwrap().latest_alert(), None);
    let before = world.shown.len();
    world.run(DAY * 24);
    assert_eq!(world.shown.len(), before);
    world.run(DAY * 2);
    assert_eq!(world.shown[before].reason, Reason::Day(25));
}

#[test]
fn an_old_key_that_is_back_keeps_its_date_and_its_alerts() {
    let mut world = World::running();
    world.run(DAY * 26);
    let issued = world.key("bedrock").life().unwrap();
    world.edit(FILE, "K", 2);
    world.run(HOUR);
    world.edit(FILE, "K", 1);
    world.run(HOUR * 22);
    assert_eq!(world.key("bedrock").life().unwrap(), issued);
    assert_eq!(world.thresholds(), ["day-25"], "told already");
    assert!(world.shown.len() > 2, "but due, so it is reminded of");
}

#[test]
fn without_a_notifier_it_is_tried_until_there_is_one() {
    for notifier in [Notifier::Refuses, Notifier::Hangs] {
        let mut world = World::running();
        world.notifier = notifier;
        world.run(DAY * 27);
        assert!(world.shown.is_empty());
        assert!(world.obstacles("bedrock").iter().any(|found| found.channel == Channel::Desktop));
        world.notifier = Notifier::Takes;
        world.step(Event::NotifierAppeared);
        world.run(SECOND * 6);
        assert_eq!(world.thresholds(), ["day-25"]);
        world.run(DAY * 5);
        assert_eq!(world.thresholds(), ["day-25", "expired"]);
    }
}

#[test]
fn a_notifier_that_nobody_tells_of_is_found_within_a_minute() {
    let mut world = World::running();
    world.notifier = Notifier::Refuses;
    world.run(DAY * 27);
    world.notifier = Notifier::Takes;
    world.run(MINUTE);
    assert_eq!(world.thresholds(), ["day-25"]);
}

#[test]
fn expiry_swallows_what_was_never_heard() {
    let mut world = World::running();
    world.notifier = Notifier::Refuses;
    world.run(DAY * 31);
    world.notifier = Notifier::Takes;
    world.run(DAY * 5);
    assert_eq!(world.thresholds(), ["expired"]);
    assert_eq!(world.shown.len(), 1);
}

#[test]
fn a_result_that_comes_late_says_nothing_of_the_next_key() {
    let mut world = World::running();
    world.until("2026-10-26T11:59:59Z");
    world.notifier = Notifier::Mute;
    world.run(SECOND * 2);
    assert_eq!(world.thresholds(), ["day-25"]);
    // Its result is still to come when another key, which is due as well, arrives.
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    world.notifier = Notifier::Refuses;
    world.ask(Request::Issued("bedrock".into(), at("2026-09-30T00:00:00Z")));
    world.run(SECOND * 10);
    world.step(Event::Delivered(Topic::Key("bedrock".into()), Channel::Desktop, Some(7)));
    world.run(SECOND);
    assert!(!world.key("bedrock").latest_alert().unwrap().delivered);
    world.notifier = Notifier::Takes;
    world.run(MINUTE);
    assert!(world.key("bedrock").latest_alert().unwrap().delivered);
}

#[test]
fn a_result_that_is_lost_is_given_up() {
    let mut world = World::running();
    world.until("2026-10-26T11:59:59Z");
    world.notifier = Notifier::Mute;
    world.run(SECOND * 2);
    world.notifier = Notifier::Takes;
    world.run(MINUTE * 3);
    assert!(world.key("bedrock").latest_alert().unwrap().delivered);
    assert_eq!(world.up.len(), 1);
}

#[test]
fn a_popup_of_a_replaced_key_that_comes_up_late_is_closed() {
    let mut world = World::running();
    world.own_ids = Some(0);
    world.until("2026-10-26T11:59:59Z");
    world.notifier = Notifier::Mute;
    world.run(SECOND * 2);
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    assert_eq!(world.up.len(), 1, "the service gave it an id that nobody has heard of yet");
    world.step(Event::Delivered(Topic::Key("bedrock".into()), Channel::Desktop, Some(1)));
    assert!(world.up.is_empty());
}

#[test]
fn a_declared_date_makes_alerts_due_again_or_now() {
    let mut world = World::running();
    world.run(DAY * 26);
    let issued = |world: &mut World, at| world.ask(Request::Issued("bedrock".into(), at));
    // Three days younger: day 25 is to come.
    issued(&mut world, at("2026-10-04T12:00:00Z"));
    assert!(world.up.is_empty());
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    world.run(DAY * 2 + HOUR);
    assert_eq!(world.thresholds(), ["day-25", "day-25"]);
    assert_eq!(world.shown.last().unwrap().at, at("2026-10-29T12:00:00Z"));
    // A few hours older, which changes nothing of that, and then so old that it has ended.
    let before = world.shown.len();
    issued(&mut world, at("2026-10-04T09:00:00Z"));
    world.run(HOUR);
    assert_eq!((world.shown.len(), world.up.len()), (before, 1), "the popup stays");
    // As old as to be due at this very moment.
    let just_due = world.now() - DAY * 25;
    issued(&mut world, just_due);
    assert_eq!((world.shown.len(), world.up.len()), (before, 1), "it is as true as before");
    issued(&mut world, at("2026-09-04T09:00:00Z"));
    world.run(SECOND);
    assert_eq!(world.thresholds(), ["day-25", "day-25", "expired"]);
    let ticket = issued(&mut world, at("2027-01-01T00:00:00Z"));
    assert!(matches!(world.reply(ticket), Reply::Denied(_)));
}

#[test]
fn a_clock_set_back_a_day_tells_nothing_twice_and_keeps_reminding() {
    let mut world = World::running();
    world.run(DAY * 25 + HOUR);
    world.jump(-DAY);
    assert!(world.machine.clock_went_back().is_some());
    world.run(DAY * 3);
    assert_eq!(world.thresholds(), ["day-25"]);
    assert_eq!(world.alerts()[1..], ["10-27T10:00:00 reminder", "10-28T10:00:00 reminder"]);
    assert!(world.machine.clock_went_back().is_none());
    world.crash();
    world.run(DAY * 5);
    assert_eq!(world.thresholds(), ["day-25", "expired"]);
}

#[test]
fn a_clock_that_was_a_month_ahead_for_a_while_silences_nothing() {
    let mut world = World::running();
    world.run(DAY * 5);
    world.jump(DAY * 31);
    world.run(HOUR);
    assert_eq!(world.thresholds(), ["expired"]);
    world.jump(-DAY * 31);
    world.crash();
    let before = world.shown.len();
    world.run(DAY * 19);
    assert_eq!(world.shown.len(), before, "nothing is due");
    world.run(DAY * 4);
    assert_eq!(world.thresholds(), ["expired"], "once is once");
    assert_eq!(world.alerts()[before..], ["10-27T10:00:00 reminder", "10-28T10:00:00 reminder", "10-29T10:00:00 reminder"]);
}

#[test]
fn a_clock_set_back_while_the_daemon_is_down_is_noticed() {
    let mut world = World::running();
    world.run(DAY * 26);
    world.stop();
    world.jump_unseen(-DAY);
    world.start();
    assert!(world.machine.clock_went_back().is_some());
    world.run(DAY);
    assert_eq!(world.thresholds(), ["day-25"]);
}

#[test]
fn keys_that_never_end_are_never_told_of() {
    let mut settings = usual();
    Arc::make_mut(&mut settings.keys[0]).lifetime = None;
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.run(DAY * 4000);
    assert!(world.shown.is_empty());
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
}

#[test]
fn a_key_that_carries_its_own_dates_goes_by_those() {
    let mut world = World::new(usual());
    world.set(FILE, "K", 1);
    world.carried = Some((at("2026-10-01T00:00:00Z"), at("2026-10-01T18:00:00Z")));
    world.start();
    world.run(DAY);
    // A sixth of 18 hours ahead.
    assert_eq!(world.alerts(), ["10-01T15:00:00 day-25", "10-01T18:00:00 expired"]);
    let ticket = world.ask(Request::Issued("bedrock".into(), at("2026-09-01T00:00:00Z")));
    assert!(matches!(world.reply(ticket), Reply::Denied(_)));
}

#[test]
fn nothing_is_told_of_a_key_before_its_file_was_looked_at() {
    let mut world = World::running();
    world.run(DAY * 24);
    world.stop();
    world.set(FILE, "K", 2);
    world.sleep(DAY * 2);
    world.start();
    world.run(MINUTE);
    assert_eq!((world.thresholds().len(), world.key_state("bedrock")), (0, KeyState::Ok), "it was replaced meanwhile");
}

#[test]
fn an_unreadable_file_silences_nothing() {
    let mut world = World::running();
    world.run(DAY * 24);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().unreadable = true;
    world.hint(FILE);
    world.run(DAY * 2);
    assert_eq!(world.key_state("bedrock"), KeyState::Unreadable);
    assert_eq!(world.thresholds(), ["day-25"]);
}

#[test]
fn a_command_that_fails_is_not_run_every_minute_for_days() {
    let mut settings = usual();
    settings.channels = vec![Channel::Desktop, Channel::Command];
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.command_fails = true;
    world.run(DAY * 25 + HOUR * 20);
    assert!((10..40).contains(&world.commands), "{}", world.commands);
    assert_eq!(world.thresholds(), ["day-25"], "and the popup is shown once");
}

#[test]
fn a_command_that_fails_is_told_of_once_until_it_works_again() {
    let both = Settings { channels: vec![Channel::Desktop, Channel::Command], ..usual() };
    let mut world = World::new(both.clone());
    world.set(FILE, "K", 1);
    world.start();
    world.command_fails = true;
    let spells = |world: &World| world.told.iter().filter(|entry| entry.event == "alert-command-failed").count();
    let obstacle = |world: &World| world.obstacles("bedrock").first().map(|found| (found.channel, found.retry_at.is_some()));
    world.run(DAY * 28);
    assert_eq!((spells(&world), obstacle(&world)), (1, Some((Channel::Command, true))), "for three alerts, tried again and again");
    world.command_fails = false;
    world.run(HOUR * 2);
    assert_eq!((spells(&world), obstacle(&world)), (1, None));
    world.command_fails = true;
    world.run(DAY);
    assert_eq!((spells(&world), obstacle(&world)), (2, Some((Channel::Command, true))));
    // A configuration without it; one with another, which is tried at once.
    world.reconfigure(Settings { channels: vec![Channel::Desktop], ..both.clone() });
    assert_eq!(obstacle(&world), None);
    world.reconfigure(both);
    world.run(DAY);
    world.command_fails = false;
    world.reconfigure(world.settings.clone());
    world.run(SECOND);
    assert_eq!((spells(&world), obstacle(&world)), (3, None));
}

#[test]
fn a_command_that_fails_for_all_keys_is_told_of_once() {
    let mut world = World::new(Settings {
        keys: shared([key("a", "A", FILE), key("b", "B", FILE), key("c", "C", FILE)]),
        channels: vec![Channel::Desktop, Channel::Command],
        ..usual()
    });
    for (variable, value) in [("A", 1), ("B", 2), ("C", 3)] {
        world.set(FILE, variable, value);
    }
    world.start();
    let spells = |world: &World| world.told.iter().filter(|entry| entry.event == "alert-command-failed").count();
    world.command_fails = true;
    world.run(DAY * 28);
    assert!(["a", "b", "c"].iter().all(|name| !world.obstacles(name).is_empty()));
    assert_eq!(spells(&world), 1);
    world.command_fails = false;
    world.run(HOUR * 2);
    world.command_fails = true;
    world.run(DAY);
    assert_eq!(spells(&world), 2);
}

#[test]
fn a_suspend_in_the_middle_of_sending_sends_nothing_twice() {
    let mut settings = usual();
    settings.channels = vec![Channel::Desktop, Channel::Command];
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.start();
    world.until("2026-10-26T11:59:59Z");
    world.run(SECOND + SignedDuration::from_millis(10));
    world.jump(HOUR * 3);
    world.run(MINUTE * 10);
    assert_eq!(world.thresholds(), ["day-25", "day-25"], "by each way once");
}

#[test]
fn a_popup_has_the_same_id_on_every_run() {
    // An id that was saved by an earlier credd must be the one that a later one replaces.
    assert_eq!(crate::core::key::popup_id("credd-key-bedrock"), 1_193_001_301);
}
