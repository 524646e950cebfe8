//! Files: what counts as a change (contract, promise 2), and what date a key has.

use super::world::*;
use crate::core::consumer::ConsumerState;
use crate::core::key::KeyState;
use crate::core::*;

#[test]
fn a_file_that_is_gone_for_three_seconds_was_never_gone() {
    let mut world = World::running();
    let told = world.told.len();
    world.remove(FILE);
    world.run(SECOND * 3);
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    world.edit(FILE, "K", 1);
    world.run(MINUTE);
    assert_eq!((world.told.len(), world.applies.len()), (told, 0));
}

#[test]
fn a_file_that_is_gone_for_ten_seconds_is_missing() {
    let mut world = World::running();
    world.remove(FILE);
    world.run(SECOND * 10);
    assert_eq!(world.key_state("bedrock"), KeyState::Missing);
    assert_eq!(world.applies.len(), 0, "nobody is touched for that");
    world.edit(FILE, "K", 1);
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Ok, 0));
    world.remove(FILE);
    world.run(SECOND * 10);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(2)));
}

#[test]
fn what_was_not_carried_out_is_when_the_file_is_back() {
    let mut world = World::running();
    world.plans = [Plan::Dies].into();
    world.edit(FILE, "K", 2);
    world.run(SECOND);
    world.remove(FILE);
    world.run(MINUTE);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(2)));
}

#[test]
fn what_waits_is_not_forgotten_while_the_file_is_gone() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.remove(FILE);
    world.run(MINUTE * 20);
    world.edit(FILE, "K", 2);
    world.run(HOUR);
    assert_eq!((world.state("litellm"), world.holds("litellm", "K")), (ConsumerState::Current, Some(2)));
}

#[test]
fn what_waits_is_not_forgotten_when_the_daemon_starts_with_the_file_held_open() {
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = true;
    world.crash();
    world.run(HOUR);
    assert!(world.up.len() == 1, "it is as it was");
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().busy = false;
    world.run(DAY);
    assert_eq!(world.state("litellm"), ConsumerState::Current);
}

#[test]
fn half_a_value_is_never_seen() {
    let mut world = World::new(usual());
    world.launch("litellm", &[]);
    for first in [true, false] {
        world.set(FILE, "K", 99);
        world.files.get_mut(std::path::Path::new(FILE)).unwrap().cut_short = true;
        if first {
            world.start();
        } else {
            world.hint(FILE);
        }
        world.run(SECOND);
        world.edit(FILE, "K", 2 + u8::from(first));
        world.run(MINUTE);
    }
    assert!(world.key("bedrock").record.known.iter().all(|known| known.fingerprint != print(99)));
}

#[test]
fn what_only_running_the_file_could_tell_touches_nobody() {
    let mut world = World::running();
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().dynamic = true;
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), world.applies.len()), (KeyState::Dynamic, 0));
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().dynamic = false;
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), world.holds("litellm", "K")), (KeyState::Ok, Some(3)));
}

#[test]
fn a_value_with_control_characters_is_given_to_nobody() {
    let mut world = World::running();
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().control_characters = true;
    world.edit(FILE, "K", 2);
    world.run(DAY);
    assert_eq!((world.applies.len(), world.holds("litellm", "K")), (0, Some(1)));
    let consumer = world.machine.consumer(&"litellm".into()).unwrap();
    assert_eq!(world.machine.consumer_state(consumer), ConsumerState::Stale, "it has another than the file");
    let asked = world.ask(Request::Apply("litellm".into(), true));
    world.run(MINUTE);
    assert!(matches!(world.reply(asked), Reply::Denied(_)), "{:?}", world.reply(asked));
    assert_eq!(world.applies.len(), 0);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().control_characters = false;
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    assert_eq!(world.holds("litellm", "K"), Some(3));
}

#[test]
fn one_file_that_is_held_open_freezes_nobody_else() {
    let settings = Settings { keys: shared([key("a", "A", "/a"), key("b", "B", "/b")]), ..usual() };
    let mut world = World::new(settings);
    world.set("/a", "A", 1);
    world.set("/b", "B", 1);
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = true;
    world.launch("litellm", &[("A", 1), ("B", 1)]);
    world.start();
    world.run(MINUTE);
    world.edit("/a", "A", 2);
    world.run(MINUTE);
    assert_eq!((world.holds("litellm", "A"), world.state("litellm")), (Some(2), ConsumerState::Current));
    // Nor one that was known before.
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = false;
    world.run(MINUTE * 2);
    world.set("/b", "B", 9);
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = true;
    world.hint("/b");
    world.run(MINUTE);
    world.edit("/a", "A", 3);
    world.run(MINUTE);
    assert_eq!((world.holds("litellm", "A"), world.holds("litellm", "B")), (Some(3), Some(1)));
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = false;
    world.run(MINUTE * 2);
    assert_eq!((world.holds("litellm", "B"), world.state("litellm")), (Some(9), ConsumerState::Current));
    // Nor is a change lost that was believed and could not be carried out before.
    world.run(MINUTE * 10);
    world.plans = [Plan::Dies].into();
    world.edit("/b", "B", 10);
    world.run(SECOND * 2);
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = true;
    world.hint("/b");
    world.edit("/a", "A", 4);
    world.run(MINUTE);
    assert_eq!((world.holds("litellm", "A"), world.holds("litellm", "B")), (Some(4), Some(9)));
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = false;
    world.run(MINUTE * 2);
    assert_eq!(world.holds("litellm", "B"), Some(10));
}

