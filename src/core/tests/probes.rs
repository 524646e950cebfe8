//! Asking after keys: before they are rolled out, on a schedule, and when somebody wants to know.

use std::sync::Arc;

use jiff::SignedDuration;

use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::key::KeyState;
use crate::core::*;

const UNREACHABLE: Issuer = Issuer::Says(ProbeVerdict::Unreachable);

fn manners(world: &World) -> Vec<ProbeManner> {
    world.probes.iter().map(|probe| probe.2).collect()
}

fn events(world: &World, event: &str) -> usize {
    world.told.iter().filter(|entry| entry.event == event).count()
}

fn last_apply(world: &World) -> (Outcome, String) {
    let record = &world.machine.consumer(&"litellm".into()).unwrap().record;
    record.last_apply.as_ref().map(|last| (last.outcome, last.detail.clone())).unwrap()
}

fn verify(world: &mut World) -> Ticket {
    world.ask(Request::Verify("bedrock".into()))
}

fn verdict(world: &World, ticket: Ticket) -> ProbeVerdict {
    match world.reply(ticket) {
        Reply::Verified(report) => report.verdict,
        other => panic!("{other:?}"),
    }
}

// Whom to ask

#[test]
fn nothing_but_a_key_of_bedrock_s_is_sent_to_bedrock() {
    let of_kind = |spec: KeySpec, kind| {
        let mut world = World::new(Settings { keys: shared([spec]), ..usual() });
        world.set(FILE, "K", 1);
        world.set(FILE, "AWS_BEARER_TOKEN_BEDROCK", 1);
        world.kind = kind;
        world.start();
        world.run(MINUTE);
        !world.probes.is_empty()
    };
    let spec =
        |probed, endpoint: Option<&str>, variable| KeySpec { probed, endpoint: endpoint.map(Into::into), ..key("k", variable, FILE) };
    assert!(!of_kind(spec(true, None, "K"), KeyKind::Opaque));
    assert!(!of_kind(spec(true, None, "K"), KeyKind::Jwt));
    assert!(of_kind(spec(true, None, "K"), KeyKind::BedrockLongTerm));
    assert!(of_kind(spec(true, None, "K"), KeyKind::BedrockShortTerm));
    assert!(of_kind(spec(true, None, "AWS_BEARER_TOKEN_BEDROCK"), KeyKind::Opaque));
    assert!(of_kind(spec(true, Some("https://gateway"), "K"), KeyKind::Opaque), "whom to ask was named");
    assert!(!of_kind(spec(false, Some("https://gateway"), "AWS_BEARER_TOKEN_BEDROCK"), KeyKind::BedrockLongTerm), "off is off");
}

// Before a rollout

#[test]
fn a_new_key_is_asked_about_and_then_taken_up() {
    let mut world = World::probing();
    assert_eq!(manners(&world), [ProbeManner::Fresh]);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!(manners(&world), [ProbeManner::Fresh; 2]);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K"), world.applies.len()), (ConsumerState::Current, Some(2), 1));
    world.run(HOUR * 24);
    assert_eq!(world.probes.len(), 2 + 4, "four times a day");
    assert_eq!(manners(&world)[2..], [ProbeManner::Scheduled; 4]);
    assert_eq!((world.applies.len(), events(&world, "key-probed")), (1, 2), "that all is as before is no news");
}

#[test]
fn a_rejected_key_touches_nothing_and_is_told_once() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 30);
    assert_eq!(world.state("litellm"), ConsumerState::Pending, "it may yet become known");
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K"), world.applies.len()), (ConsumerState::Stale, Some(1), 0));
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    assert_eq!((world.thresholds(), last_apply(&world).0), (vec!["rejected".into()], Outcome::Refused));
    assert_eq!(world.machine.consumer(&"litellm".into()).unwrap().record.applies.of("refused"), 1);
    assert!(last_apply(&world).1.contains("it rejected") && last_apply(&world).1.contains(FILE), "{:?}", last_apply(&world));
    for _ in 0..20 {
        world.crash();
        world.ask(Request::Refresh);
        world.run(HOUR);
    }
    assert_eq!((world.thresholds(), events(&world, "refused"), world.up.len()), (vec!["rejected".into()], 1, 1));
    assert_eq!(world.machine.consumer(&"litellm".into()).unwrap().record.restarts, []);
    // The next edit is looked at anew.
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(3)));
    assert!(world.up.is_empty());
}

