//! A configuration that changes under a running daemon, or between two.

use std::sync::Arc;

use jiff::SignedDuration;

use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::key::KeyState;
use crate::core::*;

/// Brings new settings in force, live or by a restart.
fn change(world: &mut World, live: bool, settings: Settings) {
    if live {
        world.reconfigure(settings);
    } else {
        world.settings = settings;
        world.crash();
    }
    world.run(MINUTE);
}

#[test]
fn the_whole_state_written_anew_is_what_was_saved_piece_by_piece() {
    let mut world = World::running();
    world.run(DAY * 26);
    world.set(FILE, "L", 1);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    let anew = |records: &mut dyn Iterator<Item = Record>| {
        let mut ledger = Ledger::default();
        records.for_each(|record| ledger.absorb(record));
        ledger
    };
    // What isn't configured any more is kept as well.
    for consumers in [usual().consumers, Vec::new()] {
        change(&mut world, true, Settings { keys: shared([key("other", "L", FILE)]), consumers, ..usual() });
        for ledger in [anew(&mut world.machine.records()), anew(&mut world.ledger.records())] {
            assert_eq!((&ledger.keys, &ledger.consumers), (&world.ledger.keys, &world.ledger.consumers));
            assert_eq!((ledger.keys.len(), ledger.consumers.len()), (2, 1));
            assert!(ledger.clock.is_some());
        }
    }
}

#[test]
fn a_longer_lifetime_makes_alerts_due_again() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY * 26);
        let mut settings = usual();
        Arc::make_mut(&mut settings.keys[0]).lifetime = Some(DAY * 90);
        change(&mut world, live, settings);
        assert_eq!(world.key_state("bedrock"), KeyState::Ok);
        assert!(world.up.is_empty());
        world.run(DAY * 70);
        assert_eq!(world.thresholds(), ["day-25", "day-25", "expired"]);
    }
}

#[test]
fn a_shorter_lifetime_makes_them_due_now_and_never_ends_them() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY * 10);
        let mut settings = usual();
        Arc::make_mut(&mut settings.keys[0]).lifetime = Some(DAY * 10 + HOUR);
        change(&mut world, live, settings.clone());
        assert_eq!(world.thresholds(), ["day-25"]);
        Arc::make_mut(&mut settings.keys[0]).lifetime = None;
        change(&mut world, live, settings);
        assert!(world.up.is_empty());
        world.run(DAY * 100);
        assert_eq!(world.thresholds(), ["day-25"]);
    }
}

#[test]
fn reminders_stay_recorded_when_the_end_moves_a_little() {
    let mut world = World::running();
    world.run(DAY * 27);
    let reminders = |world: &World| {
        let alerts = &world.key("bedrock").record.known_now().unwrap().alerts;
        alerts.iter().filter(|alert| alert.reason == Reason::Reminder).count()
    };
    let before = reminders(&world);
    assert!(before > 0);
    let mut settings = usual();
    Arc::make_mut(&mut settings.keys[0]).lifetime = Some(DAY * 30 + HOUR);
    change(&mut world, true, settings);
    assert_eq!(reminders(&world), before);
}

#[test]
fn days_that_are_added() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY * 26);
        change(&mut world, live, Settings { days: vec![20, 25, 28], ..usual() });
        assert_eq!(world.thresholds(), ["day-25"], "an earlier day has nothing to add");
        world.run(DAY * 20);
        assert_eq!(world.thresholds(), ["day-25", "day-28", "expired"]);
    }
}

#[test]
fn a_key_that_is_renamed_keeps_its_date_and_what_was_told_of_it() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY * 26);
        let life = world.key("bedrock").life();
        change(&mut world, live, Settings { keys: shared([key("renamed", "K", FILE)]), ..usual() });
        assert_eq!(world.key("renamed").life(), life);
        assert_eq!(world.applies.len(), 0);
        assert!(world.up.is_empty(), "nobody would close the old name's popup");
        world.run(DAY * 20);
        assert_eq!(world.thresholds(), ["day-25", "expired"]);
    }
}

#[test]
fn a_key_that_is_removed_and_added_again() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY * 20);
        change(&mut world, live, Settings { keys: Vec::new(), ..usual() });
        assert_eq!(world.machine.next_deadline(), None);
        world.run(DAY * 7);
        assert!(world.shown.is_empty());
        change(&mut world, live, usual());
        assert_eq!(world.thresholds(), ["day-25"]);
        assert_eq!(world.key("bedrock").record.known_now().unwrap().first_seen.strftime("%F").to_string(), "2026-10-01");
    }
}