#[test]
fn a_key_is_never_younger_than_its_first_sight() {
    let mut world = World::running();
    let issued = |world: &World| world.key("bedrock").record.known_now().unwrap().issued;
    assert_eq!(issued(&world), Issued { at: at("2026-10-01T12:00:00Z"), source: IssuedSource::File });
    world.run(DAY);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    let observed = Issued { at: at("2026-10-02T12:01:00Z"), source: IssuedSource::Observed };
    assert_eq!(issued(&world), observed);
    world.run(DAY);
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.crash();
    world.run(MINUTE);
    assert_eq!(issued(&world), observed, "a rewrite makes it no younger");
    // A date in the future is nonsense.
    world.set(FILE, "K", 3);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2030-01-01T00:00:00Z"));
    world.hint(FILE);
    world.run(MINUTE);
    assert!(issued(&world).at <= world.now());
}

#[test]
fn what_a_value_says_of_itself_is_of_that_value_alone() {
    let mut world = World::running();
    let (issued, end) = (world.now(), world.now() + DAY * 7);
    world.carried = Some((issued, end));
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.carried = None;
    world.edit(FILE, "K", 3);
    world.run(MINUTE);
    let ends = world.key("bedrock").record.known.iter().map(|known| known.anatomy.expires_at);
    assert_eq!(ends.collect::<Vec<_>>(), [None, Some(end), None]);
}

#[test]
fn an_older_copy_proves_an_older_key() {
    let mut world = World::running();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    world.set(FILE, "K", 1);
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().modified = Some(at("2026-09-20T00:00:00Z"));
    world.hint(FILE);
    world.run(MINUTE);
    assert_eq!(world.key("bedrock").life().unwrap().issued_at, at("2026-09-20T00:00:00Z"));
}

#[test]
fn a_key_first_seen_by_a_clock_that_is_far_behind_is_not_taken_for_old() {
    let mut world = World::running();
    world.stop();
    world.sleep(DAY);
    world.set(FILE, "K", 2);
    world.jump_unseen(-DAY * 365 * 20);
    world.start();
    world.run(MINUTE);
    world.jump(DAY * 365 * 20);
    world.run(DAY);
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
    assert!(world.shown.is_empty());
}

#[test]
fn hints_at_nothing_cost_no_restart_and_no_rest() {
    let mut world = World::running();
    for _ in 0..1000 {
        world.hint(FILE);
        world.hint("/other");
        world.run(SECOND);
    }
    assert!(world.applies.is_empty());
    world.step(Event::ReadFailed(vec![FILE.into(), "/other".into()]));
    world.step(Event::FileRead(FileReport { path: "/other".into(), body: FileBody::Missing }));
    world.run(MINUTE);
    assert_eq!(world.machine.next_deadline(), Some(at("2026-10-26T12:00:00Z")), "then all is quiet");
}

#[test]
fn a_restart_of_ours_does_not_pass_for_the_users_choice() {
    let settings = Settings { keys: shared([key("a", "A", "/a"), key("b", "B", "/b")]), ..usual() };
    let mut world = World::new(settings);
    world.set("/a", "A", 1);
    world.set("/b", "B", 1);
    world.launch("litellm", &[("A", 1), ("B", 1)]);
    world.run(SECOND);
    world.set("/b", "B", 2);
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = true;
    world.start();
    world.run(MINUTE);
    // The consumer is restarted for one key while the other file can't be told.
    world.edit("/a", "A", 2);
    world.run(MINUTE);
    assert_eq!(world.holds("litellm", "B"), Some(1));
    world.files.get_mut(std::path::Path::new("/b")).unwrap().busy = false;
    world.run(MINUTE * 2);
    assert_eq!((world.holds("litellm", "B"), world.state("litellm")), (Some(2), ConsumerState::Current));
}

#[test]
fn what_a_file_lacks_is_known_when_the_daemon_starts_again() {
    let told = |world: &World, event: &str| world.told.iter().filter(|entry| entry.event == event).count();
    let mut world = World::running();
    world.remove(FILE);
    world.run(SECOND * 10);
    world.crash();
    assert_eq!(world.key_state("bedrock"), KeyState::Missing, "before its file is looked at");
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), told(&world, "key-missing")), (KeyState::Missing, 1));
    // What another file has is another matter.
    let elsewhere = Settings { keys: shared([key("bedrock", "K", "/elsewhere")]), ..world.settings.clone() };
    let machine = Machine::new(elsewhere, world.ledger.clone());
    assert_eq!(machine.key(&"bedrock".into()).unwrap().state(&[25], world.now()), KeyState::Ok);
    world.stop();
    world.set(FILE, "K", 1);
    world.start();
    world.run(MINUTE);
    assert_eq!((world.key_state("bedrock"), told(&world, "key-back")), (KeyState::Ok, 1));
    world.crash();
    assert_eq!(world.key_state("bedrock"), KeyState::Ok);
}