#[test]
fn a_key_that_takes_a_while_to_be_known_everywhere() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 20);
    world.rejects.clear();
    world.run(SECOND * 20);
    assert_eq!((world.state("litellm"), world.thresholds().len()), (ConsumerState::Current, 0));
}

#[test]
fn a_mended_slip_does_not_wait_for_the_key_before() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    world.edit(FILE, "K", 3);
    world.run(SECOND * 10);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(3)));
    world.run(HOUR);
    assert_eq!(world.thresholds().len(), 0, "what is said of the key before concerns nobody");
    // A file that changes all the time doesn't fill the machine with workers.
    world.issuer = Issuer::Silent;
    let before = world.probes.len();
    for value in 10..60 {
        world.edit(FILE, "K", value);
        world.run(SECOND);
    }
    assert_eq!(world.probes.len() - before, 3);
    world.run(MINUTE * 5);
    assert_eq!(world.probes.last().unwrap().1, print(59));
}

#[test]
fn where_nothing_can_be_learned_it_goes_ahead_after_a_minute() {
    for issuer in [UNREACHABLE, Issuer::Says(ProbeVerdict::Unknown), Issuer::Says(ProbeVerdict::Denied), Issuer::Silent] {
        let mut world = World::probing();
        world.issuer = issuer;
        world.edit(FILE, "K", 2);
        world.run(SECOND);
        if issuer == UNREACHABLE {
            assert_eq!(world.state("litellm"), ConsumerState::Pending);
        }
        world.run(if issuer == Issuer::Silent { MINUTE * 6 } else { SECOND * 70 });
        assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1), "{issuer:?}");
        assert!(world.shown.is_empty());
    }
}

#[test]
fn that_nobody_can_be_reached_makes_no_rejected_key_good() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    world.issuer = UNREACHABLE;
    world.run(DAY);
    let ticket = world.ask(Request::Apply("litellm".into(), false));
    world.run(MINUTE * 2);
    assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Refused, _)));
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Rejected, 0));
    assert_eq!(world.thresholds(), ["rejected"]);
}

/// A file of two keys, and a consumer that has them.
fn two_keys() -> World {
    let settings = Settings { keys: shared([probed("bedrock", "K", FILE), probed("second", "L", FILE)]), ..usual() };
    let mut world = World::new(settings);
    world.set(FILE, "K", 1);
    world.set(FILE, "L", 11);
    world.launch("litellm", &[("K", 1), ("L", 11)]);
    world.start();
    world.run(MINUTE);
    world
}

#[test]
fn what_is_rejected_does_not_hold_up_the_rest() {
    let mut world = two_keys();
    world.rejects.insert(2);
    world.set(FILE, "K", 2);
    world.edit(FILE, "L", 12);
    world.run(MINUTE * 2);
    assert_eq!((world.holds("litellm", "K"), world.holds("litellm", "L")), (Some(1), Some(12)));
    assert_eq!((world.applies.len(), world.state("litellm")), (1, ConsumerState::Stale));
    let targets = world.applies[0].2.clone();
    assert_eq!(world.machine.withheld(&targets), ["K"], "it stands in the same file");
    world.crash();
    world.run(MINUTE * 2);
    assert_eq!((world.applies.len(), last_apply(&world).0), (1, Outcome::Applied));
    // It becomes known after all.
    world.rejects.clear();
    world.run(HOUR * 7);
    assert_eq!((world.state("litellm"), world.applies.len(), world.up.len()), (ConsumerState::Current, 2, 0));
    assert!(world.machine.withheld(&world.applies[1].2).is_empty());
}

