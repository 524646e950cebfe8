//! On a schedule.

use super::*;

#[test]
fn a_key_in_use_that_is_revoked_is_told_of_once_and_at_once() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.run(HOUR * 6);
    assert_eq!((world.thresholds(), world.key_state("bedrock")), (vec!["rejected".into()], KeyState::Rejected));
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 0), "it has it, good or bad");
    world.run(DAY);
    world.crash();
    world.run(DAY);
    assert_eq!(world.thresholds(), ["rejected"]);
    // It is good again, and revoked once more.
    world.rejects.clear();
    world.run(HOUR * 7);
    assert!(world.up.is_empty());
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert_eq!((world.thresholds(), world.up.len()), (vec!["rejected".into(); 2], 1));
}

#[test]
fn dates_are_told_all_the_same() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.run(DAY * 60);
    let shown = world.alerts();
    assert_eq!(world.thresholds(), ["rejected", "day-25", "expired"]);
    assert_eq!(shown[1..3], ["10-26T12:00:00 day-25", "10-27T10:00:00 reminder"]);
    assert_eq!(shown.last().unwrap(), "10-31T12:00:00 expired");
    assert_eq!(world.key_state("bedrock"), KeyState::Expired, "the fix is the same");
}

#[test]
fn of_an_expired_key_nobody_says_that_it_is_rejected() {
    let mut world = World::probing();
    world.run(DAY * 31);
    world.rejects.insert(1);
    world.run(DAY * 3);
    assert_eq!(world.thresholds(), ["day-25", "expired"]);
}

#[test]
fn keys_that_never_end_can_be_rejected() {
    let mut world = World::probing();
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).lifetime = None;
    world.reconfigure(settings);
    world.rejects.insert(1);
    world.run(DAY * 40);
    assert_eq!((world.thresholds(), world.shown.len()), (vec!["rejected".into()], 1));
}

#[test]
fn a_rejection_that_nobody_heard_of_collapses_with_what_comes() {
    for (days, expected) in [(26, "rejected"), (31, "expired")] {
        let mut world = World::probing();
        world.notifier = Notifier::Refuses;
        world.rejects.insert(1);
        world.run(DAY * days);
        world.notifier = Notifier::Takes;
        world.run(MINUTE * 2);
        assert_eq!(world.thresholds(), [expected]);
        let alert = world.key("bedrock").latest_alert().unwrap();
        let other = if expected == "rejected" { Reason::Day(25) } else { Reason::Rejected };
        assert!(alert.covers.contains(&other), "{alert:?}");
        world.run(DAY * 40);
        assert_eq!(world.thresholds().len(), if days == 26 { 2 } else { 1 });
    }
}

#[test]
fn a_rejection_that_is_over_before_anybody_heard_of_it_is_not_told() {
    let mut world = World::probing();
    world.notifier = Notifier::Refuses;
    world.rejects.insert(1);
    verify(&mut world);
    world.run(MINUTE);
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    world.rejects.clear();
    verify(&mut world);
    world.run(MINUTE);
    assert_eq!(world.key("bedrock").record.known_now().unwrap().alerts, []);
    world.notifier = Notifier::Takes;
    world.run(DAY);
    assert!(world.shown.is_empty());
}

#[test]
fn no_quiet_silences_a_rejection() {
    let mut world = World::probing();
    world.run(DAY * 25 + HOUR);
    world.ask(Request::Snooze("bedrock".into(), Some(at("2026-10-28T15:00:00Z"))));
    world.rejects.insert(1);
    world.run(DAY);
    assert_eq!(world.thresholds(), ["day-25", "rejected"]);
    world.run(DAY + HOUR * 3);
    assert_eq!(world.shown.last().unwrap().reason, Reason::Reminder);
    assert_eq!(world.shown.last().unwrap().at, at("2026-10-28T15:00:00Z"), "and the quiet goes on");
}