#[test]
fn another_file() {
    for live in [true, false] {
        let mut world = World::running();
        world.run(DAY);
        world.set("/other", "K", 2);
        change(&mut world, live, Settings { keys: shared([key("bedrock", "K", "/other")]), ..usual() });
        assert_eq!(world.key("bedrock").record.current, Some(print(2)));
        assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(2)), "it is older than that file");
        world.edit(FILE, "K", 3);
        world.run(MINUTE);
        assert_eq!(world.holds("litellm", "K"), Some(2), "the old file concerns nobody");
    }
}

#[test]
fn a_key_added_to_a_known_file_restarts_no_newer_consumer() {
    let mut world = World::running();
    world.set(FILE, "L", 1);
    world.hint(FILE);
    world.run(MINUTE);
    world.processes.clear();
    world.launch("litellm", &[("K", 1), ("L", 9)]);
    world.step(Event::ConsumerGone("litellm".into()));
    world.run(MINUTE);
    let settings = Settings { keys: shared([key("bedrock", "K", FILE), key("second", "L", FILE)]), ..usual() };
    change(&mut world, true, settings);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Stale, 0));
    assert_eq!(world.key_state("second"), KeyState::Ok);
}

#[test]
fn a_look_that_was_ordered_before_says_nothing_of_a_new_key() {
    let mut world = World::running();
    world.set(FILE, "L", 1);
    world.hint(FILE);
    world.run(SignedDuration::from_millis(255));
    let settings = Settings { keys: shared([key("bedrock", "K", FILE), key("second", "L", FILE)]), ..usual() };
    world.reconfigure(settings);
    // The report of the look that is under way doesn't speak of the new variable.
    let mut report = world.look_at_file(FILE.into());
    if let FileBody::Read(contents) = &mut report.body {
        contents.variables = contents.variables[..1].into();
    }
    world.step(Event::FileRead(report));
    assert_ne!(world.key_state("second"), KeyState::Ok);
    assert!(!world.told.iter().any(|entry| entry.event == "key-missing"));
    world.run(MINUTE);
    assert_eq!(world.key_state("second"), KeyState::Ok);
}

#[test]
fn a_consumer_that_is_added_is_looked_at() {
    for live in [true, false] {
        let mut world = World::running();
        world.launch("other", &[("K", 1)]);
        world.launch("old", &[("K", 9)]);
        world.run(SECOND);
        world.edit(FILE, "K", 1);
        world.run(MINUTE);
        let consumers = vec![consumer("litellm", &[]), consumer("other", &["bedrock"]), consumer("old", &[])];
        change(&mut world, live, Settings { consumers, ..usual() });
        assert_eq!((world.state("other"), world.state("old")), (ConsumerState::Current, ConsumerState::Current));
        assert_eq!(world.applies.len(), 1, "the old one was older than the file");
    }
}

#[test]
fn whoever_waits_for_a_consumer_that_is_removed_is_told() {
    for pause in [0, 10, 30, 1000] {
        let mut world = World::running();
        world.edit(FILE, "K", 2);
        world.run(SignedDuration::from_millis(pause));
        let tickets = [true, false].map(|force| world.ask(Request::Apply("litellm".into(), force)));
        world.kill("litellm");
        let refresh = world.ask(Request::Refresh);
        world.reconfigure(Settings { consumers: Vec::new(), ..usual() });
        world.run(MINUTE);
        for ticket in tickets {
            assert!(matches!(world.reply(ticket), Reply::Denied(_)));
        }
        assert_eq!(world.reply(refresh), &Reply::Done);
    }
}

#[test]
fn a_consumer_that_is_removed_during_an_apply_and_added_again() {
    for away in [1, 10] {
        let mut world = World::running();
        world.edit(FILE, "K", 2);
        world.run(SECOND);
        world.reconfigure(Settings { consumers: Vec::new(), ..usual() });
        world.run(SECOND * away);
        world.reconfigure(usual());
        world.run(MINUTE);
        assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(2)));
        assert_eq!(world.applies.len(), 1);
    }
}

#[test]
fn ways_to_reach_the_user_that_change() {
    for live in [true, false] {
        let mut world = World::new(Settings { channels: Vec::new(), ..usual() });
        world.set(FILE, "K", 1);
        world.start();
        world.run(DAY * 26);
        assert!(world.shown.is_empty());
        change(&mut world, live, usual());
        assert_eq!(world.thresholds(), ["day-25"], "nobody was told yet");
        world.notifier = Notifier::Refuses;
        world.run(DAY);
        change(&mut world, live, Settings { channels: vec![Channel::Command], ..usual() });
        world.notifier = Notifier::Takes;
        world.run(MINUTE);
        assert!(world.shown.last().unwrap().channel == Channel::Command);
    }
}
