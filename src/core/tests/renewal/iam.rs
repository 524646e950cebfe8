//! What IAM says.

use super::*;

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