#[test]
fn a_threshold_that_is_kept_quiet_is_not_swallowed() {
    let mut world = World::probing();
    world.run(DAY * 24);
    world.ask(Request::Snooze("bedrock".into(), Some(at("2026-10-28T15:00:00Z"))));
    world.run(DAY * 2);
    world.rejects.insert(1);
    world.run(DAY);
    assert_eq!(world.thresholds(), ["rejected"]);
    world.run(DAY);
    assert_eq!(world.alerts()[1], "10-28T15:00:00 day-25");
}

#[test]
fn a_probe_that_was_slept_through_is_made_up_for() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.jump(DAY);
    world.run(SECOND);
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    let mut world = World::probing();
    world.stop();
    world.sleep(DAY);
    world.rejects.insert(1);
    world.start();
    world.run(SECOND);
    assert_eq!((world.key_state("bedrock"), manners(&world).last()), (KeyState::Rejected, Some(&ProbeManner::Scheduled)));
    assert_eq!(world.thresholds(), ["rejected"]);
}

#[test]
fn a_clock_set_back_silences_no_probe() {
    let mut world = World::probing();
    world.run(DAY * 3);
    world.jump(-DAY * 3);
    world.run(MINUTE);
    let before = world.probes.len();
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert!(world.probes.len() > before);
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    // Nor does a verdict from the future count as fresh.
    world.jump(-HOUR);
    world.issuer = Issuer::Silent;
    world.jump(-DAY);
    world.issuer = Issuer::Truthful;
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 10);
    assert_eq!(world.applies.len(), 0);
}

#[test]
fn an_answer_that_is_lost_is_given_up() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    world.run(HOUR * 6 + MINUTE * 6);
    assert_eq!(world.key("bedrock").probe().unwrap().verdict, ProbeVerdict::Unknown);
    world.issuer = Issuer::Truthful;
    world.run(HOUR * 6);
    assert_eq!(world.key("bedrock").probe().unwrap().verdict, ProbeVerdict::Works);
    assert!(world.shown.is_empty());
}

#[test]
fn many_keys_are_given_the_time_that_one_worker_needs() {
    let names: Vec<String> = (0..20).map(|n| format!("key-{n}")).collect();
    let keys: Vec<KeySpec> = names.iter().map(|name| probed(name, name, FILE)).collect();
    let mut world = World::new(Settings { keys: shared(keys), ..usual() });
    for (name, value) in names.iter().zip(1..) {
        world.set(FILE, name, value);
    }
    world.issuer = Issuer::Silent;
    world.start();
    world.run(MINUTE * 6);
    assert!(world.key("key-0").probe().is_some());
    assert!(world.key("key-9").probe().is_none());
    world.run(MINUTE * 95);
    assert!(names.iter().all(|name| world.key(name).probe().is_some()));
}

#[test]
fn a_file_that_is_held_open_is_not_asked_about_all_the_time() {
    let mut world = World::probing();
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = true;
    world.hint(FILE);
    world.run(HOUR * 7);
    assert!(world.probes.len() < 100, "{}", world.probes.len());
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = false;
    world.run(MINUTE * 3);
    assert_eq!(world.key("bedrock").probe().unwrap().verdict, ProbeVerdict::Works);
    let last = world.probes.len();
    world.run(HOUR);
    assert_eq!(world.probes.len(), last);
}

#[test]
fn another_endpoint_is_asked_at_once_and_none_is_left_in_peace() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert_eq!((world.key_state("bedrock"), world.up.len()), (KeyState::Rejected, 1));
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).endpoint = Some("https://gateway".into());
    world.rejects.clear();
    world.reconfigure(settings.clone());
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), world.up.len()), (KeyState::Ok, 0));
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert_eq!(world.up.len(), 1);
    Arc::make_mut(&mut settings.keys[0]).probed = false;
    world.reconfigure(settings);
    let before = world.probes.len();
    world.run(DAY);
    assert_eq!((world.probes.len(), world.key_state("bedrock"), world.up.len()), (before, KeyState::Ok, 0));
}