#[test]
fn what_waits_for_a_rejected_key_still_does_when_the_rest_is_taken_up() {
    let mut world = two_keys();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.set(FILE, "K", 2);
    world.edit(FILE, "L", 12);
    world.run(MINUTE);
    world.rejects.insert(2);
    verify(&mut world);
    world.run(MINUTE * 6);
    assert_eq!((world.applies.len(), world.holds("litellm", "K"), world.holds("litellm", "L")), (2, Some(1), Some(12)));
    let pending = world.machine.consumer(&"litellm".into()).unwrap().record.pending.as_ref().unwrap();
    assert!(pending.targets.contains_key(&KeyName::from("bedrock")), "{pending:?}");
}

#[test]
fn what_was_held_back_is_forgotten_once_the_user_has_given_it_to_the_consumer() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    let is_held_back = |world: &World| world.machine.consumer(&"litellm".into()).unwrap().record.held_back.is_some();
    assert!(is_held_back(&world));
    world.kill("litellm");
    world.launch("litellm", &[("K", 2)]);
    world.step(Event::ConsumerGone("litellm".into()));
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), is_held_back(&world)), (ConsumerState::Current, false));
}

#[test]
fn whoever_asks_gets_an_answer_of_their_own() {
    for force in [false, true] {
        let mut world = World::probing();
        world.rejects.insert(2);
        world.edit(FILE, "K", 2);
        world.run(MINUTE * 2);
        let before = world.probes.len();
        let ticket = world.ask(Request::Apply("litellm".into(), force));
        world.run(MINUTE * 2);
        assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Refused, _)));
        assert_eq!((world.probes.len(), world.applies.len()), (before + 1, 0));
        world.rejects.clear();
        let ticket = world.ask(Request::Apply("litellm".into(), force));
        world.run(MINUTE);
        assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Applied, _)));
        assert_eq!((world.applies.len(), world.up.len()), (1, 0));
    }
}

#[test]
fn a_restart_for_its_own_sake_asks_nobody() {
    let mut world = World::probing();
    world.rejects.insert(1);
    world.run(HOUR * 7);
    assert_eq!(world.key_state("bedrock"), KeyState::Rejected);
    let before = world.probes.len();
    let ticket = world.ask(Request::Apply("litellm".into(), true));
    world.run(SECOND * 20);
    assert!(matches!(world.reply(ticket), Reply::Applied(Outcome::Applied, _)));
    assert_eq!(world.probes.len(), before);
}

#[test]
fn one_that_is_down_is_not_hidden_by_a_refusal() {
    let mut world = World::probing();
    world.plans = [Plan::Ends(Outcome::Failed)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    assert_eq!(world.state("litellm"), ConsumerState::Failed);
    world.rejects.insert(3);
    world.edit(FILE, "K", 3);
    world.run(HOUR);
    assert_eq!(world.state("litellm"), ConsumerState::Failed);
}

#[test]
fn a_crash_at_any_moment_loses_no_edit() {
    for rejected in [false, true] {
        for pause in [10, 255, 280, 300, 320, 1000, 30_000, 59_000, 60_300, 60_320, 61_000] {
            for effects in 0..8 {
                let mut world = World::probing();
                world.run(HOUR);
                if rejected {
                    world.rejects.insert(2);
                }
                world.set(FILE, "K", 2);
                world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2026-10-01T11:00:00Z"));
                world.hint(FILE);
                world.run(jiff::SignedDuration::from_millis(pause));
                world.crash_after = Some(effects);
                world.run(SECOND);
                world.crash();
                world.run(MINUTE * 3);
                if pause >= 300 && effects == 7 {
                    let state = if rejected { ConsumerState::Stale } else { ConsumerState::Current };
                    assert_eq!(world.state("litellm"), state, "{rejected} {pause} {effects}");
                }
                let seen = (world.applies.len(), world.up.len(), world.state("litellm"), events(&world, "refused"));
                assert!(seen.0 <= 1 && seen.1 == usize::from(rejected) && seen.3 <= 2, "{rejected} {pause} {effects}: {seen:?}");
            }
        }
    }
}

#[test]
fn a_daemon_that_ends_while_it_waits_for_an_answer() {
    let mut world = World::probing();
    world.run(HOUR);
    world.issuer = UNREACHABLE;
    // Older than the process: only what is on record tells that it is to be taken up.
    world.set(FILE, "K", 2);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2026-10-01T11:00:00Z"));
    world.hint(FILE);
    for _ in 0..3 {
        world.run(SECOND * 30);
        assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Pending, 0));
        world.crash();
    }
    world.issuer = Issuer::Truthful;
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.applies.len()), (ConsumerState::Current, 1));
}

// On a schedule

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

// When somebody wants to know

#[test]
fn asked_whether_it_works() {
    let mut world = World::probing();
    let tickets = [verify(&mut world), verify(&mut world)];
    world.run(SECOND);
    assert_eq!(tickets.map(|ticket| verdict(&world, ticket)), [ProbeVerdict::Works; 2]);
    assert_eq!(manners(&world), [ProbeManner::Fresh, ProbeManner::Asked], "once for both");
    world.rejects.insert(1);
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Rejected);
    assert_eq!((world.key_state("bedrock"), world.thresholds()), (KeyState::Rejected, vec!["rejected".into()]));
}

#[test]
fn an_edit_just_before_is_asked_about() {
    let mut world = World::probing();
    world.set(FILE, "K", 2);
    let ticket = verify(&mut world);
    world.run(MINUTE);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Works);
    assert_eq!(world.probes.last().unwrap(), &("bedrock".into(), print(2), ProbeManner::Asked));
    // And one that comes in between.
    world.rejects.insert(3);
    world.edit(FILE, "K", 3);
    world.run(SECOND * 10);
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    world.edit(FILE, "K", 4);
    world.run(MINUTE);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Works);
}

#[test]
fn a_probe_of_another_manner_is_not_enough() {
    let mut world = World::probing();
    world.issuer = UNREACHABLE;
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    let ticket = verify(&mut world);
    world.run(SECOND * 40);
    assert!(!world.replies.contains_key(&ticket), "the first minute isn't over");
    world.run(SECOND * 20);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unreachable);
    assert_eq!(manners(&world)[1..], [ProbeManner::Fresh, ProbeManner::Asked]);
}

#[test]
fn asked_about_what_nobody_can_be_asked_about() {
    let denied = |world: &World, ticket| match world.reply(ticket) {
        Reply::Denied(Denial::Refused { message, .. }) => message.clone(),
        other => panic!("{other:?}"),
    };
    let mut world = World::running();
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert!(denied(&world, ticket).contains("off"));
    let mut settings = usual();
    Arc::make_mut(&mut settings.keys[0]).probed = true;
    world.reconfigure(settings);
    let ticket = verify(&mut world);
    world.run(SECOND);
    assert!(denied(&world, ticket).contains("no key of Bedrock's"));
    let ticket = world.ask(Request::Verify("nobody".into()));
    assert_eq!(world.reply(ticket), &Reply::Denied(Denial::UnknownKey("nobody".into())));
    let mut world = World::probing();
    world.remove(FILE);
    world.run(MINUTE);
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    assert!(denied(&world, ticket).contains("there is no key"));
}

#[test]
fn an_answer_about_the_value_before_is_not_enough() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let before = verify(&mut world);
    world.run(SECOND);
    world.issuer = Issuer::Truthful;
    world.edit(FILE, "K", 2);
    world.run(SECOND * 10);
    assert_eq!(verdict(&world, before), ProbeVerdict::Works);
    // The one about the value before has still to come, or is lost.
    let after = verify(&mut world);
    world.run(SECOND * 10);
    assert_eq!(verdict(&world, after), ProbeVerdict::Works);
}

#[test]
fn what_a_verdict_is_good_for() {
    let settled = |world: &World, insists, after: SignedDuration| {
        let key = world.key("bedrock");
        key.is_settled(insists, key.probe().unwrap().at + after)
    };
    let ages = [-SECOND, SignedDuration::ZERO, MINUTE * 10 - SECOND, MINUTE * 10, DAY];
    let mut world = World::probing();
    assert_eq!(ages.map(|age| settled(&world, false, age)), [false, true, true, false, false], "ten minutes");
    assert_eq!(ages.map(|age| settled(&world, true, age)), [false, true, true, false, false]);
    // Of a key that is rejected nothing more need be known, unless somebody hopes for better.
    world.rejects.insert(1);
    verify(&mut world);
    world.run(SECOND);
    assert_eq!(ages.map(|age| settled(&world, false, age)), [true; 5]);
    assert_eq!(ages.map(|age| settled(&world, true, age)), [false; 5]);
    // Nor of one that nobody is asked about any more.
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).probed = false;
    world.reconfigure(settings);
    assert_eq!(ages.map(|age| settled(&world, true, age)), [true; 5]);
}

#[test]
fn an_answer_is_given_its_time_anew_after_a_suspend() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let ticket = verify(&mut world);
    world.run(SECOND);
    world.jump(HOUR);
    world.run(MINUTE * 4);
    assert!(!world.replies.contains_key(&ticket), "its worker slept as well");
    world.run(MINUTE * 2);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unknown);
}

#[test]
fn nobody_waits_for_ever() {
    let mut world = World::probing();
    world.issuer = Issuer::Silent;
    let ticket = verify(&mut world);
    world.run(MINUTE * 6);
    assert_eq!(verdict(&world, ticket), ProbeVerdict::Unknown);
    let gone = verify(&mut world);
    world.run(SECOND);
    let moved = verify(&mut world);
    let mut settings = world.settings.clone();
    Arc::make_mut(&mut settings.keys[0]).variable = "L".into();
    world.reconfigure(settings.clone());
    world.run(MINUTE);
    assert!(matches!(world.reply(gone), Reply::Denied(_)));
    assert!(matches!(world.reply(moved), Reply::Denied(_)));
    Arc::make_mut(&mut settings.keys[0]).variable = "K".into();
    world.reconfigure(settings.clone());
    world.run(SECOND);
    let gone = verify(&mut world);
    world.reconfigure(Settings { keys: Vec::new(), ..settings });
    assert!(matches!(world.reply(gone), Reply::Denied(Denial::UnknownKey(_))));
}

#[test]
fn asked_and_found_good_again_it_is_taken_up() {
    let mut world = World::probing();
    world.rejects.insert(2);
    world.edit(FILE, "K", 2);
    world.run(MINUTE * 2);
    assert_eq!(world.state("litellm"), ConsumerState::Stale);
    world.rejects.clear();
    let ticket = verify(&mut world);
    world.run(SECOND * 10);
    assert_eq!((verdict(&world, ticket), world.state("litellm")), (ProbeVerdict::Works, ConsumerState::Current));
}

#[test]
fn a_stale_one_of_the_user_s_is_left_alone_when_a_key_becomes_good() {
    let mut world = World::new(Settings { keys: shared([probed("bedrock", "K", FILE)]), ..usual() });
    world.rejects.insert(1);
    world.set(FILE, "K", 1);
    world.run(MINUTE);
    world.launch("litellm", &[("K", 9)]);
    world.start();
    world.run(MINUTE * 2);
    assert_eq!((world.state("litellm"), world.key_state("bedrock")), (ConsumerState::Stale, KeyState::Rejected));
    world.rejects.clear();
    world.run(DAY);
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Ok, 0));
}
